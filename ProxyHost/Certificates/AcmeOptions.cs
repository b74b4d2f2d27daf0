using System.ComponentModel;
using System.Text;
using Plane.Acme;
using Plane.Hosting;
using Plane.ProxyHost.Tls;

namespace Plane.ProxyHost.Certificates;

/// <summary>How a proxy gets its certificate from a certification authority. Times are options so that tests run in seconds.</summary>
public sealed class AcmeOptions
{
    /// <summary>The authority's directory, as <c>https://acme-v02.api.letsencrypt.org/directory</c>. Setting it agrees to the authority's terms. Default none.</summary>
    [Description("the directory of the ACME authority that certificates come from; setting it agrees to its terms of service")]
    public Uri? Directory { get; set; }

    /// <summary>Where the authority may write to. Default none.</summary>
    [Description("an address that the authority may write to")]
    public string? Email { get; set; }

    /// <summary>The key identifier of an external account binding, where the authority demands one. Default none.</summary>
    [Description("the key identifier of the external account binding, where the authority demands one")]
    public string? EabKid { get; set; }

    /// <summary>A file with the binding's HMAC key in base64url, as authorities hand it out. Default none.</summary>
    [Description("a file with the HMAC key of the external account binding, in base64url")]
    public string? EabKeyFile { get; set; }

    /// <summary>PEM certificates that the authority's own HTTPS is checked against, for an authority of one's own. Default: the system's.</summary>
    [Description("a PEM file with the certificates that the authority's own HTTPS is checked against; the system's where not set")]
    public string? CaFile { get; set; }

    /// <summary>The common name of the issuer of the chain's last certificate, where the authority offers several chains. Default: the authority's own choice.</summary>
    [Description("where the authority offers several chains, the one whose last certificate was issued by this common name")]
    public string? PreferredIssuer { get; set; }

    /// <summary>The kind of the certificate's key. RSA costs about ten times as much CPU for each handshake, and serves clients of before 2012. Default ECDSA P-256.</summary>
    [Description("the certificate's key: ecdsa (P-256) or rsa (2048 bits)")]
    public CertificateKeyKind KeyKind { get; set; } = CertificateKeyKind.Ecdsa;

    /// <summary>
    /// How long the challenge values are published before the authority is asked to check them. Our DNS server may answer from its cache for 1 s, and resolvers keep a "no such
    /// name" for 1 s more. Default 3 s.
    /// </summary>
    [Description("how long challenge values are published before the authority is asked to check them")]
    public TimeSpan Settle { get; set; } = TimeSpan.FromSeconds(3);

    /// <summary>How often the authority is asked for the state of an order, unless it says itself; grows up to ten times that. Default 1 s.</summary>
    [Description("how often an order is looked at where the authority does not say")]
    public TimeSpan PollEvery { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>How long the authority may take to validate, and again to issue. Must stay below the 10 minutes that challenge values are valid. Default 5 min.</summary>
    [Description("how long the authority may take to validate, and again to issue")]
    public TimeSpan Patience { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>How long one request to the authority may take. Default 30 s.</summary>
    [Description("how long one request to the authority may take")]
    public TimeSpan RequestTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>The pause after the first failed order; doubles with each further one, with jitter. Default 1 min.</summary>
    [Description("the pause after a failed order; doubles with each further one")]
    public TimeSpan RetryAfter { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>The longest such pause. Authorities allow few failures an hour. Default 6 h.</summary>
    [Description("the longest pause after failed orders")]
    public TimeSpan RetryMost { get; set; } = TimeSpan.FromHours(6);

    /// <summary>How long the challenge lease is held unless it is renewed: when another proxy orders in place of one that died. Default 60 s.</summary>
    [Description("how long another proxy waits for one that died while it ordered")]
    public TimeSpan LeaseTime { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>The most certificates of the cluster within a week, over all proxies. Default 5, what Let's Encrypt publishes for the same names.</summary>
    [Description("the most certificates of the cluster within a week, over all its proxies")]
    public int WeeklyLimit { get; set; } = 5;

    /// <summary>What the client of the protocol needs to know of them.</summary>
    /// <exception cref="Tls.CertificateProblemException">The certificates of <see cref="CaFile"/> can't be read.</exception>
    internal AcmeClientOptions ForClient() => new()
    {
        Directory = Directory!,
        UserAgent = ("plane-proxy", PlaneVersion.Current.Version),
        Email = Email,
        EabKid = EabKid,
        Roots = CaFile is { } file ? CertificateReader.ReadChain(Encoding.UTF8.GetString(CertificateReader.ReadFile(file, "the PEM file with the authority's certificates")), file) : null,
        PollEvery = PollEvery,
        Patience = Patience,
        RequestTimeout = RequestTimeout,
    };
}

/// <summary>The kind of a certificate's key.</summary>
public enum CertificateKeyKind
{
    /// <summary>ECDSA on the curve P-256.</summary>
    Ecdsa,

    /// <summary>RSA with 2048 bits.</summary>
    Rsa,
}
