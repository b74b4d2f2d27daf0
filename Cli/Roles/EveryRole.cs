using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans;
using Plane.Dns;
using Plane.Drone;
using Plane.Hosting;
using Plane.Proxy;
using Plane.Silo;

namespace Plane.Cli.Roles;

/// <summary>Every role in one process, for <c>plane up</c> and <c>plane demo</c>: controller, drone and DNS server in one host, the proxy in another. All call the silo through its own client.</summary>
internal static class EveryRole
{
    /// <summary>Builds the hosts in the order of their start.</summary>
    public static IHost[] Build(UpOptions options, RoleContext context)
    {
        UsageException.ThrowIfAny(options.Problems());
        var data = Path.GetFullPath(options.Data);
        try
        {
            Directory.CreateDirectory(data, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"--data: the directory {data} cannot be made: {e.Message}");
        }

        // A cluster is named by its proxy's port: a free one has to be known before anything starts.
        var proxyPort = options.ProxyPort == 0 ? FreePort.Find() : options.ProxyPort;
        var name = options.DefaultCluster ?? ClusterName.Parse($"localhost:{proxyPort}");
        var controller = SiloRole.Build(
            new SiloOptions
            {
                Db = "sqlite:" + Path.Combine(data, "plane.db"),
                Host = options.Host,
                Port = options.Port,
                DefaultCluster = name,
                CtrlTokenFile = options.CtrlTokenFile,
                LeaseNumbers = options.LeaseNumbers,
            },
            builder =>
            {
                builder.AddPlaneSilo(new ControllerClusterOptions { GatewayPort = options.GatewayPort, SiloPort = 0 });
                builder.Services.AddSingleton(services => new ClusterConnection(services.GetRequiredService<IClusterClient>()));
                AddDroneAndDns(builder, options, name, data);
            },
            context.Configure);

        // The proxy's web server has other limits than the controller's, and a process has one of them for each host.
        var proxy = ProxyRole.Build(
            new ProxyOptions { Cluster = name.Value, Host = options.Host, Port = proxyPort },
            builder => builder.Services.AddSingleton(controller.Services.GetRequiredService<ClusterConnection>()),
            context.Configure);
        return [controller, proxy];
    }

    private static void AddDroneAndDns(IHostApplicationBuilder builder, UpOptions options, ClusterName cluster, string data)
    {
        var drone = PortRange.Set(options.PortRange, new DroneOptions
        {
            Cluster = cluster.Value,
            StateFile = Path.Combine(data, "drone.db"),
            ProcessDir = Path.Combine(data, "run"),
            GuardProgram = GuardCommand.Program,
            MountBase = Path.GetFullPath(options.MountBase ?? Path.Combine(data, "mounts")),
            Runtime = options.Runtime,
            DockerHost = options.DockerHost,
            StartupLimit = options.StartupLimit,
            EndBackendsOnStop = !options.KeepBackends,
            PruneOnStop = options.LeavesNothing,
        });
        UsageException.ThrowIfAny(drone.Problems().Select(p => "--" + p));
        builder.Services.AddPlaneDrone(drone);
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = DroneRole.ShutdownLimit);
        if (options.DnsZone is { } zone)
        {
            var dns = new DnsOptions { Zone = zone, Host = [options.Host], Port = options.DnsPort };
            UsageException.ThrowIfAny(dns.Problems());
            builder.Services.AddPlaneDns(dns);
        }
    }
}
