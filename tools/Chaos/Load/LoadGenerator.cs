namespace Plane.Chaos.Load;

/// <summary>
/// The users: they connect to a bounded set of keys, visit what they got, hold connections open, and end, revoke and drain. When calm they only connect, visit
/// and look.
/// </summary>
internal sealed class LoadGenerator(Clients clients, IReadOnlyList<string> drones, IReadOnlyList<string> keys, LeaseOptions numbers, int seed, ClaimWatch? claims = null)
{
    private const int Workers = 5;
    private const int MaxStreams = 8;
    private const int Remembered = 40;
    private const int ServiceKeys = 8;

    private readonly Lock _lock = new();
    private readonly ClaimWatch? _claims = claims;
    private readonly List<Ticket> _tickets = [];
    private readonly List<Ticket> _revoked = [];
    private readonly Queue<string> _recent = [];
    private readonly HashSet<string> _backends = [];
    private readonly HashSet<int> _tried = [];
    private volatile bool _isCalm;
    private int _streams;

    /// <summary>The keys of the service.</summary>
    public IReadOnlyList<string> OfService { get; } = claims is null ? [] : [.. Enumerable.Range(1, ServiceKeys).Select(i => $"seat {i}")];

    /// <summary>Every backend that anybody was told of.</summary>
    public IReadOnlyList<string> Backends
    {
        get
        {
            lock (_lock)
            {
                return [.. _backends];
            }
        }
    }

    /// <summary>The tickets of the latest time that nobody tried to revoke, newest first, and those that are revoked.</summary>
    public (IReadOnlyList<Ticket> Valid, IReadOnlyList<Ticket> Revoked) Tickets
    {
        get
        {
            lock (_lock)
            {
                return ([.. _tickets.Where(t => !_tried.Contains(t.Number)).Reverse()], [.. _revoked]);
            }
        }
    }

    /// <summary>While it is calm no client ends a backend.</summary>
    public bool IsCalm
    {
        get => _isCalm;
        set => _isCalm = value;
    }

    public async Task RunAsync(CancellationToken stop)
    {
        try
        {
            await Task.WhenAll([.. Enumerable.Range(0, Workers).Select(i => WorkAsync(new Random(seed + i), stop)), WatchAsync(new Random(seed - 1), stop), DrainAsync(new Random(seed - 2), stop), ChangeServiceAsync(new Random(seed - 3), stop)]);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The end of the load.
        }
    }

    private async Task WorkAsync(Random random, CancellationToken stop)
    {
        var streams = new List<Task>();
        while (true)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(random.Next(100, 500)), TimeProvider.System, stop);
            streams.RemoveAll(s => s.IsCompletedSuccessfully);
            var byService = OfService.Count > 0 && random.Next(5) < 2;
            var key = byService ? OfService[random.Next(OfService.Count)] : keys[random.Next(keys.Count)];
            int[] stops = [0, 0, 300, (int)(numbers.Grace.TotalMilliseconds * 3)];
            var wish = new Wish(key)
            {
                ByService = byService,
                InContainer = random.Next(2) == 0,
                StopMilliseconds = stops[random.Next(stops.Length)],
                IsStatic = random.Next(8) == 0,
                WaitSeconds = random.Next(4) == 0 ? 3 : 0,
                RequestId = random.Next(3) == 0 ? $"{random.NextInt64():x16}" : null,
            };
            if (byService)
            {
                _claims!.Tell();
            }

            var (_, ticket) = await clients.ConnectAsync(wish, stop);
            if (wish.RequestId is not null)
            {
                // As an application does that doesn't know what became of its request, and as one that is mistaken about it.
                ticket = (await clients.ConnectAsync(wish, stop)).Ticket ?? ticket;
            }

            if (ticket is null)
            {
                continue;
            }

            Remember(ticket);
            switch (random.NextDouble())
            {
                case < 0.30 when Volatile.Read(ref _streams) < MaxStreams:
                    streams.Add(StreamAsync(ticket, random.Next(2), TimeSpan.FromSeconds(1 + (random.NextDouble() * 12)), stop));
                    break;
                case < 0.50:
                    await clients.VisitAsync(ticket, random.Next(2), stop);
                    break;
                case < 0.545 when !_isCalm:
                case < 0.85 when byService && !_isCalm:
                    // A session of the service is short: that is what its warm backends are for.
                    await clients.TerminateAsync(ticket.Backend, hard: random.Next(2) == 0, stop);
                    break;
                case < 0.90 when !_isCalm && !ticket.IsStatic && (byService || random.Next(8) == 0):
                    await RevokeAsync(ticket, random.Next(2), stop);
                    break;
                default:
                    break;
            }
        }
    }

    private async Task RevokeAsync(Ticket ticket, int proxy, CancellationToken stop)
    {
        // Known to the proxy first: forgetting is what is hard.
        await clients.VisitAsync(ticket, proxy, stop);
        lock (_lock)
        {
            _tried.Add(ticket.Number);
        }

        if ((await clients.RevokeAsync(ticket, stop)).Ok)
        {
            lock (_lock)
            {
                _revoked.Add(ticket);
            }
        }
    }

    private async Task StreamAsync(Ticket ticket, int proxy, TimeSpan length, CancellationToken stop)
    {
        Interlocked.Increment(ref _streams);
        try
        {
            await clients.StreamAsync(ticket, proxy, length, stop);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The end of the load.
        }
        finally
        {
            Interlocked.Decrement(ref _streams);
        }
    }

    private async Task WatchAsync(Random random, CancellationToken stop)
    {
        while (true)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, stop);
            string? backend;
            lock (_lock)
            {
                backend = _recent.Count == 0 ? null : _recent.ElementAt(random.Next(_recent.Count));
            }

            if (backend is not null)
            {
                await clients.StatusAsync(backend, stop);
            }
        }
    }

    private async Task DrainAsync(Random random, CancellationToken stop)
    {
        while (true)
        {
            await Task.Delay(numbers.Expiry * (0.3 + random.NextDouble()), TimeProvider.System, stop);
            if (_isCalm)
            {
                continue;
            }

            var drone = drones[random.Next(drones.Count)];
            await clients.DrainAsync(drone, terminate: random.Next(2) == 0, stop);
            await Task.Delay(numbers.Expiry * (0.5 * random.NextDouble()), TimeProvider.System, stop);
            while (!(await clients.UndrainAsync(drone, stop)).Ok)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(500), TimeProvider.System, stop);
            }
        }
    }

    /// <summary>Its pool is then replaced.</summary>
    private async Task ChangeServiceAsync(Random random, CancellationToken stop)
    {
        for (var number = 1; _claims is not null; number++)
        {
            await Task.Delay(numbers.Expiry * (0.5 + (2 * random.NextDouble())), TimeProvider.System, stop);
            if (!_isCalm)
            {
                await clients.PutServiceAsync(number, stop);
            }
        }
    }

    private void Remember(Ticket ticket)
    {
        lock (_lock)
        {
            _tickets.Add(ticket);
            if (_tickets.Count > 400)
            {
                _tickets.RemoveAt(0);
            }

            if (_backends.Add(ticket.Backend))
            {
                _recent.Enqueue(ticket.Backend);
                if (_recent.Count > Remembered)
                {
                    _recent.Dequeue();
                }
            }
        }
    }
}
