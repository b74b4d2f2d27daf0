using System.ComponentModel;
using Plane.Hosting;

namespace Plane.Silo;

/// <summary>What a controller is started with.</summary>
public sealed class ControllerOptions
{
    /// <summary>The shortest control token that is accepted.</summary>
    public const int MinTokenLength = 16;

    /// <summary>The database: <c>postgres://user:password@host/database</c>, or <c>sqlite:FILE</c>. Default <c>sqlite:plane.db</c>. Never logged.</summary>
    [PasswordPropertyText]
    [Description("the database: postgres://user:password@host/database or sqlite:FILE")]
    public string Db { get; set; } = "sqlite:plane.db";

    /// <summary>The address that the HTTP API listens on: an IP address, <c>localhost</c>, or <c>*</c> for all. Default 127.0.0.1.</summary>
    [Description("the address to listen on: an IP address, localhost, or * for all")]
    public string Host { get; set; } = "127.0.0.1";

    /// <summary>The port of the HTTP API; 0 for any. Default 8080.</summary>
    [Description("the port of the HTTP API")]
    public int Port { get; set; } = 8080;

    /// <summary>A port of its own for <c>/metrics</c>, without authentication, on the same address; where not set, <c>/metrics</c> has the authentication of <c>/ctrl</c>.</summary>
    [Description("a port of its own for /metrics, without authentication")]
    public int? MetricsPort { get; set; }

    /// <summary>
    /// The URL that callers know the controller by; status URLs begin with it. Where not set: the scheme and the <c>Host</c> that the caller asked.
    /// </summary>
    [Description("the URL that callers know the controller by; status URLs begin with it")]
    public Uri? ControllerUrl { get; set; }

    /// <summary>The networks of load balancers whose <c>X-Forwarded-Proto</c>, <c>-Host</c> and <c>-For</c> are taken for a request's scheme, host and address. Default none.</summary>
    [Description("networks of load balancers whose X-Forwarded-Proto, -Host and -For are believed, as 10.0.0.0/8; repeated or separated by commas")]
    public string[] TrustedProxies { get; set; } = [];

    /// <summary>The cluster of connect requests that name none. Where not set, they are refused when they would have to start a backend.</summary>
    [Description("the cluster of connect requests that name none")]
    public ClusterName? DefaultCluster { get; set; }

    /// <summary>A URL that is asked before each <c>/ctrl</c> request: an answer of 2xx lets it pass.</summary>
    [Description("ask this URL before each /ctrl request; 2xx lets it pass")]
    public Uri? ForwardAuth { get; set; }

    /// <summary>How long that answer is waited for. Default 5 s; after it the request is answered with 502.</summary>
    [Description("how long the forward-auth URL may take")]
    public TimeSpan ForwardAuthTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>A file with the bearer token that <c>/ctrl</c> requires; read at the start.</summary>
    [Description("a file with the bearer token that /ctrl requires: 16 to 1024 printable characters without blanks")]
    public string? CtrlTokenFile { get; set; }

    /// <summary>How many days ended backends and their history are kept. Default 7; longer costs disk, shorter loses the answer to "what became of it?".</summary>
    [Description("how many days ended backends and their history are kept")]
    public int CleanupMinAgeDays { get; set; } = 7;

    /// <summary>The times of every lease; the same for all controllers of a database.</summary>
    public LeaseOptions LeaseNumbers { get; set; } = new();

    /// <summary>The controller's name. Default: a random one at each start.</summary>
    [Description("the controller's name, co-…; where not set, a random one at each start")]
    public ControllerName? Name { get; set; }

    /// <summary>How often a status stream without news is kept alive by a comment. Default 15 s, under what proxies between commonly allow.</summary>
    [Description("how often a status stream without news is kept alive by a comment")]
    public TimeSpan StreamKeepAlive { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>The most status streams at once; more are answered with 503. Default 20,000: each costs about 10 kB and a connection, and anyone may open one.</summary>
    [Description("the most status streams at once")]
    public int MaxStatusStreams { get; set; } = 20_000;

    /// <summary>Whether more than this machine can reach <c>/ctrl</c>, and nothing asks who it is: warned of at the start.</summary>
    public bool IsOpenToStrangers => CtrlTokenFile is null && ForwardAuth is null && !WebListener.IsLoopback(Host);

    /// <summary>Reads the control token.</summary>
    /// <param name="token">The token, where there is one.</param>
    /// <param name="problem">What is wrong with the file; never its content.</param>
    internal bool TryReadToken(out string? token, out string? problem)
    {
        token = null;
        problem = null;
        if (CtrlTokenFile is null)
        {
            return true;
        }

        try
        {
            var text = File.ReadAllText(CtrlTokenFile).Trim();
            problem = text.Length is < MinTokenLength or > 1024 || text.Any(c => c is <= ' ' or >= '\x7f')
                ? $"must hold one token of {MinTokenLength} to 1024 printable ASCII characters without blanks"
                : null;
            token = problem is null ? text : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            problem = $"cannot be read: {e.Message}";
        }

        return problem is null;
    }
}
