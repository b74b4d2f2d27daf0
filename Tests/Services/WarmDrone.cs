using System.Collections.Concurrent;
using Plane.Tests.Grains;

namespace Plane.Tests.Services;

/// <summary>A drone that knows claims: it does what its actions say at once, and claims as the test says.</summary>
internal sealed class WarmDrone : IAsyncDisposable
{
    private readonly TestDrone _drone;
    private readonly ConcurrentDictionary<BackendName, BackendIdentity> _warm = [];
    private readonly CancellationTokenSource _stop = new();
    private Task _loop = Task.CompletedTask;

    private WarmDrone(TestDrone drone) => _drone = drone;

    public DroneName Name => _drone.Name;

    /// <summary>Whether a backend takes its claim; null: nothing is heard of it.</summary>
    public Func<BackendIdentity, bool?> OnClaim { get; set; } = _ => true;

    /// <summary>Whether a warm backend comes up.</summary>
    public bool ComesUp { get; set; } = true;

    /// <summary>What was claimed, in order.</summary>
    public ConcurrentQueue<DroneAction> Claims { get; } = [];

    /// <summary>The keys of what was started.</summary>
    public ConcurrentQueue<KeyConfig> Started { get; } = [];

    public static async Task<WarmDrone> StartAsync(GrainCluster plane, ClusterName cluster)
    {
        var drone = new WarmDrone(await TestDrone.RegisterAsync(plane, cluster, maxBackends: 10_000));
        await drone.BeatAsync();
        drone._loop = Task.Run(() => drone.RunAsync(drone._stop.Token));
        return drone;
    }

    public Task<ChangeOutcome> DrainAsync() => _drone.Grain.Drain(terminate: false);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        _stop.Dispose();
    }

    private Task<SessionState> BeatAsync() => _drone.Grain.Heartbeat(new DroneHeartbeat
    {
        Session = _drone.Session,
        InstanceId = _drone.Registration.InstanceId,
        BootId = _drone.Registration.BootId,
        Reading = _drone.Registration.Reading,
        Ready = true,
        TakesClaims = true,
    });

    private async Task RunAsync(CancellationToken stop)
    {
        var after = 0L;
        while (!stop.IsCancellationRequested)
        {
            foreach (var action in (await _drone.ActionsAsync(after, TimeSpan.FromMilliseconds(100))).OrderBy(a => a.Number))
            {
                after = action.Number;
                await DoAsync(action);
            }

            await BeatAsync();
        }
    }

    private async Task DoAsync(DroneAction action)
    {
        var identity = action.Identity;
        switch (action)
        {
            case { Spawn: { } spawn } when PoolKey.Is(spawn.Key) && !ComesUp:
                Started.Enqueue(spawn.Key);
                await _drone.ReportAsync(_drone.Event(identity, BackendStatus.Terminated, TerminationReason.InternalError));
                break;
            case { Spawn: { } spawn } when PoolKey.Is(spawn.Key):
                Started.Enqueue(spawn.Key);
                _warm[identity.Backend] = identity;
                var waiting = _drone.Event(identity, BackendStatus.Waiting);
                await _drone.ReportAsync(waiting, _drone.Event(identity, BackendStatus.Waiting) with { Address = waiting.Address, IsWarm = true });
                break;
            case { Spawn: { } spawn }:
                Started.Enqueue(spawn.Key);
                await _drone.ReportAsync(_drone.Event(identity, BackendStatus.Ready));
                break;
            case { Claim: { } claim }:
                Assert.Equal(_warm[identity.Backend].Token, claim.StartToken);
                Claims.Enqueue(action);
                if (OnClaim(identity) is { } takes)
                {
                    await _drone.ReportAsync(takes
                        ? _drone.Event(identity, BackendStatus.Ready)
                        : _drone.Event(identity, BackendStatus.Terminated, TerminationReason.InternalError));
                }

                break;
            case { Terminate: { } end }:
                await _drone.ReportAsync(_drone.Event(identity, BackendStatus.Terminated, end.Reason));
                break;
        }
    }
}
