using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans;
using Plane.DnsHost;
using Plane.DroneHost;
using Plane.Hosting.Cluster;
using Plane.Hosting.Configuration;
using Plane.Hosting.Logging;
using Plane.Hosting.Running;
using Plane.ProxyHost;
using Plane.Silo.Cluster;
using Plane.Silo;

namespace Plane.Cli.Roles;

/// <summary>
/// Every role in one process, for <c>plane up</c> and <c>plane demo</c>: controller, drone and DNS server in the program's host, the proxy in one within it, since its web server has other limits than the
/// controller's. All call the silo through its own client.
/// </summary>
internal static class AllInOneHost
{
    /// <summary>Builds the host.</summary>
    /// <param name="options">The options.</param>
    /// <param name="context">Logging and the program's lifetime.</param>
    /// <param name="add">What else the program runs.</param>
    public static IHost Build(UpOptions options, RoleContext context, Action<IHostApplicationBuilder>? add = null)
    {
        new UpOptionsValidator().Validated(options);
        var data = Path.GetFullPath(options.Data);
        try
        {
            Directory.CreateDirectory(data, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"--data (PLANE__DATA) is {OptionNames.Quote(options.Data)}: the directory {data} cannot be made: {e.Message}");
        }

        // A cluster is named by its proxy's port: a free one has to be known before anything starts.
        var proxyPort = options.ProxyPort == 0 ? FreePort.Find() : options.ProxyPort;
        var name = options.DefaultCluster ?? ClusterName.Parse($"localhost:{proxyPort}");
        return SiloRole.Build(
            new ControllerOptions
            {
                Db = "sqlite:" + Path.Combine(data, "plane.db"),
                Host = options.Host,
                Port = options.Port,
                DefaultCluster = name,
                CtrlTokenFile = options.CtrlTokenFile,
                TrustedProxies = options.TrustedProxies,
                LeaseNumbers = options.LeaseNumbers,
            },
            builder =>
            {
                builder.AddPlaneSilo(new ControllerClusterOptions { GatewayPort = options.GatewayPort, SiloPort = 0 });
                builder.Services.AddSingleton(services => new ClusterConnection(services.GetRequiredService<IClusterClient>()));
                AddDroneAndDns(builder, options, name, data);
                AddProxy(builder, new ProxyOptionsValidator().Validated(new ProxyOptions { Cluster = name.Value, Host = options.Host, Port = proxyPort, TrustedProxies = options.TrustedProxies }), context);
                add?.Invoke(builder);
            },
            context.Configure);
    }

    private static void AddProxy(IHostApplicationBuilder program, ProxyOptions options, RoleContext context) => program.Services.AddHostedService(services => new NestedHost(
        ProxyRole.Build(
            options,
            builder => builder.Services.AddSingleton(services.GetRequiredService<ClusterConnection>()),
            builder => builder.AddPlaneLogging(context.Hosting)),
        services.GetRequiredService<IHostApplicationLifetime>()));

    private static void AddDroneAndDns(IHostApplicationBuilder builder, UpOptions options, ClusterName cluster, string data)
    {
        builder.Services.AddPlaneDrone(new DroneOptionsValidator().Validated(new DroneOptions
        {
            Cluster = cluster.Value,
            StateFile = Path.Combine(data, "drone.db"),
            ProcessDir = Path.Combine(data, "run"),
            GuardProgram = GuardCommand.Program,
            MountBase = Path.GetFullPath(options.MountBase ?? Path.Combine(data, "mounts")),
            Runtime = options.Runtime,
            DockerHost = options.DockerHost,
            PortRange = options.PortRange,
            StartupLimit = options.StartupLimit,
            EndBackendsOnStop = !options.KeepBackends,
            PruneOnStop = options.LeavesNothing,
        }));
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = DroneRole.ShutdownLimit);
        if (options.DnsZone is { } zone)
        {
            builder.Services.AddPlaneDns(new DnsOptionsValidator().Validated(new DnsOptions { Zone = zone, Host = [options.Host], Port = options.DnsPort }));
        }
    }
}
