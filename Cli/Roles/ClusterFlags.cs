using System.ComponentModel;
using Plane.Client;

namespace Plane.Cli.Roles;

/// <summary>Which cluster a controller or its client belongs to, and how it authenticates, on the command line.</summary>
public abstract class ClusterFlags
{
    /// <summary>This end's certificate.</summary>
    [Description("this end's certificate for the gateway (PEM)")]
    public string? GatewayCert { get; set; }

    /// <summary>The certificate's key.</summary>
    [Description("the certificate's private key (PEM)")]
    public string? GatewayKey { get; set; }

    /// <summary>The authority of the other end's certificate.</summary>
    [Description("the authority that signed the other end's certificate (PEM)")]
    public string? GatewayCa { get; set; }

    /// <summary>The id of the controllers' cluster.</summary>
    [Description("the id of the controllers' cluster")]
    public string ClusterId { get; set; } = "plane";

    /// <summary>The id of the service.</summary>
    [Description("the id of the service, which stays the same when a cluster is replaced by another")]
    public string ServiceId { get; set; } = "plane";

    /// <summary>The certificates as options.</summary>
    protected GatewayTrust ToTrust() => new() { CertificateFile = GatewayCert, KeyFile = GatewayKey, AuthorityFile = GatewayCa };
}
