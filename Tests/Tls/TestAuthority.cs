using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Plane.Tests.Tls;

/// <summary>A certification authority of a test's own: a root and an intermediate, and whatever they are told to issue.</summary>
internal sealed class TestAuthority : IDisposable
{
    private readonly X509Certificate2 _root;
    private readonly X509Certificate2 _intermediate;

    public TestAuthority(string name = "Plane Test")
    {
        using var rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var root = Request($"CN={name} Root", rootKey, authority: true);
        _root = root.CreateSelfSigned(DateTimeOffset.UtcNow.AddYears(-1), DateTimeOffset.UtcNow.AddYears(20));
        var intermediateKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var intermediate = Sign(Request($"CN={name} Intermediate", intermediateKey, authority: true), _root, DateTimeOffset.UtcNow.AddYears(-1), DateTimeOffset.UtcNow.AddYears(15));
        _intermediate = intermediate.CopyWithPrivateKey(intermediateKey);
    }

    public string RootPem => _root.ExportCertificatePem();

    public string IntermediatePem => _intermediate.ExportCertificatePem();

    /// <summary>A server's certificate with its chain.</summary>
    public Issued Issue(string[] names, DateTimeOffset? notBefore = null, DateTimeOffset? notAfter = null, AsymmetricAlgorithm? key = null, byte[]? uses = null)
    {
        key ??= ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = Request("CN=" + names[0], key, authority: false);
        var alternatives = new SubjectAlternativeNameBuilder();
        foreach (var name in names)
        {
            if (IPAddress.TryParse(name, out var address))
            {
                alternatives.AddIpAddress(address);
            }
            else
            {
                alternatives.AddDnsName(name);
            }
        }

        request.CertificateExtensions.Add(alternatives.Build());
        request.CertificateExtensions.Add(uses is null
            ? new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], critical: false)
            : new X509Extension("2.5.29.37", uses, critical: false));
        var leaf = Sign(request, _intermediate, notBefore ?? DateTimeOffset.UtcNow.AddHours(-1), notAfter ?? DateTimeOffset.UtcNow.AddDays(90));
        return new Issued(leaf, key, IntermediatePem);
    }

    public void Dispose()
    {
        _root.Dispose();
        _intermediate.Dispose();
    }

    private static CertificateRequest Request(string subject, AsymmetricAlgorithm key, bool authority)
    {
        var request = key is RSA rsa
            ? new CertificateRequest(subject, rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            : new CertificateRequest(subject, (ECDsa)key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(authority, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        if (authority)
        {
            request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        }

        return request;
    }

    private static X509Certificate2 Sign(CertificateRequest request, X509Certificate2 issuer, DateTimeOffset from, DateTimeOffset until)
    {
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(issuer, true, false));
        using var key = issuer.GetECDsaPrivateKey()!;
        return request.Create(issuer.SubjectName, X509SignatureGenerator.CreateForECDsa(key), from, until, RandomNumberGenerator.GetBytes(12));
    }
}

/// <summary>A certificate, its key and its issuer, in the forms of files.</summary>
internal sealed record Issued(X509Certificate2 Leaf, AsymmetricAlgorithm Key, string IntermediatePem)
{
    public string LeafPem => Leaf.ExportCertificatePem();

    public string ChainPem => $"{LeafPem}\n{IntermediatePem}\n";

    public string KeyPem => Key.ExportPkcs8PrivateKeyPem();

    public string EncryptedKeyPem(string password) =>
        Key.ExportEncryptedPkcs8PrivateKeyPem(password, new PbeParameters(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 2048));

    public X509Certificate2 WithKey => Key is RSA rsa ? Leaf.CopyWithPrivateKey(rsa) : Leaf.CopyWithPrivateKey((ECDsa)Key);

    public byte[] Pfx(string? password)
    {
        var all = new X509Certificate2Collection { WithKey };
        all.ImportFromPem(IntermediatePem);
        return all.Export(X509ContentType.Pkcs12, password)!;
    }
}
