using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Plane.Drone.Guard;
using Plane.Drone.Housekeeping;
using Plane.Drone.Leases;
using Plane.Drone.Output;
using Plane.Drone.Ports;
using Plane.Drone.Runtimes;
using Plane.Drone.Session;
using Plane.Drone.State;
using Plane.Drone.Supervision;
using Plane.Hosting;

namespace Plane.Drone;

/// <summary>
/// The agent's life, in this order:
/// <para>
/// 1. Options are checked, the state file is opened and locked: what is wrong here keeps the host from starting.
/// 2. What the file knows is led again, its deadlines are watched; the runtimes are asked what still runs. No controller is needed.
/// 3. The drone registers, beats, renews, pulls and reports. The host's start does not wait for it.
/// 4. A stop lets go of the backends as they are (or ends them first, where the options say so), then of the session, last of the file.
/// </para>
/// Each loop is owned here: one that fails is started again and counted; a refusal by the controller takes the host down.
/// </summary>
internal sealed partial class DroneAgent(
    DroneOptions options,
    ClusterConnection cluster,
    IEnumerable<IRuntimeFactory> factories,
    DroneStatus status,
    ILeaseClock clock,
    TimeProvider time,
    DroneMetrics metrics,
    DescriptorWatch descriptors,
    HostExit exit,
    IReadyLine ready,
    ILoggerFactory loggers) : IHostedService, IAsyncDisposable
{
    private static readonly TimeSpan FirstAdoption = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LastReport = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan RetryLeases = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan RestartPause = TimeSpan.FromSeconds(1);

    private readonly ILogger _logger = loggers.CreateLogger<DroneAgent>();
    private readonly CancellationTokenSource _stopController = new();
    private readonly CancellationTokenSource _stopLocal = new();
    private readonly List<Task> _controllerLoops = [];
    private readonly List<Task> _localLoops = [];
    private readonly Lock _gate = new();
    private DurableState? _state;
    private RuntimeSet? _runtimes;
    private BackendSet? _backends;
    private DroneInspector? _inspector;
    private ClaimCall? _claims;
    private LeaseDirectory? _leases;
    private GuardKeeper? _guard;
    private Task? _givingUp;
    private PortBlock? _portBlock;

    /// <summary>For tests: the parts, once started.</summary>
    internal DurableState? State => _state;

    internal BackendSet? Backends => _backends;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        new DroneOptionsValidator().Validated(options);
        await OpenAsync(cancellationToken);
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (_backends is not null && options.EndBackendsOnStop)
        {
            await EndBackendsAsync(cancellationToken);
        }

        await DisposeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _stopController.CancelAsync();
        if (_backends is not null)
        {
            await _backends.DisposeAsync();
        }

        await _stopLocal.CancelAsync();
        Task[] loops;
        lock (_gate)
        {
            loops = [.. _controllerLoops, .. _localLoops, _givingUp ?? Task.CompletedTask];
            _controllerLoops.Clear();
            _localLoops.Clear();
        }

        await Task.WhenAll(loops);
        if (Interlocked.Exchange(ref _inspector, null) is { } inspector)
        {
            await inspector.DisposeAsync();
        }

        Interlocked.Exchange(ref _claims, null)?.Dispose();
        if (Interlocked.Exchange(ref _runtimes, null) is { } runtimes)
        {
            await runtimes.DisposeAsync();
        }

        if (Interlocked.Exchange(ref _leases, null) is { } leases)
        {
            await LeaveAsync(leases);
        }

        if (Interlocked.Exchange(ref _state, null) is { } state)
        {
            await state.DisposeAsync();
        }

        Interlocked.Exchange(ref _portBlock, null)?.Dispose();
    }

    /// <summary>Where nothing runs any more, the guard and the run directory go too; else they stay, for the guard has work and the next agent reads it.</summary>
    private async Task LeaveAsync(LeaseDirectory leases)
    {
        try
        {
            if (leases.IsEmpty && _guard is not null && await _guard.TryEndAsync())
            {
                leases.Directory.Remove();
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogLeftBehind(leases.Directory.Root, e.Message);
        }
        finally
        {
            leases.Dispose();
        }
    }

    private async Task OpenAsync(CancellationToken cancellationToken)
    {
        if (options.DrawPorts)
        {
            _portBlock = PortBlock.TryDraw()
                ?? throw new StartRefusedException("all ten blocks of ports from 10000 to 19999 are in use by other drones on this machine; give this drone a range of its own with --port-range", ExitCodes.Usage);
            (options.PortFrom, options.PortTo) = (_portBlock.From, _portBlock.To);
            LogPorts(_portBlock.From, _portBlock.To);
        }

        var state = _state = await DurableState.OpenAsync(options, time, loggers.CreateLogger<StateWriter>());
        status.Name = state.Name;
        status.InstanceId = state.InstanceId;
        LogOpened(state.Name, state.InstanceId, options.StateFile);

        var runDirectory = options.RunDir ?? RunDirectory.Default(state.Name, options.StateFile);
        var files = _leases = await LeaseDirectory.OpenAsync(
            runDirectory, state.RunDirectory, state.InstanceId, clock, time, loggers.CreateLogger<LeaseDirectory>(), cancellationToken);
        var guard = _guard = new GuardKeeper(options, files.Directory, clock, time, loggers.CreateLogger<GuardKeeper>());

        var rows = await state.ReadBackendsAsync();
        var running = rows.Where(r => r.Order is not null).Select(r => r.Order!.Executable.Kind).ToHashSet();
        string[] earlier = [.. files.Directory.ReadOwners().Where(o => o != state.InstanceId)];
        var owner = new RuntimeOwner(state.Cluster, state.Name, state.InstanceId, files.Directory.Ended)
        {
            EarlierInstances = earlier,
            EarlierPlaces = [.. earlier.SelectMany(files.Directory.ReadPlaces)],
        };
        var runtimes = _runtimes = await RuntimeSet.CreateAsync(options, factories, owner, running, time, _logger, cancellationToken);

        var readiness = new DroneReadiness(state, status);
        readiness.SetKinds(runtimes.Chosen);
        var ports = new PortAllocator(options, clock, state.PortCursor, rows);
        var portWatch = new PortWatch(ports, readiness, time, loggers.CreateLogger<PortWatch>());
        var claims = _claims = new ClaimCall(time);
        var parts = new SupervisionParts(
            options,
            state,
            runtimes,
            files,
            ports,
            new HttpProbe(time),
            claims,
            clock,
            time,
            metrics,
            loggers.CreateLogger<BackendSupervisor>());
        var backends = _backends = new BackendSet(parts, e => Fail(e), loggers.CreateLogger<BackendSet>());
        metrics.ObserveBackends(() => backends.Count);

        var gateways = loggers.CreateLogger(typeof(GatewayChoice<>).FullName!);
        var drones = cluster.Choose<IDroneGrain>(way => GrainKeys.Drone(state.Cluster, state.Name, way), time, gateways);
        var leaseGrains = cluster.Choose<ILeaseGrain>(way => GrainKeys.Lease(state.Cluster, state.Name, way), time, gateways);
        var capacity = new DroneCapacity(options, time, loggers.CreateLogger<DroneCapacity>());
        var sessions = new SessionKeeper(drones, leaseGrains, state, options, readiness, capacity, clock, time, metrics, loggers.CreateLogger<SessionKeeper>());
        var leases = new LeaseKeeper(backends, sessions, state, files, clock, time, metrics, loggers.CreateLogger<LeaseKeeper>());
        var usage = new UsageHistory(time);
        var inspector = _inspector = new DroneInspector(runtimes, usage, time, loggers.CreateLogger<DroneInspector>());
        string? inspectorAddress = null;
        var heartbeat = new HeartbeatLoop(
            sessions, state, readiness, capacity, status, () => inspectorAddress ??= cluster.AddressOf<IDroneInspector>(inspector), clock, time, loggers.CreateLogger<HeartbeatLoop>());
        var puller = new ActionPuller(sessions, state, readiness, backends, time, metrics, loggers.CreateLogger<ActionPuller>());
        var reporter = new StateReporter(sessions, state, time, metrics, loggers.CreateLogger<StateReporter>());
        sessions.Registered += leases.RenewEverything;
        backends.Started += leases.BackendStarted;
        state.OutboxGrew += reporter.OutboxGrew;
        state.Writer.WritableChanged += readiness.Notify;
        files.WritableChanged += () => readiness.SetLeasesWritten(files.IsWritable);
        readiness.SetLeasesWritten(files.IsWritable);
        descriptors.Changed += () => readiness.SetShortOfDescriptors(descriptors.AreFew);
        guard.Changed += () => readiness.SetGuarded(guard.IsGuarded);
        capacity.Changed += heartbeat.BeatNow;
        metrics.ObserveResources(() => capacity.Current, () => ReservedOf(backends, capacity.Current));
        readiness.Changed += heartbeat.BeatNow;
        readiness.Changed += puller.ReadinessChanged;

        // Supervised before anything is compared: what is not supervised is ended.
        var adoption = new Adoption(backends, runtimes, files, metrics, time, loggers.CreateLogger<Adoption>()).Begin(rows, readiness.SetAdopted);
        foreach (var runtime in runtimes.All)
        {
            var watch = new RuntimeWatch(runtime, backends, readiness.SetAnswers, options.CheckEvery, metrics, time, loggers.CreateLogger<RuntimeWatch>());
            Own(_localLoops, "exits", watch.WatchExitsAsync, _stopLocal.Token);
            Own(_localLoops, "runtime check", watch.CheckAsync, _stopLocal.Token);
        }

        var adopted = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Own(_localLoops, "deadlines", leases.WatchAsync, _stopLocal.Token);
        Own(_localLoops, "guard", guard.RunAsync, _stopLocal.Token);
        Own(_localLoops, "leases on disk", RetryLeasesAsync, _stopLocal.Token);
        Own(_localLoops, "adoption", AdoptAsync, _stopLocal.Token);
        Own(_localLoops, "ports", portWatch.RunAsync, _stopLocal.Token);
        Own(_localLoops, "usage", new UsageReader(backends, runtimes, options, metrics, usage, time, loggers.CreateLogger<UsageReader>()).RunAsync, _stopLocal.Token);
        Own(_localLoops, "ready line", SayReadyAsync, _stopLocal.Token);
        Own(_localLoops, "prune", PruneAsync, _stopLocal.Token);
        Own(_localLoops, "output", inspector.RunAsync, _stopLocal.Token);
        Own(_localLoops, "capacity", c => capacity.RunAsync(runtimes, c), _stopLocal.Token);

        Own(_controllerLoops, "session", RegisterAsync, _stopController.Token);
        Own(_controllerLoops, "heartbeat", heartbeat.RunAsync, _stopController.Token);
        Own(_controllerLoops, "renewals", leases.RenewAsync, _stopController.Token);
        Own(_controllerLoops, "actions", puller.RunAsync, _stopController.Token);
        Own(_controllerLoops, "reports", reporter.RunAsync, _stopController.Token);
        OwnImages(runtimes, sessions);

        async Task RetryLeasesAsync(CancellationToken stopping)
        {
            for (var isStored = false; ; await Task.Delay(RetryLeases, time, stopping))
            {
                files.RetryFailed();
                files.AddPlaces(runtimes.All.SelectMany(r => r.GuardedPlaces));
                try
                {
                    // Not before everything that runs has its lease in it: until then the next agent is told the former one.
                    if (!isStored && adopted.Task.IsCompleted)
                    {
                        await state.StoreRunDirectoryAsync(files.Directory.Root);
                        isStored = true;
                    }
                }
                catch (StateUnavailableException)
                {
                    // The writer has logged it.
                    isStored = false;
                }
            }
        }

        async Task AdoptAsync(CancellationToken stopping)
        {
            await adoption(stopping);
            adopted.TrySetResult();
        }

        async Task SayReadyAsync(CancellationToken stopping)
        {
            await status.WhenReady.WaitAsync(stopping);
            ready.Ready(
                "drone",
                ("name", state.Name.Value),
                ("cluster", state.Cluster.Value),
                ("pool", options.Pool),
                ("runtime", string.Join(',', readiness.Kinds.Select(k => k.ToString().ToLowerInvariant()))));
        }

        async Task PruneAsync(CancellationToken stopping)
        {
            await adopted.Task.WaitAsync(stopping);
            await NewPruner().RunAsync(stopping);
        }

        async Task RegisterAsync(CancellationToken stopping)
        {
            // So that the first registration can say that the drone is ready. An engine that is away doesn't keep it from renewing what runs.
            await Task.WhenAny(readiness.WhenFirstReady, Task.Delay(FirstAdoption, time, stopping));
            await sessions.RunAsync(stopping);
        }
    }

    /// <summary>Runs a loop until the agent stops; one that ends by itself has done its work, one that fails is started again.</summary>
    private void Own(List<Task> loops, string name, Func<CancellationToken, Task> loop, CancellationToken stopping)
    {
        lock (_gate)
        {
            loops.Add(Task.Run(RunAsync, CancellationToken.None));
        }

        async Task RunAsync()
        {
            while (!stopping.IsCancellationRequested)
            {
                try
                {
                    await loop(stopping);
                    return;
                }
                catch (SessionRefusedException e)
                {
                    Fail(e);
                    return;
                }
                catch (Exception e) when (!stopping.IsCancellationRequested)
                {
                    LogLoopFailed(e, name);
                    metrics.LoopRestarts.Add(1, new KeyValuePair<string, object?>("loop", name));
                    await Task.WhenAny(Task.Delay(RestartPause, time, stopping));
                }
                catch (Exception e) when (stopping.IsCancellationRequested)
                {
                    LogLoopEnded(name, e.GetType().Name);
                }
            }
        }
    }

    /// <summary>Takes the host down. The first failure counts.</summary>
    private void Fail(Exception failure)
    {
        lock (_gate)
        {
            _givingUp ??= Task.Run(() => GiveUpAsync(failure));
        }
    }

    /// <summary>
    /// Stops speaking; then, where the drone was refused under its name, stays until the leases of what runs have ended it: nobody else would. An operator's
    /// mistake (a foreign installation) leaves it running for the next start with the right controller, as any stop does.
    /// </summary>
    private async Task GiveUpAsync(Exception failure)
    {
        LogGivingUp(failure.Message);
        status.TakesActions = false;
        await _stopController.CancelAsync();
        if (failure is SessionRefusedException { LeavesBackends: false })
        {
            await Task.WhenAny(_backends!.WhenEmptyAsync(), Task.Delay(Timeout.InfiniteTimeSpan, time, _stopLocal.Token));
        }

        exit.Request(failure is SessionRefusedException ? ExitCodes.Usage : ExitCodes.Refused, $"the drone stops: {failure.Message}");
    }

    private async Task EndBackendsAsync(CancellationToken cancellationToken)
    {
        LogEnding(_backends!.Count);
        _backends.EndAll(options.StopGrace);
        await Task.WhenAny(_backends.WhenEmptyAsync(), Task.Delay(Timeout.InfiniteTimeSpan, time, cancellationToken));

        // The controller hears of it at once instead of after the leases have expired, if it is there to hear.
        var start = time.GetTimestamp();
        while (!cancellationToken.IsCancellationRequested && time.GetElapsedTime(start) < LastReport && (await _state!.ReadOutboxAsync(1)).Count > 0)
        {
            await Task.WhenAny(Task.Delay(TimeSpan.FromMilliseconds(20), time, cancellationToken));
        }

        // What an operator copied or started meanwhile must not outlive a program that ends its backends.
        foreach (var runtime in _runtimes!.All)
        {
            try
            {
                await TimeLimit.WithinAsync(
                    c => runtime.EndUnsupervisedAsync(b => _backends.Find(b) is not null, c), options.StopGrace, time, cancellationToken);
            }
            catch (Exception e) when (e is RuntimeUnavailableException or TimeoutException)
            {
                LogNotCompared(runtime.Kind, e.Message);
            }
        }

        if (options.PruneOnStop && !cancellationToken.IsCancellationRequested)
        {
            await NewPruner().RemoveLeftOversAsync(TimeSpan.Zero, cancellationToken);
        }
    }

    private Pruner NewPruner() => new(_state!, _runtimes!, options, clock, metrics, time, loggers.CreateLogger<Pruner>());

    [LoggerMessage(EventIds.DroneAgentNotCompared, LogLevel.Warning, "The {Kind} runtime did not say what is left when the drone ended its backends: {Reason}")]
    private partial void LogNotCompared(ExecutorKind kind, string reason);

    [LoggerMessage(EventIds.DroneAgentLeftBehind, LogLevel.Warning, "The run directory {Directory} cannot be removed: {Reason}")]
    private partial void LogLeftBehind(string directory, string reason);

    [LoggerMessage(EventIds.DroneAgentOpened, LogLevel.Information, "Drone {Drone}, instance {Instance}, state in {File}")]
    private partial void LogOpened(DroneName drone, string instance, string file);

    [LoggerMessage(EventIds.DroneAgentLoopFailed, LogLevel.Error, "The loop of {Loop} failed and is started again")]
    private partial void LogLoopFailed(Exception e, string loop);

    [LoggerMessage(EventIds.DroneAgentLoopEnded, LogLevel.Debug, "The loop of {Loop} ended with the agent: {Exception}")]
    private partial void LogLoopEnded(string loop, string exception);

    [LoggerMessage(EventIds.DroneAgentGivingUp, LogLevel.Critical, "The drone stops: {Reason}")]
    private partial void LogGivingUp(string reason);

    [LoggerMessage(EventIds.DroneAgentEnding, LogLevel.Information, "Ending {Count} backends with the agent")]
    private partial void LogEnding(int count);

    [LoggerMessage(EventIds.DroneAgentPorts, LogLevel.Information, "Backends get ports {From} to {To}, which no other drone that draws its ports uses on this machine")]
    private partial void LogPorts(int from, int to);
}
