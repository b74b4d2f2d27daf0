using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans;
using Plane.Dns;
using Plane.Drone;
using Plane.Hosting;
using Plane.Proxy;
using Plane.Silo;

namespace Plane.Cli.Roles;

/// <summary>Every role in one process, for <c>plane up</c> and <c>plane demo</c>: a host each, joined by the silo's own cluster client.</summary>
internal static class EveryRole
{
    /// <summary>Builds the hosts in the order of their start: controller, drone, proxy and, where a zone is given, DNS.</summary>
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
            builder => builder.AddPlaneSilo(new ControllerClusterOptions { GatewayPort = options.GatewayPort, SiloPort = 0 }),
            context.Configure);
        var cluster = new ClusterConnection(controller.Services.GetRequiredService<IClusterClient>());
        void Join(IHostApplicationBuilder builder) => builder.Services.AddSingleton(cluster);

        var hosts = new List<IHost>
        {
            controller,
            DroneRole.Build(
                PortRange.Set(options.PortRange, new DroneOptions
                {
                    Cluster = name.Value,
                    StateFile = Path.Combine(data, "drone.db"),
                    ProcessDir = Path.Combine(data, "run"),
                    GuardProgram = GuardCommand.Program,
                    MountBase = Path.GetFullPath(options.MountBase ?? Path.Combine(data, "mounts")),
                    Runtime = options.Runtime,
                    DockerHost = options.DockerHost,
                    StartupLimit = options.StartupLimit,
                    EndBackendsOnStop = !options.KeepBackends,
                    PruneOnStop = options.LeavesNothing,
                }),
                Join,
                context.Configure),
            ProxyRole.Build(new ProxyOptions { Cluster = name.Value, Host = options.Host, Port = proxyPort }, Join, context.Configure),
        };
        if (options.DnsZone is { } zone)
        {
            hosts.Add(DnsRole.Build(new DnsOptions { Zone = zone, Host = [options.Host], Port = options.DnsPort }, Join, context.Configure));
        }

        return [.. hosts];
    }
}
