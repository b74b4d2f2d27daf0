using System.ComponentModel;
using Plane.Hosting;

namespace Plane.Dns;

/// <summary>How a DNS server runs.</summary>
public sealed class DnsOptions
{
    /// <summary>The zone that it is authoritative for, as <c>acme.example.net</c>: <c>&lt;cluster&gt;.&lt;zone&gt;</c> answers for the cluster. Required.</summary>
    [Description("the zone to answer for; <cluster>.<zone> answers for a cluster")]
    public string Zone { get; set; } = "";

    /// <summary>Its name in the cluster's state and in logs.</summary>
    [Description("this server's name, ns-…")]
    public string Name { get; set; } = DnsServerName.NewRandom().Value;

    /// <summary>The address to listen on; the IPv6 any-address serves IPv4 too.</summary>
    [Description("the address to listen on")]
    public string Host { get; set; } = "::";

    /// <summary>The port, UDP and TCP; 0 for a free one.</summary>
    [Description("the port, UDP and TCP")]
    public int Port { get; set; } = 53;

    /// <summary>The name server's own host name, told in NS and SOA records; <c>ns.&lt;zone&gt;</c> where not given.</summary>
    [Description("this server's host name, for NS and SOA records; ns.<zone> where not given")]
    public string NameServer { get; set; } = "";

    /// <summary>How long a cluster's values are kept before the controller is asked again.</summary>
    [Description("how long a cluster's values are kept")]
    public TimeSpan CacheFor { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>How long a question waits for the controller before it is answered with SERVFAIL. Resolvers ask again after about 2 s.</summary>
    [Description("how long a question waits for the controller")]
    public TimeSpan ControllerTimeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>The most TCP connections at a time.</summary>
    [Description("the most TCP connections at a time")]
    public int MaxConnections { get; set; } = 256;

    /// <summary>The port that serves <c>/metrics</c> as Prometheus text; 0 takes a free one. Default none.</summary>
    [Description("a port of its own for /metrics, without authentication")]
    public int? MetricsPort { get; set; }

    /// <summary>The address of that port. Default <c>127.0.0.1</c>.</summary>
    [Description("the address of --metrics-port")]
    public string MetricsHost { get; set; } = "127.0.0.1";

    /// <summary>What is wrong with the options, one sentence each, naming its option.</summary>
    public IEnumerable<string> Problems()
    {
        if (!Protocol.DomainName.TryParse(Zone, out var zone) || zone.IsRoot)
        {
            yield return "--zone must be a domain name such as acme.example.net";
        }

        if (!DnsServerName.TryParse(Name, out _))
        {
            yield return $"--name is not valid: {DnsServerName.Rule}";
        }

        if (!System.Net.IPAddress.TryParse(Host, out _))
        {
            yield return "--host must be an IP address";
        }

        if (Port is < 0 or > 65535)
        {
            yield return "--port must be from 0 to 65535";
        }

        if (NameServer.Length > 0 && !Protocol.DomainName.TryParse(NameServer, out _))
        {
            yield return "--name-server must be a domain name";
        }

        if (CacheFor < TimeSpan.Zero || CacheFor > TimeSpan.FromMinutes(1))
        {
            yield return "--cache-for must be from 0 to 60 s";
        }

        if (ControllerTimeout <= TimeSpan.Zero || ControllerTimeout > TimeSpan.FromSeconds(10))
        {
            yield return "--controller-timeout must be more than 0 and at most 10 s";
        }

        if (MetricsPort is < 0 or > 65535)
        {
            yield return "--metrics-port must be from 0 to 65535";
        }

        if (WebListener.HostProblem(MetricsHost) is { } metrics)
        {
            yield return $"--metrics-host {metrics}";
        }

        if (MaxConnections is < 1 or > 65536)
        {
            yield return "--max-connections must be from 1 to 65536";
        }
    }
}
