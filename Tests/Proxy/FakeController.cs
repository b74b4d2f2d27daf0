using System.Collections.Concurrent;
using Plane.ProxyHost.Controller;

namespace Plane.Tests.Proxy;

/// <summary>A controller of one process's memory whose answers, changes and faults a test scripts.</summary>
internal sealed class FakeController : IControllerCalls
{
    private readonly object _gate = new();
    private readonly Dictionary<string, Route> _routes = new(StringComparer.Ordinal);
    private readonly HashSet<string> _starting = new(StringComparer.Ordinal);
    private readonly List<Change> _log = [];
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _sequence = 100;
    private int _resolves;

    public FakeController() => Services = new FakeServices(this);

    /// <summary>Every call fails, as with a controller that is away.</summary>
    public bool IsAway { get; set; }

    /// <summary>Changes can't be read; the rest works.</summary>
    public bool ChangesFail { get; set; }

    /// <summary>The next page says that rows are missing.</summary>
    public bool NextPageHasGap { get; set; }

    /// <summary>Stands in for the answer of a resolve.</summary>
    public Func<BearerToken, TimeSpan, CancellationToken, Task<RouteReply>>? OnResolve { get; set; }

    public ConcurrentQueue<BackendIdentity[]> Reports { get; } = new();

    /// <summary>Of each report, or part of one: how many it names, and whether another part follows.</summary>
    public ConcurrentQueue<(int Backends, bool Continues)> Parts { get; } = new();

    public TimeSpan ReportAgainAfter { get; set; } = TimeSpan.FromMilliseconds(100);

    public int Resolves => Volatile.Read(ref _resolves);

    public int Reads { get; private set; }

    public LogPosition Position
    {
        get
        {
            lock (_gate)
            {
                return new LogPosition(_sequence, 0);
            }
        }
    }

    public Route Add(BearerToken token, string address, Func<Route, Route>? with = null)
    {
        var route = new Route
        {
            Backend = new BackendIdentity(BackendName.NewRandom(), new FencingToken(1000)),
            Cluster = ClusterName.Parse(TestProxy.Cluster),
            Address = address,
            SecretToken = "the-secret",
            Status = BackendStatus.Ready,
        };
        route = with?.Invoke(route) ?? route;
        lock (_gate)
        {
            _routes[token.Value] = route;
            _starting.Remove(token.Value);
        }

        return route;
    }

    public void AddStarting(BearerToken token)
    {
        lock (_gate)
        {
            _starting.Add(token.Value);
        }
    }

    public void Ready(BearerToken token, string address)
    {
        var route = Add(token, address);
        Append(new Change { Position = default, Kind = ChangeKind.BackendState, Cluster = route.Cluster, Backend = route.Backend, Status = BackendStatus.Ready });
    }

    public void Revoke(BearerToken token)
    {
        Route route;
        lock (_gate)
        {
            _routes.Remove(token.Value, out route!);
        }

        Append(new Change { Position = default, Kind = ChangeKind.TokenRevoked, Cluster = route.Cluster, Backend = route.Backend, TokenHash = token.Hash() });
    }

    /// <summary>Takes a token away that leads nowhere, or to a backend that was starting.</summary>
    public void Drop(BearerToken token)
    {
        lock (_gate)
        {
            _routes.Remove(token.Value);
            _starting.Remove(token.Value);
        }

        Wake();
    }

    /// <summary>Takes the route away without a word in the log.</summary>
    public void ForgetSilently(BearerToken token)
    {
        lock (_gate)
        {
            _routes.Remove(token.Value);
        }
    }

    public void State(Route route, BackendStatus status)
    {
        if (status >= BackendStatus.Terminating)
        {
            lock (_gate)
            {
                foreach (var token in _routes.Where(r => r.Value.Backend == route.Backend).Select(r => r.Key).ToArray())
                {
                    _routes.Remove(token);
                }
            }
        }

        Append(new Change { Position = default, Kind = ChangeKind.BackendState, Cluster = route.Cluster, Backend = route.Backend, Status = status });
    }

    /// <summary>What a resolve without a wait is answered.</summary>
    public RouteReply Answer(BearerToken token)
    {
        lock (_gate)
        {
            return _routes.TryGetValue(token.Value, out var route) ? new RouteReply { Outcome = RouteOutcome.Found, Route = route, ReadAt = new LogPosition(_sequence, 0) }
                : new RouteReply { Outcome = _starting.Contains(token.Value) ? RouteOutcome.Starting : RouteOutcome.Gone, ReadAt = new LogPosition(_sequence, 0) };
        }
    }

    /// <summary>The attempts that look-ups were, in their order.</summary>
    public ConcurrentQueue<int> Attempts { get; } = [];

    public async Task<RouteReply> ResolveAsync(BearerToken token, string tokenHash, int attempt, TimeSpan wait, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _resolves);
        Attempts.Enqueue(attempt);
        Fail();
        if (OnResolve is { } script)
        {
            return await script(token, wait, cancellationToken);
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(wait == TimeSpan.Zero ? Timeout.InfiniteTimeSpan : wait);
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                if (_routes.TryGetValue(token.Value, out var route))
                {
                    return new RouteReply { Outcome = RouteOutcome.Found, Route = route, ReadAt = new LogPosition(_sequence, 0) };
                }

                if (!_starting.Contains(token.Value))
                {
                    return new RouteReply { Outcome = RouteOutcome.Gone, ReadAt = new LogPosition(_sequence, 0) };
                }

                changed = _changed.Task;
            }

            if (wait == TimeSpan.Zero || await Task.WhenAny(changed, Task.Delay(Timeout.Infinite, limit.Token)) != changed)
            {
                cancellationToken.ThrowIfCancellationRequested();
                return new RouteReply { Outcome = RouteOutcome.Starting, ReadAt = Position };
            }
        }
    }

    public async Task<ChangePage> ReadChangesAsync(LogPosition? after, TimeSpan wait, CancellationToken cancellationToken)
    {
        Reads++;
        Fail();
        if (ChangesFail)
        {
            throw new TimeoutException("the change log does not answer");
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(wait);
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                var gap = NextPageHasGap;
                NextPageHasGap = false;
                var next = new LogPosition(_sequence, 0);
                if (after is null || gap)
                {
                    return new ChangePage { Next = next, Gap = gap };
                }

                var page = _log.Where(c => c.Position > after).ToArray();
                if (page.Length > 0)
                {
                    return new ChangePage { Changes = page, Next = page[^1].Position };
                }

                changed = _changed.Task;
            }

            if (await Task.WhenAny(changed, Task.Delay(Timeout.Infinite, limit.Token)) != changed)
            {
                cancellationToken.ThrowIfCancellationRequested();
                Fail();
                return new ChangePage { Next = after.Value };
            }
        }
    }

    /// <summary>The services that there are.</summary>
    public FakeServices Services { get; }

    public Task<ServiceAccessInfo?> ReadAccessAsync(ServiceName service, int attempt, CancellationToken cancellationToken)
    {
        Fail();
        return Services.ReadAccessAsync(service);
    }

    public Task<EnterReply> EnterAsync(EnterCommand command, int attempt, CancellationToken cancellationToken)
    {
        Fail();
        return Services.EnterAsync(command);
    }

    public Task<ProxyReportReply> ReportAsync(BackendIdentity[] inUse, bool continues, CancellationToken cancellationToken)
    {
        Fail();
        Parts.Enqueue((inUse.Length, continues));
        Reports.Enqueue(inUse);
        return Task.FromResult(new ProxyReportReply { ReportAgainAfter = ReportAgainAfter });
    }

    /// <summary>Wakes whoever waits for a change without there being one.</summary>
    public void Wake()
    {
        lock (_gate)
        {
            _changed.TrySetResult();
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    public void Append(Change change)
    {
        lock (_gate)
        {
            _log.Add(change with { Position = new LogPosition(++_sequence, 0) });
        }

        Wake();
    }

    private void Fail()
    {
        if (IsAway)
        {
            throw new TimeoutException("the controller is away");
        }
    }
}
