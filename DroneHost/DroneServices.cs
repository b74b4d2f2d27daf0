using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Plane.DroneHost.Guard;
using Plane.DroneHost.Housekeeping;
using Plane.DroneHost.Images;
using Plane.DroneHost.Leases;
using Plane.DroneHost.Output;
using Plane.DroneHost.Ports;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.Session;
using Plane.DroneHost.State;
using Plane.DroneHost.Supervision;
using Plane.Hosting.Cluster;
using Plane.Hosting.Ready;
using Plane.Hosting.Running;

namespace Plane.DroneHost;

/// <summary>Adds the drone to a host.</summary>
public static class DroneServices
{
    // So that the first registration can say that the drone is ready. An engine that is unavailable doesn't keep it from renewing what runs.
    private static readonly TimeSpan s_firstAdoption = TimeSpan.FromSeconds(2);

    /// <summary>
    /// Adds the agent. The host must bring a <see cref="ClusterConnection"/>; nothing waits for its connection. A <see cref="IRuntimeFactory"/> added afterwards replaces
    /// the runtime of its kind.
    /// </summary>
    /// <param name="services">The host's services.</param>
    /// <param name="options">How to run; checked when the host starts.</param>
    public static IServiceCollection AddPlaneDrone(this IServiceCollection services, DroneOptions options)
    {
        services.AddSingleton(options);
        services.AddMetrics();
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<ILeaseClock>(BootTimeClock.Instance);
        services.TryAddSingleton<HostExit>();
        services.TryAddSingleton<IReadyLine>(_ => new ReadyLine(Console.Out));
        services.AddSingleton<IRuntimeFactory, DockerRuntimeFactory>();
        services.AddSingleton<IRuntimeFactory, ProcessRuntimeFactory>();
        services.AddDescriptorWatch();
        services.AddSingleton<DroneStatus>();
        services.AddSingleton<DroneMetrics>();
        AddOpened(services);
        AddSupervision(services);
        AddSession(services);
        AddHousekeeping(services);
        AddLoops(services);

        // Last, so that it stops first.
        services.AddHostedService<DroneAgent>();
        return services;
    }

    // What the agent opens (DroneAgent).
    private static void AddOpened(IServiceCollection services)
    {
        services.AddSingleton<OpenedParts>();
        Add<DurableState>();
        Add<RunDirectory>();
        Add<LeaseDirectory>();
        Add<RuntimeSet>();
        Add<IReadOnlyList<BackendRow>>();

        void Add<T>()
            where T : class => services.AddSingleton(p => p.GetRequiredService<OpenedParts>().Get<T>());
    }

    private static void AddSupervision(IServiceCollection services)
    {
        services.AddSingleton<GuardMonitor>();
        services.AddSingleton<RunDirectoryCleanUp>();
        services.AddSingleton<LeaseUpkeep>();
        services.AddSingleton(p =>
        {
            var readiness = new DroneReadiness(p.GetRequiredService<DurableState>(), p.GetRequiredService<DroneStatus>());
            readiness.SetKinds(p.GetRequiredService<RuntimeSet>().Chosen);
            return readiness;
        });
        services.AddSingleton(p => new PortAllocator(
            p.GetRequiredService<DroneOptions>(),
            p.GetRequiredService<ILeaseClock>(),
            p.GetRequiredService<DurableState>().PortCursor,
            p.GetRequiredService<IReadOnlyList<BackendRow>>()));
        services.AddSingleton<PortWatch>();
        services.AddSingleton<HttpProbe>();
        services.AddSingleton<ClaimCall>();
        services.AddSingleton<SupervisionParts>();
        services.AddSingleton(p => new BackendSet(
            p.GetRequiredService<SupervisionParts>(), e => p.GetRequiredService<DroneLife>().Fail(e), p.GetRequiredService<ILogger<BackendSet>>()));
        services.AddSingleton<Adoption>();
        services.AddSingleton<AdoptionLoop>();
        foreach (var kind in Enum.GetValues<ExecutorKind>())
        {
            services.AddKeyedSingleton(kind, (p, _) => new RuntimeWatch(
                p.GetRequiredService<RuntimeSet>()[kind],
                p.GetRequiredService<BackendSet>(),
                p.GetRequiredService<DroneReadiness>().SetAnswers,
                p.GetRequiredService<DroneOptions>().CheckEvery,
                p.GetRequiredService<DroneMetrics>(),
                p.GetRequiredService<TimeProvider>(),
                p.GetRequiredService<ILogger<RuntimeWatch>>()));
        }

        services.AddSingleton<EndOnStop>();
        services.AddSingleton<DroneLife>();
        services.AddSingleton<DroneSignals>();
    }

    private static void AddSession(IServiceCollection services)
    {
        AddGrain<IDroneGrain>(GrainKeys.Drone);
        AddGrain<ILeaseGrain>(GrainKeys.Lease);
        services.AddSingleton<ControllerSession>();
        services.AddSingleton<LeaseRenewer>();
        services.AddSingleton(p =>
        {
            var (cluster, inspector) = (p.GetRequiredService<ClusterConnection>(), p.GetRequiredService<DroneInspector>());
            string? address = null;
            return ActivatorUtilities.CreateInstance<HeartbeatLoop>(p, (Func<string?>)(() => address ??= cluster.AddressOf<IDroneInspector>(inspector)));
        });
        services.AddSingleton<ActionPuller>();
        services.AddSingleton<StateReporter>();
        services.AddSingleton<DroneReady>();

        void AddGrain<T>(Func<ClusterName, DroneName, int, string> key)
            where T : IReachable, Orleans.IGrainWithStringKey => services.AddSingleton(p =>
        {
            var (cluster, state) = (p.GetRequiredService<ClusterConnection>(), p.GetRequiredService<DurableState>());
            var logger = p.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(GatewayChoice<>).FullName!);
            return cluster.Choose<T>(way => key(state.Cluster, state.Name, way), p.GetRequiredService<TimeProvider>(), logger);
        });
    }

    private static void AddHousekeeping(IServiceCollection services)
    {
        services.AddSingleton<DroneCapacity>();
        services.AddSingleton<UsageHistory>();
        services.AddSingleton<UsageReader>();
        services.AddSingleton<Pruner>();
        services.AddSingleton<DroneInspector>();
        services.AddSingleton(p => new ImagePrefetcher(
            p.GetRequiredService<ControllerSession>(),
            (IImageRuntime)p.GetRequiredService<RuntimeSet>()[ExecutorKind.Docker],
            p.GetRequiredService<DroneOptions>().Pool,
            p.GetRequiredService<TimeProvider>(),
            p.GetRequiredService<DroneMetrics>(),
            p.GetRequiredService<ILogger<ImagePrefetcher>>()));
    }

    private static void AddLoops(IServiceCollection services)
    {
        foreach (var kind in Enum.GetValues<ExecutorKind>())
        {
            Local<RuntimeSet>("exits", (_, p, c) => WatchOf(p, kind)?.WatchExitsAsync(c));
            Local<RuntimeSet>("runtime check", (_, p, c) => WatchOf(p, kind)?.CheckAsync(c));
        }

        Local<LeaseRenewer>("deadlines", (l, _, c) => l.WatchAsync(c));
        Local<GuardMonitor>("guard", (l, _, c) => l.RunAsync(c));
        Local<LeaseUpkeep>("leases on disk", (l, _, c) => l.RunAsync(c));
        Local<AdoptionLoop>("adoption", (l, _, c) => l.RunAsync(c));
        Local<PortWatch>("ports", (l, _, c) => l.RunAsync(c));
        Local<UsageReader>("usage", (l, _, c) => l.RunAsync(c));
        Local<DroneReady>("ready line", (l, _, c) => l.RunAsync(c));
        Local<Pruner>("prune", async (l, p, c) =>
        {
            await p.GetRequiredService<AdoptionLoop>().WhenDone.WaitAsync(c);
            await l.RunAsync(c);
        });
        Local<DroneInspector>("output", (l, _, c) => l.RunAsync(c));
        Local<DroneCapacity>("capacity", (l, p, c) => l.RunAsync(p.GetRequiredService<RuntimeSet>(), c));

        Controller<ControllerSession>("session", async (l, p, c) =>
        {
            await Task.WhenAny(p.GetRequiredService<DroneReadiness>().WhenFirstReady, Task.Delay(s_firstAdoption, p.GetRequiredService<TimeProvider>(), c));
            await l.RunAsync(c);
        });
        Controller<HeartbeatLoop>("heartbeat", (l, _, c) => l.RunAsync(c));
        Controller<LeaseRenewer>("renewals", (l, _, c) => l.RenewAsync(c));
        Controller<ActionPuller>("actions", (l, _, c) => l.RunAsync(c));
        Controller<StateReporter>("reports", (l, _, c) => l.RunAsync(c));

        // Images are pulled before they are needed where containers run.
        Controller<RuntimeSet>("images wanted", (_, p, c) => ImagesOf(p)?.ReadAsync(c));
        Controller<RuntimeSet>("image reports", (_, p, c) => ImagesOf(p)?.ReportAsync(c));
        foreach (var number in Enumerable.Range(0, ImagePrefetcher.Pulls))
        {
            Local<RuntimeSet>("image pulls", (_, p, c) => ImagesOf(p)?.PullAsync(number, c));
        }

        void Local<T>(string name, Func<T, IServiceProvider, CancellationToken, Task?> run)
            where T : notnull => Add(name, ofController: false, run);

        void Controller<T>(string name, Func<T, IServiceProvider, CancellationToken, Task?> run)
            where T : notnull => Add(name, ofController: true, run);

        void Add<T>(string name, bool ofController, Func<T, IServiceProvider, CancellationToken, Task?> run)
            where T : notnull => services.AddSingleton<IHostedService>(
                p => new DroneLoop(name, ofController, (p, c) => run(p.GetRequiredService<T>(), p, c) ?? Task.CompletedTask, p));
    }

    private static RuntimeWatch? WatchOf(IServiceProvider parts, ExecutorKind kind) =>
        parts.GetRequiredService<RuntimeSet>().All.Any(r => r.Kind == kind) ? parts.GetRequiredKeyedService<RuntimeWatch>(kind) : null;

    private static ImagePrefetcher? ImagesOf(IServiceProvider parts) =>
        parts.GetRequiredService<RuntimeSet>() is var runtimes && runtimes.Has(ExecutorKind.Docker) && runtimes[ExecutorKind.Docker] is IImageRuntime
            ? parts.GetRequiredService<ImagePrefetcher>()
            : null;
}
