using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Plane.Grains.Feed;
using Plane.Grains.Metrics;
using Plane.Storage;

namespace Plane.Grains.Warm;

/// <summary>
/// Keeps the pools of warm backends filled: after each claim of this controller, after each change of a service, and with every sweep.
/// <para>
/// Every controller does it. What keeps two of them from starting a backend too many is the database: a place of a pool is a key (<see cref="PoolKey"/>), which one backend holds. What
/// starts, where, and what ends is decided by <see cref="WarmPlan"/>. Starts that fail one after another wait, by a row of the database: all controllers together make one attempt then.
/// </para>
/// </summary>
internal sealed partial class WarmPools(
    IWarmPoolStore poolStore, IServiceStore serviceStore, IDroneStore droneStore, IKeyStore keyStore, IStore store, WarmSignal signal, ChangeFeed feed, GrainOptions options, ControllerMetrics metrics, TimeProvider time, ILogger<WarmPools> logger) : BackgroundService
{
    // So that a large pool is filled without taking the database from connects, and another pool has its turn soon.
    private const int StartsAtOnce = 4;
    private const int StartsPerTurn = 32;
    private const string Name = "warm";

    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_settle = TimeSpan.FromMilliseconds(300);

    private readonly ILogger _logger = logger;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var failing = new PacedLog(time);
        var watching = WatchAsync(stoppingToken);
        try
        {
            while (!stoppingToken.IsCancellationRequested)
            {
                var next = await TryTurnAsync(failing, stoppingToken);
                if (await signal.WaitAsync(next * (0.9 + (Random.Shared.NextDouble() / 5)), time, stoppingToken))
                {
                    // Claims come in bursts, and each is followed by a visit, which a start would be in the way of.
                    await Task.Delay(s_settle, time, stoppingToken);
                }
            }
        }
        catch (Exception) when (stoppingToken.IsCancellationRequested)
        {
            // Whatever the turn failed with that was cut off, the host would log it as a failure of this service.
            return;
        }
        finally
        {
            await watching;
        }
    }

    /// <summary>Has a change of a service seen at once.</summary>
    private async Task WatchAsync(CancellationToken stoppingToken)
    {
        using var subscription = feed.Subscribe(Topic.Services);
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                if (await subscription.WaitAsync(LongPoll.Longest, stoppingToken))
                {
                    signal.Set();
                }
                else
                {
                    // A feed that has ended signals nothing and waits for nothing.
                    await Task.Delay(s_pause, time, stoppingToken);
                }
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
        }
    }

    /// <summary>One turn; the result is when the next one is due at the latest.</summary>
    private async Task<TimeSpan> TryTurnAsync(PacedLog failing, CancellationToken stoppingToken)
    {
        var period = options.LeaseNumbers.Sweep;
        using var longest = new CancellationTokenSource(s_longest, time);
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(longest.Token, stoppingToken);
        try
        {
            var turn = new Turn(period);
            await RunAsync(turn, cancel.Token);
            metrics.Swept(Name, "done", turn.Rows);
            failing.End();
            return turn.Next;
        }
        catch (Exception e) when (!stoppingToken.IsCancellationRequested)
        {
            metrics.Swept(Name, "failed", 0);
            var isOutside = e is StoreUnavailableException or OperationCanceledException;
            var level = (isOutside && store.Outage is not null) || !failing.IsDue(after: isOutside ? 1 : 0) ? LogLevel.Debug : LogLevel.Warning;
            LogFailed(level, e.Message, isOutside ? null : e);
            return period;
        }
    }

    private async Task RunAsync(Turn turn, CancellationToken cancellationToken)
    {
        var services = await serviceStore.ListServicesAsync(cancellationToken);
        var warm = await poolStore.ListWarmAsync(cancellationToken);
        var definitions = services.Select(s => s.Service).Where(s => s.Config.Warm is not null).ToDictionary(s => s.Name);
        if (definitions.Count == 0 && warm.Count == 0)
        {
            return;
        }

        // Of services that keep none any more, or were deleted, and in clusters that are not theirs.
        var ends = warm.Where(b => !definitions.TryGetValue(b.Service, out var s) || !IsIn(s, b.Cluster)).ToList();
        var pools = warm.Except(ends).ToLookup(b => (b.Service, b.Cluster));
        var clusters = definitions.Count > 0 ? await droneStore.ListClustersAsync(cancellationToken) : [];
        foreach (var service in definitions.Values)
        {
            foreach (var cluster in clusters.Where(c => IsIn(service, c)))
            {
                var pool = pools[(service.Name, cluster)].ToList();
                var plan = WarmPlan.Of(service, pool);
                ends.AddRange(plan.Ends);
                if (plan.Places.Count > 0)
                {
                    await StartAsync(service, cluster, pool, plan.Places, turn, cancellationToken);
                }
            }
        }

        var ended = await poolStore.EndWarmAsync([.. ends.Select(b => b.Identity)], cancellationToken);
        turn.Rows += ended;
        if (ended > 0)
        {
            LogEnded(ended);
        }
    }

    private static bool IsIn(ServiceDefinition service, ClusterName cluster) =>
        service.Config.SpawnConfig.Cluster is not { } own || (ClusterName.TryParse(own, out var name) && name == cluster);

    private async Task StartAsync(
        ServiceDefinition service, ClusterName cluster, List<WarmBackend> pool, IReadOnlyList<int> places, Turn turn, CancellationToken cancellationToken)
    {
        var most = StartsPerTurn;
        if (await poolStore.ReadWarmDelayAsync(service.Name, service.Version, cancellationToken) is { } delay)
        {
            if (delay > TimeSpan.Zero)
            {
                LogWaits(service.Name, delay);
                turn.IsDueIn(delay);
                return;
            }

            // The last ones failed: one more says whether the next ones will.
            most = pool.Any(b => !b.IsWarm && !b.IsEnding) ? 0 : 1;
        }

        var spawn = service.Config.SpawnConfig with { LifetimeLimitSeconds = null };
        var candidates = await droneStore.ListCandidatesAsync(cluster, cancellationToken);
        var drones = new WarmDrones(candidates, pool, spawn);
        var started = 0;
        await Parallel.ForEachAsync(
            places.Take(most),
            new ParallelOptions { MaxDegreeOfParallelism = StartsAtOnce, CancellationToken = cancellationToken },
            async (place, token) =>
            {
                if (await StartAsync(service, cluster, spawn, place, drones, token))
                {
                    Interlocked.Increment(ref started);
                }
            });
        turn.Rows += started;
        if (started > 0)
        {
            LogStarted(started, service.Name, cluster);
        }

        if (started == StartsPerTurn)
        {
            turn.IsDueIn(TimeSpan.FromMilliseconds(10));
        }
    }

    private async Task<bool> StartAsync(
        ServiceDefinition service, ClusterName cluster, SpawnConfig spawn, int place, WarmDrones drones, CancellationToken cancellationToken)
    {
        while (drones.Pick() is { } drone)
        {
            var command = new ResolvedConnect
            {
                Key = PoolKey.Of(service.Name, service.Version, cluster, place),
                BackendId = BackendName.NewRandom(),
                Spawn = spawn,
                Cluster = cluster,

                // Known to no one: the connect that claims it stores one of its own.
                Token = BearerToken.NewRandom(),
                SecretToken = RandomText.Secret(),
                Service = service.Name,
                ServiceVersion = service.Version,
            };
            var result = await keyStore.AcquireAsync(new AcquireRequest { Command = command, Cluster = cluster, Drone = drone }, cancellationToken);
            if (result.Outcome != AcquireOutcome.DroneUnfit)
            {
                return result.Outcome == AcquireOutcome.Acquired;
            }

            drones.IsUnfit(drone);
        }

        return false;
    }

    [LoggerMessage(EventIds.WarmPoolsStarted, LogLevel.Information, "Warm backends that are started of service {Service} in {Cluster}: {Count}.")]
    private partial void LogStarted(int count, ServiceName service, ClusterName cluster);

    [LoggerMessage(EventIds.WarmPoolsEnded, LogLevel.Information, "Warm backends that are ended, since their service has changed, they are too old, or there are enough of them: {Count}.")]
    private partial void LogEnded(int count);

    [LoggerMessage(EventIds.WarmPoolsWaits, LogLevel.Debug, "Warm backends of service {Service} failed to start; the next attempt is in {Delay}.")]
    private partial void LogWaits(ServiceName service, TimeSpan delay);

    [LoggerMessage(EventId = EventIds.WarmPoolsFailed, Message = "The pools of warm backends were not filled: {Reason}. The controller retries")]
    private partial void LogFailed(LogLevel level, string reason, Exception? exception);

    /// <summary>What a turn did, and when the next one is due.</summary>
    private sealed class Turn(TimeSpan period)
    {
        public int Rows { get; set; }

        public TimeSpan Next { get; private set; } = period;

        public void IsDueIn(TimeSpan time) => Next = time < Next ? time : Next;
    }
}
