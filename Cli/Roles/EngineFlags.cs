using System.ComponentModel;
using System.Net;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Plane.Hosting;
using Plane.Silo;

namespace Plane.Cli.Roles;

/// <summary>How a controller's gateway listens, on the command line.</summary>
public sealed class EngineFlags
{
    /// <summary>The gateway's port.</summary>
    [Description("the port that drones, proxies and DNS servers connect to")]
    public int GatewayPort { get; set; } = 30000;

    /// <summary>The address that the gateway listens on.</summary>
    [Description("the address that the gateway listens on")]
    public string GatewayHost { get; set; } = "127.0.0.1";

    /// <summary>The port between controllers.</summary>
    [Description("the port between controllers (Orleans engine)")]
    public int SiloPort { get; set; } = 11111;

    /// <summary>The address that others are told.</summary>
    [Description("the address that other controllers and clients are told (Orleans engine)")]
    public string? AdvertisedAddress { get; set; }

    /// <summary>A file with the secret that both ends share.</summary>
    [Description("a file with the secret that clients of the gateway must know (embedded engine)")]
    public string? GatewaySecretFile { get; set; }

    /// <summary>The gateway's certificate.</summary>
    [Description("the gateway's certificate (PEM)")]
    public string? GatewayCert { get; set; }

    /// <summary>The certificate's key.</summary>
    [Description("the certificate's private key (PEM)")]
    public string? GatewayKey { get; set; }

    /// <summary>The authority of clients' certificates.</summary>
    [Description("the authority that signed the clients' certificates (PEM)")]
    public string? GatewayCa { get; set; }

    /// <summary>Whether strangers may call grains.</summary>
    [Description("let the gateway listen beyond loopback for anyone; whoever reaches it may call every grain")]
    public bool InsecureGateway { get; set; }

    /// <summary>The name of the controllers' cluster.</summary>
    [Description("the name of the controllers' cluster")]
    public string ClusterId { get; set; } = "plane";

    /// <summary>The name of the service.</summary>
    [Description("the name of the service, which outlives clusters")]
    public string ServiceId { get; set; } = "plane";

    /// <summary>The operator's own membership tables.</summary>
    [Description("a script that makes the tables of Orleans' ADO.NET clustering, in place of ours (Orleans engine)")]
    public string? OrleansSchema { get; set; }

    /// <summary>Puts the silo into a controller's host.</summary>
    /// <param name="database">The controller's database, in which silos find each other (Orleans engine).</param>
    public Action<IHostApplicationBuilder> AddSilo(string? database) => builder =>
    {
        if (!IPAddress.TryParse(GatewayHost, out var address))
        {
            throw new UsageException("--gateway-host must be an IP address");
        }

        try
        {
            builder.AddPlaneSilo(new SiloEngineOptions
            {
                GatewayPort = GatewayPort,
                BindAddress = address,
                SiloPort = SiloPort,
                AdvertisedAddress = AdvertisedAddress,
                ClusterId = ClusterId,
                ServiceId = ServiceId,
                InsecureGateway = InsecureGateway,
                Database = database,
                OrleansSchema = OrleansSchema,
                Hold = StoreHold.Of,
                Trust = new GatewayTrust
                {
                    SharedSecretFile = GatewaySecretFile,
                    CertificateFile = GatewayCert,
                    KeyFile = GatewayKey,
                    AuthorityFile = GatewayCa,
                },
            });
        }
        catch (OptionsValidationException e)
        {
            throw new UsageException([.. e.Failures.Select(FlagText.Dashed<EngineFlags>)]);
        }
        catch (InvalidDataException e)
        {
            throw new UsageException(FlagText.Dashed<EngineFlags>(e.Message), e);
        }
    };
}
