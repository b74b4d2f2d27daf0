using System.Net;
using Microsoft.Extensions.Options;
using Plane.Client;
using Plane.Hosting.Cluster;
using Plane.Hosting.Configuration;

namespace Plane.Silo.Cluster;

/// <summary>Where a controller's silo listens, which cluster it belongs to and how it authenticates others.</summary>
public sealed class ControllerClusterOptions
{
    /// <summary>The port that drones, proxies and DNS servers connect to. Default 30000; 0: any free port.</summary>
    public int GatewayPort { get; init; } = 30000;

    /// <summary>The port between controllers. Default 11111; 0: any free port.</summary>
    public int SiloPort { get; init; } = 11111;

    /// <summary>The address to listen on. Default: loopback. Beyond it both ends must authenticate, see <see cref="Trust"/>.</summary>
    public IPAddress BindAddress { get; init; } = IPAddress.Loopback;

    /// <summary>The address at which other silos and clients reach this one. Default: the bind address, or this machine's name where that is all addresses.</summary>
    public string? AdvertisedAddress { get; init; }

    /// <summary>The cluster's id. A silo refuses clients of another cluster.</summary>
    public string ClusterId { get; init; } = "plane";

    /// <summary>The service's id, which stays the same when a cluster is replaced by another.</summary>
    public string ServiceId { get; init; } = "plane";

    /// <summary>How silos and clients authenticate.</summary>
    public GatewayTrust Trust { get; init; } = new();

    /// <summary>Listen beyond loopback without authentication (<c>--insecure-gateway</c>). Any host that reaches the port may call every grain.</summary>
    public bool InsecureGateway { get; init; }

    /// <summary>How long a call waits for its answer. Default 10 s.</summary>
    public TimeSpan ResponseTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>An activation that is not used for this long ends. Default 15 minutes.</summary>
    public TimeSpan CollectionAge { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>
    /// The controller's database, as <see cref="ControllerOptions.Db"/>. On PostgreSQL the silos of a cluster find each other in it; on SQLite, or where it is not set, the cluster is one silo.
    /// </summary>
    public string? Database { get; init; }

    /// <summary>Checks the values.</summary>
    /// <exception cref="OptionsValidationException">A value is invalid, or any host could call grains; the text names the option.</exception>
    internal void Validate()
    {
        var rules = new OptionRules(typeof(ControllerClusterOptions));
        rules.FlagAll(Trust.Problems());
        rules.Port(GatewayPort, "o.GatewayPort");
        rules.Port(SiloPort, "o.SiloPort");
        rules.Flag(Trust.AuthorityFile is null || Trust.CertificateFile is not null, "--gateway-ca", Trust.AuthorityFile, "a controller that checks certificates needs --gateway-cert and --gateway-key too");
        rules.Flag(!string.IsNullOrWhiteSpace(ClusterId), "--cluster-id", ClusterId, "must not be blank");
        rules.Flag(!string.IsNullOrWhiteSpace(ServiceId), "--service-id", ServiceId, "must not be blank");
        rules.Positive(ResponseTimeout, TimeSpan.FromDays(30), "o.ResponseTimeout");
        rules.Positive(CollectionAge, TimeSpan.FromDays(30), "o.CollectionAge");
        rules.Flag(
            IPAddress.IsLoopback(BindAddress) || Trust.IsMutualTls || InsecureGateway,
            "--gateway-host",
            BindAddress,
            "is beyond loopback, and a client may call every grain: give --gateway-cert, --gateway-key and --gateway-ca, or accept it with --insecure-gateway");
        if (rules.Problems is not [])
        {
            throw new OptionsValidationException(nameof(ControllerClusterOptions), typeof(ControllerClusterOptions), rules.Problems);
        }
    }
}
