using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Plane.DroneHost.Guard;
using Plane.DroneHost.Ports;
using Plane.DroneHost.State;
using Plane.DroneHost.Supervision;
using Plane.Hosting;
using Plane.Hosting.Running;

namespace Plane.DroneHost;

/// <summary>
/// The agent's life, in this order:
/// <para>
/// 1. Options are checked, the state file is opened and locked: what is wrong here keeps the host from starting.
/// 2. Supervision of every backend in the state file resumes. No controller is needed.
/// 3. The loops start (<see cref="DroneServices"/>): deadlines are watched, the runtimes are asked what still runs; the drone registers, sends heartbeats, renews, pulls and reports. The
///    host's start does not wait for that.
/// 4. A stop lets go of the backends as they are (or ends them first, where the options say so), then of the session, last of the file.
/// </para>
/// </summary>
internal sealed partial class DroneAgent(
    DroneOptions options,
    IEnumerable<IRuntimeFactory> factories,
    OpenedParts opened,
    DroneStatus status,
    ILeaseClock clock,
    TimeProvider time,
    IServiceProvider services,
    ILoggerFactory loggers,
    ILogger<DroneAgent> logger) : IHostedLifecycleService, IDisposable
{
    private DroneLife? _life;
    private PortBlock? _portBlock;

    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        // 1.
        new DroneOptionsValidator().Validated(options);
        DrawPorts();
        var rows = await OpenAsync(cancellationToken);

        // 2. Supervised before anything is compared: what is not supervised is ended.
        _life = services.GetRequiredService<DroneLife>();
        services.GetRequiredService<DroneSignals>().Connect();

        // Looks for a free port at once: nothing is reported of the drone before.
        _ = services.GetRequiredService<PortWatch>();
        services.GetRequiredService<AdoptionLoop>().Begin(rows);
    }

    // 3. The loops are hosted services of their own.
    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    // 4. The first of the drone's services to stop, since it is the last that was added. The container closes the parts, the last opened first.
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (_life is null)
        {
            return;
        }

        try
        {
            if (options.EndBackendsOnStop)
            {
                await services.GetRequiredService<EndOnStop>().RunAsync(cancellationToken);
            }
        }
        finally
        {
            await _life.DisposeAsync();
        }
    }

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose() => _portBlock?.Dispose();

    private void DrawPorts()
    {
        if (!options.DrawPorts)
        {
            return;
        }

        _portBlock = PortBlock.TryDraw()
            ?? throw new StartRefusedException("all ten blocks of ports from 10000 to 19999 are in use by other drones on this machine; give this drone a range of its own with --port-range", ExitCodes.Usage);
        (options.PortFrom, options.PortTo) = (_portBlock.From, _portBlock.To);
        LogPorts(_portBlock.From, _portBlock.To);
    }

    /// <summary>Opens what the other parts need.</summary>
    /// <returns>What the state file knows of backends.</returns>
    private async Task<List<BackendRow>> OpenAsync(CancellationToken cancellationToken)
    {
        var state = Own(await DurableState.OpenAsync(options, time, loggers.CreateLogger<StateWriter>()));
        status.Name = state.Name;
        status.InstanceId = state.InstanceId;
        LogOpened(state.Name, state.InstanceId, options.StateFile);

        var directory = Own(new RunDirectory(Path.GetFullPath(options.RunDir ?? RunDirectory.Default(state.Name, options.StateFile))));
        Own(await LeaseDirectory.OpenAsync(
            directory.Root, state.RunDirectory, state.InstanceId, clock, time, loggers.CreateLogger<LeaseDirectory>(), cancellationToken));

        // Made now, so that it is closed before the directory: it removes that while its lock is held.
        _ = services.GetRequiredService<RunDirectoryCleanUp>();

        var rows = await state.ReadBackendsAsync();
        var running = rows.Where(r => r.Order is not null).Select(r => r.Order!.Executable.Kind).ToHashSet();
        string[] earlier = [.. directory.ReadOwners().Where(o => o != state.InstanceId)];
        var owner = new RuntimeOwner(state.Cluster, state.Name, state.InstanceId, directory.Ended)
        {
            EarlierInstances = earlier,
            EarlierPlaces = [.. earlier.SelectMany(directory.ReadPlaces)],
        };
        Own(await RuntimeSet.CreateAsync(options, factories, owner, running, time, logger, cancellationToken));
        opened.Add<IReadOnlyList<BackendRow>>(rows);
        return rows;
    }

    private T Own<T>(T part)
        where T : class
    {
        opened.Add(part);
        return services.GetRequiredService<T>();
    }

    [LoggerMessage(EventIds.DroneAgentOpened, LogLevel.Information, "Drone {Drone}, instance {Instance}, state in {File}")]
    private partial void LogOpened(DroneName drone, string instance, string file);

    [LoggerMessage(EventIds.DroneAgentPorts, LogLevel.Information, "Backends get ports {From} to {To}, which no other drone that draws its ports uses on this machine")]
    private partial void LogPorts(int from, int to);
}
