using System.ComponentModel;
using System.Net;
using Microsoft.Extensions.Hosting;
using Plane.Hosting.Configuration;
using Plane.Silo.Cluster;

namespace Plane.Cli.Roles;

/// <summary>How a controller's silo listens, on the command line.</summary>
public sealed class SiloFlags : ClusterFlags
{
    /// <summary>The gateway's port.</summary>
    [Description("the port that drones, proxies and DNS servers connect to")]
    public int GatewayPort { get; set; } = 30000;

    /// <summary>The address that the gateway listens on.</summary>
    [Description("the address that the gateway listens on")]
    public string GatewayHost { get; set; } = "127.0.0.1";

    /// <summary>The port between controllers.</summary>
    [Description("the port between controllers")]
    public int SiloPort { get; set; } = 11111;

    /// <summary>The address at which others reach this controller.</summary>
    [Description("the address at which other controllers and clients reach this one; no NAT or load balancer may be between")]
    public string? AdvertisedAddress { get; set; }

    /// <summary>Whether any host may call grains.</summary>
    [Description("let the gateway listen beyond loopback without certificates; any host that reaches it may call every grain")]
    public bool InsecureGateway { get; set; }

    /// <summary>Adds the silo to a controller's host.</summary>
    /// <param name="database">The controller's database, in which silos find each other.</param>
    public Action<IHostApplicationBuilder> AddSilo(string? database) => builder => builder.AddPlaneSilo(new ControllerClusterOptions
    {
        GatewayPort = GatewayPort,
        BindAddress = IPAddress.TryParse(GatewayHost, out var address) ? address : throw new UsageException($"--gateway-host (PLANE__GATEWAY_HOST) is {OptionNames.Quote(GatewayHost)}: must be an IP address"),
        SiloPort = SiloPort,
        AdvertisedAddress = AdvertisedAddress,
        ClusterId = ClusterId,
        ServiceId = ServiceId,
        InsecureGateway = InsecureGateway,
        Database = database,
        Trust = ToTrust(),
    });
}
