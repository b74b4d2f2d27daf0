using System.ComponentModel;
using Plane.DroneHost;

namespace Plane.Cli.Roles;

/// <summary>What <c>plane up</c> is started with: every role in one process.</summary>
public sealed class UpOptions
{
    /// <summary>Where the database, the drone's state and its files are.</summary>
    [Description("the directory of the database and the drone's state")]
    public string Data { get; set; } = ".plane";

    /// <summary>The address that the HTTP API and the proxy listen on.</summary>
    [Description("the address to listen on")]
    public string Host { get; set; } = "127.0.0.1";

    /// <summary>The port of the HTTP API; 0 for a free one.</summary>
    [Description("the port of the HTTP API")]
    public int Port { get; set; } = 8080;

    /// <summary>The port of the proxy; 0 for a free one.</summary>
    [Description("the port of the proxy")]
    public int ProxyPort { get; set; } = 9090;

    /// <summary>The port that more drones and proxies connect to, on loopback; 0 for a free one.</summary>
    [Description("the port that more drones and proxies connect to, on loopback; 0 for a free one")]
    public int GatewayPort { get; set; }

    /// <summary>The cluster; <c>localhost:PROXY-PORT</c> where not set.</summary>
    [Description("the cluster; localhost:PROXY-PORT where not set")]
    public ClusterName? DefaultCluster { get; set; }

    /// <summary>What runs backends. By default processes, which are isolated from nothing, and Docker where its engine answers.</summary>
    [Description("what runs backends: docker, process (isolated from nothing), docker,process, or auto (processes, and Docker if its engine answers at the start)")]
    public string Runtime { get; set; } = "auto";

    /// <summary>The Docker engine's address; the variable <c>DOCKER_HOST</c> is read too.</summary>
    [Description("the Docker engine's address; DOCKER_HOST is read too")]
    public string DockerHost { get; set; } = "unix:///var/run/docker.sock";

    /// <summary>The ports of backends, as <c>20000-29999</c>; <c>auto</c> draws 1,000 that no other <c>plane up</c> of this machine uses.</summary>
    [Description("the ports of backends, as 20000-29999; auto draws 1,000 that no other plane up of this machine uses")]
    public string PortRange { get; set; } = DroneOptions.AutoPorts;

    /// <summary>Where the drone's mounts lie: <c>DATA/mounts</c> where not set.</summary>
    [Description("the directory of backends' mounts; DATA/mounts where not set")]
    public string? MountBase { get; set; }

    /// <summary>A backend that has not answered HTTP so long after its start ends.</summary>
    [Description("how long a backend may take to answer")]
    public TimeSpan StartupLimit { get; set; } = TimeSpan.FromSeconds(300);

    /// <summary>Whether backends continue when the program ends; the next start adopts those whose lease is still valid.</summary>
    [Description("leave backends running when the program ends")]
    public bool KeepBackends { get; set; }

    /// <summary>Whether what backends left goes with them when the program ends; for the demo.</summary>
    internal bool LeavesNothing { get; init; }

    /// <summary>The zone of the DNS server; without one none runs.</summary>
    [Description("also run a DNS server for this zone")]
    public string? DnsZone { get; set; }

    /// <summary>The port of the DNS server.</summary>
    [Description("the DNS server's port")]
    public int DnsPort { get; set; } = 5353;

    /// <summary>A file with the bearer token that <c>/ctrl</c> requires.</summary>
    [Description("a file with the bearer token that /ctrl requires: 16 to 1024 printable characters without blanks")]
    public string? CtrlTokenFile { get; set; }

    /// <summary>The networks of load balancers whose <c>X-Forwarded-Proto</c>, <c>-Host</c> and <c>-For</c> are taken, by the HTTP API and the proxy.</summary>
    [Description("networks of load balancers whose X-Forwarded-Proto, -Host and -For are believed, as 10.0.0.0/8; repeated or separated by commas")]
    public string[] TrustedProxies { get; set; } = [];

    /// <summary>The times of every lease.</summary>
    public LeaseOptions LeaseNumbers { get; set; } = new();
}
