using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Plane.ProxyHost.Tls;

/// <summary>A certificate that is ready to be served: checked, with its key, its chain, and the two sets of TLS options. Immutable; connections share it.</summary>
internal sealed class ServerCertificate
{
    // Those of Mozilla's "intermediate" recommendation that have forward secrecy and authenticate what they encrypt, whichever key the certificate has.
    private static readonly TlsCipherSuite[] s_suites =
    [
        TlsCipherSuite.TLS_AES_128_GCM_SHA256,
        TlsCipherSuite.TLS_AES_256_GCM_SHA384,
        TlsCipherSuite.TLS_CHACHA20_POLY1305_SHA256,
        TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        TlsCipherSuite.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        TlsCipherSuite.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        TlsCipherSuite.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ];

    private readonly SslServerAuthenticationOptions _newest;
    private readonly SslServerAuthenticationOptions _older;

    private ServerCertificate(IReadOnlyList<X509Certificate2> chain, CertificateNames names)
    {
        Chain = chain;
        Names = names;

        // Offline: the chain is served as it was given, nothing is fetched for it.
        var context = SslStreamCertificateContext.Create(Leaf, [.. chain.Skip(1)], offline: true);

        // With a policy of cipher suites the runtime makes a TLS context for each connection in place of one for all. All suites of TLS 1.3 are good, so only a client
        // that is older gets the policy.
        _newest = Options(context, SslProtocols.Tls13);
        _older = Options(context, SslProtocols.Tls12 | SslProtocols.Tls13);
        _older.CipherSuitesPolicy = new CipherSuitesPolicy(s_suites);
    }

    /// <summary>The server's certificate and its issuers.</summary>
    public IReadOnlyList<X509Certificate2> Chain { get; }

    public X509Certificate2 Leaf => Chain[0];

    public CertificateNames Names { get; }

    public DateTimeOffset NotBefore => CertificateRules.Date(Leaf.NotBefore);

    public DateTimeOffset NotAfter => CertificateRules.Date(Leaf.NotAfter);

    /// <summary>Checks a chain and makes it ready.</summary>
    /// <param name="chain">The server's certificate, with its key, then its issuers.</param>
    /// <param name="host">The name that it must cover.</param>
    /// <param name="now">The time.</param>
    /// <exception cref="CertificateProblemException">It can't be served.</exception>
    public static ServerCertificate From(IReadOnlyList<X509Certificate2> chain, string host, DateTimeOffset now)
    {
        if (CertificateRules.Problem(chain, host, now) is { } problem)
        {
            throw new CertificateProblemException(problem);
        }

        try
        {
            return new ServerCertificate(chain, CertificateNames.Of(chain[0]));
        }
        catch (CryptographicException e)
        {
            throw new CertificateProblemException($"the certificate can't be served: {e.Message}", e);
        }
    }

    /// <summary>The options for a client that offers these versions.</summary>
    public SslServerAuthenticationOptions OptionsFor(SslProtocols offered) => offered.HasFlag(SslProtocols.Tls13) ? _newest : _older;

    public bool IsSameAs(ServerCertificate other) => Leaf.RawDataMemory.Span.SequenceEqual(other.Leaf.RawDataMemory.Span);

    private static SslServerAuthenticationOptions Options(SslStreamCertificateContext context, SslProtocols protocols) => new()
    {
        ServerCertificateContext = context,
        EnabledSslProtocols = protocols,
        ApplicationProtocols = [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11],
        AllowRenegotiation = false,
        CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
    };
}
