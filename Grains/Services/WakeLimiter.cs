namespace Plane.Grains.Services;

/// <summary>
/// Bounds how many backends visitors start by requests for sessions that do not run: of one service, and from one network. Each has a bucket of tokens in this controller's memory, so
/// with several controllers the bounds are as many times as high; they are there to slow down who makes up names, not to count. Connects of applications are not bounded. Thread-safe.
/// </summary>
internal sealed class WakeLimiter(TimeProvider time)
{
    /// <summary>How many starts of one service may come at once; then so many a second.</summary>
    public const int ServiceBurst = 500;

    /// <summary>Starts of one service per second.</summary>
    public const int ServiceRate = 50;

    /// <summary>How many starts from one network may come at once: an office behind one address.</summary>
    public const int NetworkBurst = 60;

    /// <summary>Starts from one network per second.</summary>
    public const int NetworkRate = 2;

    // Some 10 MB. A bucket that is full again is as good as none, so these go first; if there are more, all go: better too many starts for a moment than no visitor.
    private const int MaxBuckets = 100_000;

    private readonly Lock _lock = new();
    private readonly Dictionary<(ServiceName Service, string Network), Bucket> _buckets = [];

    /// <summary>How many buckets there are.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _buckets.Count;
            }
        }
    }

    /// <summary>Counts a start.</summary>
    /// <param name="service">The service.</param>
    /// <param name="network">The visitor's network.</param>
    /// <returns>Null where it may be; else when the next one may, and nothing was counted.</returns>
    public TimeSpan? TryTake(ServiceName service, string network)
    {
        var now = time.GetTimestamp();
        lock (_lock)
        {
            if (_buckets.Count >= MaxBuckets)
            {
                Trim(now);
            }

            // A network's bucket is one for all services.
            var ofService = Filled((service, ""), ServiceBurst, ServiceRate, now);
            var ofNetwork = Filled((default, network), NetworkBurst, NetworkRate, now);
            if (ofService.Tokens < 1 || ofNetwork.Tokens < 1)
            {
                return TimeSpan.FromSeconds(Math.Max((1 - ofService.Tokens) / ServiceRate, (1 - ofNetwork.Tokens) / NetworkRate));
            }

            _buckets[(service, "")] = ofService with { Tokens = ofService.Tokens - 1 };
            _buckets[(default, network)] = ofNetwork with { Tokens = ofNetwork.Tokens - 1 };
            return null;
        }
    }

    private Bucket Filled((ServiceName Service, string Network) key, int burst, int rate, long now)
    {
        if (!_buckets.TryGetValue(key, out var bucket))
        {
            return new Bucket(burst, now);
        }

        return new Bucket(Math.Min(burst, bucket.Tokens + (rate * time.GetElapsedTime(bucket.At, now).TotalSeconds)), now);
    }

    private void Trim(long now)
    {
        foreach (var (key, bucket) in _buckets)
        {
            var (burst, rate) = key.Network.Length == 0 ? (ServiceBurst, ServiceRate) : (NetworkBurst, NetworkRate);
            if (bucket.Tokens + (rate * time.GetElapsedTime(bucket.At, now).TotalSeconds) >= burst)
            {
                _buckets.Remove(key);
            }
        }

        if (_buckets.Count >= MaxBuckets)
        {
            _buckets.Clear();
        }
    }

    private readonly record struct Bucket(double Tokens, long At);
}
