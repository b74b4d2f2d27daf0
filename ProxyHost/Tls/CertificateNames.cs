using System.Collections.Frozen;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Plane.ProxyHost.Tls;

/// <summary>The DNS names that a certificate is for (its subject alternative names; RFC 6125 has clients ignore the common name). Immutable.</summary>
internal sealed class CertificateNames
{
    private readonly FrozenSet<string>.AlternateLookup<ReadOnlySpan<char>> _exact;

    // Kept with their leading dot: what "*.example.com" adds to one label.
    private readonly FrozenSet<string>.AlternateLookup<ReadOnlySpan<char>> _wild;

    public CertificateNames(IEnumerable<string> names)
    {
        All = [.. names];
        _exact = All.Where(n => !n.StartsWith("*.", StringComparison.Ordinal))
            .ToFrozenSet(StringComparer.OrdinalIgnoreCase).GetAlternateLookup<ReadOnlySpan<char>>();
        _wild = All.Where(n => n.StartsWith("*.", StringComparison.Ordinal)).Select(n => n[1..])
            .ToFrozenSet(StringComparer.OrdinalIgnoreCase).GetAlternateLookup<ReadOnlySpan<char>>();
    }

    public IReadOnlyList<string> All { get; }

    /// <exception cref="CertificateProblemException">Its names can't be read.</exception>
    public static CertificateNames Of(X509Certificate2 certificate)
    {
        try
        {
            return new CertificateNames(
                certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().SelectMany(e => e.EnumerateDnsNames()));
        }
        catch (CryptographicException e)
        {
            throw new CertificateProblemException("the names of the certificate can't be read: have it issued again", e);
        }
    }

    /// <summary>Whether the name is covered: itself, or by a wildcard in place of its first label.</summary>
    public bool Cover(ReadOnlySpan<char> name) =>
        _exact.Contains(name) || (name.IndexOf('.') is > 0 and var dot && _wild.Contains(name[dot..]));

    public override string ToString() => All.Count == 0 ? "no DNS name" : string.Join(", ", All.Take(8)) + (All.Count > 8 ? ", …" : "");
}
