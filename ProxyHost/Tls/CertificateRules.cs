using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Plane.ProxyHost.Tls;

/// <summary>What a chain must fulfil before it is served, whatever its issuer. Trust is not asked for: a private authority is as good as a public one here.</summary>
internal static class CertificateRules
{
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";
    private const string AnyPurpose = "2.5.29.37.0";

    // Issuers may set the beginning of the life a little into a slow clock's future.
    private static readonly TimeSpan s_clockSkew = TimeSpan.FromMinutes(5);

    /// <summary>What is wrong, with what to do about it, or null.</summary>
    /// <param name="chain">The server's certificate, with its key, and its issuers, each after what it issued.</param>
    /// <param name="host">The name that it must cover.</param>
    /// <param name="now">The time.</param>
    public static string? Problem(IReadOnlyList<X509Certificate2> chain, string host, DateTimeOffset now)
    {
        try
        {
            return ProblemOf(chain, host, now);
        }
        catch (CryptographicException)
        {
            // Parts are decoded when they are looked at: an extension that isn't what it says, a key on an unknown curve.
            return "a part of the certificate can't be read: have it issued again";
        }
    }

    private static string? ProblemOf(IReadOnlyList<X509Certificate2> chain, string host, DateTimeOffset now)
    {
        var leaf = chain[0];
        if (Date(leaf.NotAfter) <= now)
        {
            return $"the certificate expired on {Text(leaf.NotAfter)}: put a renewed one in its place";
        }

        if (Date(leaf.NotBefore) > now + s_clockSkew)
        {
            return $"the certificate is not valid before {Text(leaf.NotBefore)}: check this machine's clock, or wait";
        }

        var names = CertificateNames.Of(leaf);
        if (!names.Cover(host))
        {
            return $"the certificate is for {names}, not for {host}: use one that names {host} and *.{host}";
        }

        return KeyProblem(leaf) ?? UseProblem(leaf) ?? OrderProblem(chain);
    }

    /// <summary>A date of a certificate as an instant.</summary>
    public static DateTimeOffset Date(DateTime value) => new(value.ToUniversalTime());

    private static string? KeyProblem(X509Certificate2 leaf)
    {
        using var rsa = leaf.GetRSAPublicKey();
        if (rsa is not null)
        {
            return rsa.KeySize >= 2048 ? null : $"the certificate's RSA key has {rsa.KeySize} bits, which clients refuse: use one of 2048 bits or more, or ECDSA P-256";
        }

        using var ecdsa = leaf.GetECDsaPublicKey();
        return ecdsa is null ? "the certificate's key is neither RSA nor ECDSA: use ECDSA P-256 or RSA"
            : ecdsa.KeySize >= 256 ? null : $"the certificate's ECDSA key has {ecdsa.KeySize} bits: use P-256 or larger";
    }

    private static string? UseProblem(X509Certificate2 leaf)
    {
        if (leaf.SignatureAlgorithm.Value is "1.2.840.113549.1.1.4" or "1.2.840.113549.1.1.5" or "1.2.840.10045.4.1")
        {
            return "the certificate is signed with SHA-1 or MD5, which clients refuse: have it issued again with SHA-256";
        }

        foreach (var uses in leaf.Extensions.OfType<X509EnhancedKeyUsageExtension>())
        {
            if (!uses.EnhancedKeyUsages.Cast<Oid>().Any(u => u.Value is ServerAuthentication or AnyPurpose))
            {
                return "the certificate is not for servers (its extended key usage lacks serverAuth): use a server certificate";
            }
        }

        return leaf.Extensions.OfType<X509BasicConstraintsExtension>().Any(b => b.CertificateAuthority) && leaf.Subject != leaf.Issuer
            ? "the first certificate is an authority's: put the server's own certificate first, then each issuer"
            : null;
    }

    // Each certificate must have signed the one before it: browsers forgive another order, other clients don't.
    private static string? OrderProblem(IReadOnlyList<X509Certificate2> chain)
    {
        if (chain.Count == 1)
        {
            return null;
        }

        using var path = new X509Chain();
        path.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        path.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        path.ChainPolicy.DisableCertificateDownloads = true;
        path.ChainPolicy.VerificationFlags = X509VerificationFlags.AllFlags;
        foreach (var issuer in chain.Skip(1))
        {
            path.ChainPolicy.ExtraStore.Add(issuer);
        }

        path.Build(chain[0]);
        var elements = path.ChainElements;
        try
        {
            for (var i = 0; i < chain.Count; i++)
            {
                if (i >= elements.Count || !elements[i].Certificate.RawDataMemory.Span.SequenceEqual(chain[i].RawDataMemory.Span))
                {
                    return string.Create(
                        CultureInfo.InvariantCulture,
                        $"certificate {i + 1} of the chain ({Short(chain[i].Subject)}) did not issue the one before it: put the server's certificate first, then each issuer");
                }

                if (elements[i].ChainElementStatus.Any(s => s.Status.HasFlag(X509ChainStatusFlags.NotSignatureValid)))
                {
                    return string.Create(CultureInfo.InvariantCulture, $"the signature of certificate {i + 1} of the chain is wrong: have the chain issued again");
                }
            }
        }
        finally
        {
            foreach (var element in elements)
            {
                element.Certificate.Dispose();
            }
        }

        return null;
    }

    private static string Short(string name) => name.Length <= 100 ? name : name[..100] + "…";

    private static string Text(DateTime date) => date.ToUniversalTime().ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture);
}
