using System.ComponentModel;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Plane.Hosting;

namespace Plane.Cli.Roles;

/// <summary>How a drone, proxy or DNS server finds the controller, on the command line.</summary>
public sealed class GatewayFlags
{
    /// <summary>The controllers' gateways.</summary>
    [Description("the controllers' gateways, HOST:PORT; repeated or separated by commas")]
    public string[] Gateway { get; set; } = ["127.0.0.1:30000"];

    /// <summary>A file with the secret that both ends share.</summary>
    [Description("a file with the secret shared with the gateway (embedded engine)")]
    public string? GatewaySecretFile { get; set; }

    /// <summary>This end's certificate.</summary>
    [Description("this end's certificate for the gateway (PEM)")]
    public string? GatewayCert { get; set; }

    /// <summary>The certificate's key.</summary>
    [Description("the certificate's private key (PEM)")]
    public string? GatewayKey { get; set; }

    /// <summary>The authority of the other end's certificate.</summary>
    [Description("the authority that signed the other end's certificate (PEM)")]
    public string? GatewayCa { get; set; }

    /// <summary>The name of the controllers' cluster.</summary>
    [Description("the name of the controllers' cluster")]
    public string ClusterId { get; set; } = "plane";

    /// <summary>The name of the service.</summary>
    [Description("the name of the service, which outlives clusters")]
    public string ServiceId { get; set; } = "plane";

    /// <summary>Registers the cluster's client.</summary>
    /// <param name="longestDelay">The longest wait between two attempts to connect.</param>
    public Action<IHostApplicationBuilder> Join(TimeSpan longestDelay) => builder =>
    {
        try
        {
            builder.AddPlaneClusterClient(new GatewayOptions
            {
                Endpoints = Gateway,
                ClusterId = ClusterId,
                ServiceId = ServiceId,
                MaxReconnectDelay = longestDelay,
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
            throw new UsageException([.. e.Failures.Select(FlagText.Dashed<GatewayFlags>)]);
        }
        catch (InvalidDataException e)
        {
            throw new UsageException(FlagText.Dashed<GatewayFlags>(e.Message), e);
        }
    };
}
