using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using Plane.ProxyHost.Certificates;

namespace Plane.ProxyHost;

/// <summary>How one proxy runs. Durations are options so that tests run in seconds; the defaults are the ones the guarantees are stated for.</summary>
public sealed class ProxyOptions
{
    /// <summary>The cluster that it serves: the host name (with a port other than 443 for plain HTTP) that requests must carry. Required.</summary>
    [Required]
    [Description("the cluster that it serves, as example.com; with a port other than 443 for plain HTTP")]
    public string Cluster { get; set; } = "";

    /// <summary>Its name, <c>px-…</c>. Default: a random one for each start.</summary>
    [Description("this proxy's name, px-…; where not set, a random one at each start")]
    public string Name { get; set; } = ProxyName.NewRandom().Value;

    /// <summary>The address to listen on: an IP address, <c>localhost</c> or <c>*</c>. Default <c>0.0.0.0</c>: a proxy is what faces the world.</summary>
    [Description("the address to listen on: an IP address, localhost, or * for all")]
    public string Host { get; set; } = "0.0.0.0";

    /// <summary>The port to listen on; 0 takes a free one. Default 9090.</summary>
    [Description("the port to listen on")]
    public int Port { get; set; } = 9090;

    /// <summary>The port that serves <c>/metrics</c> as Prometheus text; 0 takes a free one. Default none.</summary>
    [Description("a port of its own for /metrics, without authentication")]
    public int? MetricsPort { get; set; }

    /// <summary>The address of that port: never the one that faces the world. Default <c>127.0.0.1</c>.</summary>
    [Description("the address of --metrics-port")]
    public string MetricsHost { get; set; } = "127.0.0.1";

    /// <summary>Serves HTTP/2 with prior knowledge instead of HTTP/1.1 on the port: without TLS one port can't negotiate. Default off.</summary>
    [Description("serve HTTP/2 with prior knowledge instead of HTTP/1.1")]
    public bool PriorKnowledgeHttp2 { get; set; }

    /// <summary>
    /// Serves HTTPS on <see cref="HttpsPort"/>, with the certificate of <see cref="Cert"/> or of the authority at <see cref="AcmeOptions.Directory"/>, and redirects
    /// <see cref="HttpPort"/> there; <see cref="Port"/> isn't used then. Default off.
    /// </summary>
    [Description("serve HTTPS, and redirect plain HTTP to it; needs --cert or --acme-directory")]
    public bool Https { get; set; }

    /// <summary>The port that redirects to HTTPS; 0 takes a free one. Default 80.</summary>
    [Description("with --https: the port that redirects to HTTPS")]
    public int HttpPort { get; set; } = 80;

    /// <summary>The port of HTTPS; 0 takes a free one. Closed until there is a certificate. Default 443.</summary>
    [Description("with --https: the port of HTTPS")]
    public int HttpsPort { get; set; } = 443;

    /// <summary>A certificate of one's own: PEM with the chain, the server's certificate first, or PKCS #12. Followed as it changes. Default none.</summary>
    [Description("a file with the certificate chain in PEM, the server's first, or PKCS #12; followed as it changes")]
    public string? Cert { get; set; }

    /// <summary>Its private key, PEM. Default: in the same file.</summary>
    [Description("a file with the certificate's private key in PEM; where not set, it is in --cert")]
    public string? Key { get; set; }

    /// <summary>A file with the password of the key or of the PKCS #12 file. Default none.</summary>
    [Description("a file with the password of --key, or of --cert in PKCS #12")]
    public string? CertPasswordFile { get; set; }

    /// <summary>How often the certificate's files, and when to renew, are looked at. Default 10 s.</summary>
    [Description("how often the certificate's files, and whether it is to be renewed, are looked at")]
    public TimeSpan CertCheckEvery { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Where the account's key and the certificate of an authority are kept, mode 0700. Default <c>plane-certs</c>.</summary>
    [Description("the directory where the account key and the certificate of --acme-directory are kept")]
    public string CertDir { get; set; } = "plane-certs";

    /// <summary>
    /// How long browsers are told to use HTTPS only (<c>Strict-Transport-Security</c>), as <c>365d</c>. Not easily taken back: browsers keep to it. Default none.
    /// </summary>
    [Description("tell browsers to use HTTPS only for so long, as 365d")]
    public TimeSpan? Hsts { get; set; }

    /// <summary>Whether that holds for all subdomains of the cluster too. Default off.</summary>
    [Description("let --hsts hold for all subdomains too")]
    public bool HstsSubdomains { get; set; }

    /// <summary>The authority that certificates come from.</summary>
    [Description("the ACME authority that certificates come from")]
    public AcmeOptions Acme { get; set; } = new();

    /// <summary>
    /// The networks of load balancers whose <c>X-Forwarded-Proto</c>, <c>-Host</c> and <c>-For</c> are taken for a request's scheme, host and address, here and in the headers that backends get. Default none.
    /// </summary>
    [Description("networks of load balancers whose X-Forwarded-Proto, -Host and -For are believed, as 10.0.0.0/8; repeated or separated by commas")]
    public string[] TrustedProxies { get; set; } = [];

    /// <summary>Where <c>/</c> is redirected to (301), an absolute http or https URL. Default none: 400.</summary>
    [Description("where / is redirected to")]
    public string? RootRedirectUrl { get; set; }

    /// <summary>
    /// Takes clients' addresses from the PROXY protocol, version 1 or 2: each connection from <see cref="TrustedProxies"/> must begin with its header, and none from elsewhere may. For
    /// balancers that pass TCP on. Default off.
    /// </summary>
    [Description("take clients' addresses from the PROXY protocol (1 or 2), which each connection from --trusted-proxies must begin with")]
    public bool ProxyProtocol { get; set; }

    /// <summary>
    /// Origins, as <c>https://app.example.com</c>, whose pages may use every session of the cluster with credentials, beside those that a spawn config allows. Default none.
    /// </summary>
    [Description("origins, as https://app.example.com, whose pages may use every session with credentials")]
    public string[] AllowedOrigins { get; set; } = [];

    /// <summary>
    /// Whether request headers are passed on whose names hold other characters than letters, digits and hyphens. A backend may take <c>X_Y</c> for <c>X-Y</c>, so that a client could
    /// say what only the proxy may say. Default off: they are dropped.
    /// </summary>
    [Description("pass on request headers whose names hold other characters than letters, digits and hyphens; a backend may take X_Y for X-Y")]
    public bool AnyHeaderNames { get; set; }

    /// <summary>How long a connection to a backend may take to open. Longer helps far drones, and makes users wait longer for dead ones. Default 5 s.</summary>
    [Description("how long a connection to a backend may take to open")]
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// How long a backend may take until its response begins, counted from the last byte of the request that the client sent. Nothing limits the response
    /// itself. Default 15 min.
    /// </summary>
    [Description("how long a backend may take until its response begins")]
    public TimeSpan ResponseTimeout { get; set; } = TimeSpan.FromMinutes(15);

    /// <summary>How long open requests may continue after the stop signal. Default 10 s.</summary>
    [Description("how long open requests may continue after the stop signal")]
    public TimeSpan Drain { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long one call to the controller waits for a route or a change, at most 5 s. Default 5 s.</summary>
    [Description("how long one call to the controller waits for a route or a change")]
    public TimeSpan ControllerWait { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a request for an unknown route waits for an unavailable controller before it gets 503. Default 10 s.</summary>
    [Description("how long a request for an unknown route waits for a controller that is unavailable")]
    public TimeSpan UnknownRouteWait { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>The most routes kept; least recently used ones go first. About 1 kB each. Default 100,000.</summary>
    [Description("the most routes kept")]
    public int RouteCacheSize { get; set; } = 100_000;

    /// <summary>How long an unknown token stays known as unknown: spares the controller a client that retries in a loop. Default 1 s.</summary>
    [Description("how long an unknown token stays known as unknown")]
    public TimeSpan NegativeAnswer { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>The most signed tokens that are kept verified; those that were not used for long go first. About 2 kB each. Default 20,000.</summary>
    [Description("the most signed tokens of services' visitors that are kept verified")]
    public int TokenCacheSize { get; set; } = 20_000;

    /// <summary>How long a navigation to a session that is being started waits before it gets the page that says so. Default 1 s: most warm starts take less.</summary>
    [Description("how long a navigation to a service's session that is being started waits before it gets a page that shows the start")]
    public TimeSpan StartingPageAfter { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>How long a service's forward_auth URL may take to answer. Default 5 s.</summary>
    [Description("how long a service's forward_auth URL may take to answer")]
    public TimeSpan ForwardAuthTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// How long an answer of a forward_auth URL stands for the same question: longer spares the login service, and lets in a visitor for as long after a logout. Default 3 s.
    /// </summary>
    [Description("how long an answer of a service's forward_auth URL is reused for the same question")]
    public TimeSpan ForwardAuthCache { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>After so long without reading changes, routes are checked again as they are used, serving meanwhile. Default 15 s.</summary>
    [Description("check routes again after so long without reading changes")]
    public TimeSpan ChangeGap { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>
    /// After so long without reading changes or checking the route itself, a route is no longer served: drones give a host port to another backend 10 minutes
    /// after its last one ended, so this must stay well below. Default 5 min.
    /// </summary>
    [Description("serve no route after so long without reading changes or checking it")]
    public TimeSpan RouteTrust { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>How often the first report is repeated until the controller says how often it wants them. Default 7 s.</summary>
    [Description("how often use is reported until the controller says how often")]
    public TimeSpan ReportEvery { get; set; } = TimeSpan.FromSeconds(7);

    /// <summary><c>/ready</c> says no when the controller last answered longer ago. Default 15 s: three polls.</summary>
    [Description("how long the controller may be silent before /ready says no")]
    public TimeSpan ReadySilence { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>
    /// How long an idle connection to a backend is kept. Default 4 s: common servers close theirs after 5 s, and a request sent at that very moment is lost.
    /// </summary>
    [Description("how long an idle connection to a backend is kept")]
    public TimeSpan BackendIdle { get; set; } = TimeSpan.FromSeconds(4);
}
