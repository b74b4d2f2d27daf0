using Orleans;
using Plane.Client;

namespace Plane.Bench.Roles;

/// <summary>A drone without a runtime: it speaks the contract as a drone does, and what it is told to start is ready at once.</summary>
internal sealed class SimulatedDrone : IAsyncDisposable
{
    private readonly IHost _host;
    private readonly string _address;
    private readonly CancellationTokenSource _stop = new();
    private readonly BootTimeClock _clock = BootTimeClock.Instance;
    private readonly string _instance = "di-" + Guid.NewGuid().ToString("N")[..14];
    private readonly IDroneGrain _grain;
    private readonly List<Task> _loops = [];
    private readonly List<BackendIdentity> _held = [];
    private DroneSession _session = null!;
    private long _sequence;

    private SimulatedDrone(IHost host, ClusterName cluster, DroneName name, string address)
    {
        _host = host;
        _address = address;
        Name = name;
        Cluster = cluster;
        Grains = host.Services.GetRequiredService<IGrainFactory>();
        _grain = Grains.GetGrain<IDroneGrain>(GrainKeys.Drone(cluster, name));
    }

    public DroneName Name { get; }

    public ClusterName Cluster { get; }

    public IGrainFactory Grains { get; }

    public static async Task<SimulatedDrone> StartAsync(string gateway, ClusterName cluster, string address, int maxBackends, string pool)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.AddPlaneClusterClient(new ClusterClientOptions { Endpoints = [.. gateway.Split(',')] });
        var host = builder.Build();
        await host.StartAsync();
        var drone = new SimulatedDrone(host, cluster, DroneName.NewRandom(), address);
        var reply = await drone._grain.Register(
            new DroneRegistration
            {
                Cluster = cluster,
                Name = drone.Name,
                Pool = pool,
                InstanceId = drone._instance,
                BootId = drone._clock.BootId,
                Reading = drone._clock.Milliseconds,
                Kinds = [ExecutorKind.Docker],
                MaxBackends = maxBackends,
                Version = "bench",
            });
        drone._session = reply.Session ?? throw new InvalidOperationException($"{reply.Outcome}: {reply.Message}");
        drone._loops.Add(drone.BeatAsync());
        drone._loops.Add(drone.WorkAsync());
        drone._loops.Add(drone.HoldAsync());
        return drone;
    }

    /// <summary>Renews a batch as a drone does.</summary>
    public Task<RenewalReply> RenewAsync(BackendIdentity[] items, int attempt) =>
        Grains.GetGrain<ILeaseGrain>(GrainKeys.Lease(Cluster, Name, attempt % GrainKeys.Ways)).Renew(
            new RenewalBatch { Session = _session, InstanceId = _instance, BootId = _clock.BootId, Reading = _clock.Milliseconds, Items = items });

    /// <summary>Says of a backend what its drone would say.</summary>
    public Task<StateReply> ReportAsync(params (BackendIdentity Identity, BackendStatus Status)[] states) => _grain.ReportStates(
        new StateBatch
        {
            Session = _session,
            Events = Array.ConvertAll(
                states,
                s => new StateEvent
                {
                    Sequence = Interlocked.Increment(ref _sequence),
                    Identity = s.Identity,
                    Status = s.Status,
                    Address = s.Status == BackendStatus.Ready ? _address : null,
                }),
        });

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_loops);
        await _host.StopAsync();
        _host.Dispose();
        _stop.Dispose();
    }

    private async Task BeatAsync()
    {
        using var timer = new PeriodicTimer(new LeaseOptions().Heartbeat);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token))
            {
                await TryAsync(() => _grain.Heartbeat(
                    new DroneHeartbeat { Session = _session, InstanceId = _instance, BootId = _clock.BootId, Reading = _clock.Milliseconds, Ready = true }));
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The bench is over.
        }
    }

    /// <summary>Renews what was started here, at the default pace: a bench may last longer than a lease.</summary>
    private async Task HoldAsync()
    {
        using var timer = new PeriodicTimer(new LeaseOptions().RenewAfter);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token))
            {
                BackendIdentity[] held;
                lock (_held)
                {
                    held = [.. _held];
                }

                foreach (var (batch, i) in held.Chunk(RenewalBatch.MaxItems).Select((b, i) => (b, i)))
                {
                    await TryAsync(() => RenewAsync(batch, i));
                }
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The bench is over.
        }
    }

    private async Task WorkAsync()
    {
        var last = 0L;
        while (!_stop.IsCancellationRequested)
        {
            await TryAsync(async () =>
            {
                // As long as a real drone waits.
                var page = await _grain.ReadActions(_session, last, TimeSpan.FromSeconds(5), _stop.Token);
                var spawned = page.Actions.Where(a => a.Kind == DroneActionKind.Spawn).Select(a => (a.Identity, BackendStatus.Ready)).ToArray();
                if (spawned.Length > 0)
                {
                    lock (_held)
                    {
                        _held.AddRange(spawned.Select(s => s.Identity));
                    }

                    await ReportAsync(spawned);
                }

                if (page.Actions.Length > 0)
                {
                    last = page.Actions.Max(a => a.Number);
                    await _grain.AcknowledgeActions(_session, last);
                }
            });
        }
    }

    private async Task TryAsync(Func<Task> call)
    {
        try
        {
            await call();
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The bench is over.
        }
        catch (Exception e) when (CallFailed.IsUnknownOutcome(e))
        {
            // A controller under full load may be late; the next turn asks again.
            await Console.Error.WriteLineAsync($"bench:   drone {Name}: {e.Message}");
        }
    }
}
