using System.Collections.Concurrent;

namespace Plane.Proxy.Routes;

/// <summary>
/// Tokens that the controller did not know a moment ago. Kept apart from the routes, and bounded by itself, so that a flood of invented tokens pushes no
/// route out. A token is drawn before it is given to anyone, so none becomes valid after a client asked for it. Thread-safe.
/// </summary>
internal sealed class NegativeAnswers(ProxyOptions options, TimeProvider time)
{
    private const int Capacity = 10_000;

    private readonly ConcurrentDictionary<string, long> _until = new(StringComparer.Ordinal);
    private int _count;
    private long _sweepAgain = long.MinValue;

    public bool Contains(string token)
    {
        if (!_until.TryGetValue(token, out var until))
        {
            return false;
        }

        if (time.GetTimestamp() < until)
        {
            return true;
        }

        Drop(token, until);
        return false;
    }

    public void Add(string token)
    {
        if (Volatile.Read(ref _count) >= Capacity)
        {
            DropExpired();
            if (Volatile.Read(ref _count) >= Capacity)
            {
                return;
            }
        }

        var until = time.GetTimestamp() + (long)(options.NegativeAnswer.TotalSeconds * time.TimestampFrequency);
        if (_until.TryAdd(token, until))
        {
            Interlocked.Increment(ref _count);
        }
        else
        {
            _until[token] = until;
        }
    }

    private void DropExpired()
    {
        // Under a flood every call finds the store full: one scan in 100 ms is enough.
        var now = time.GetTimestamp();
        var due = Volatile.Read(ref _sweepAgain);
        if (now < due || Interlocked.CompareExchange(ref _sweepAgain, now + (time.TimestampFrequency / 10), due) != due)
        {
            return;
        }

        foreach (var (token, until) in _until)
        {
            if (until <= now)
            {
                Drop(token, until);
            }
        }
    }

    private void Drop(string token, long until)
    {
        if (_until.TryRemove(KeyValuePair.Create(token, until)))
        {
            Interlocked.Decrement(ref _count);
        }
    }
}
