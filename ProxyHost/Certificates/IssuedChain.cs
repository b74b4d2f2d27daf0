using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Plane.Acme;
using Plane.ProxyHost.Tls;

namespace Plane.ProxyHost.Certificates;

/// <summary>A certificate's key, the request for the certificate, and the check that what was issued is what was asked for.</summary>
internal sealed class IssuedChain : IDisposable
{
    private readonly AsymmetricAlgorithm _key;

    private IssuedChain(AsymmetricAlgorithm key) => _key = key;

    public static string NewKeyPem(CertificateKeyKind kind)
    {
        using AsymmetricAlgorithm key = kind == CertificateKeyKind.Rsa ? RSA.Create(2048) : ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return key.ExportPkcs8PrivateKeyPem();
    }

    /// <exception cref="CryptographicException">It is not a key.</exception>
    public static IssuedChain For(string keyPem)
    {
        AsymmetricAlgorithm key = ECDsa.Create();
        try
        {
            key.ImportFromPem(keyPem);
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            key.Dispose();
            key = RSA.Create();
            try
            {
                key.ImportFromPem(keyPem);
            }
            catch (ArgumentException inner)
            {
                key.Dispose();
                throw new CryptographicException("no key", inner);
            }
        }

        return new IssuedChain(key);
    }

    /// <summary>The request, DER. The names are in the extension alone: authorities no longer read the subject, and it holds at most 64 characters.</summary>
    public byte[] SigningRequest(IEnumerable<string> names)
    {
        var subject = new X500DistinguishedName("");
        var request = _key is RSA rsa
            ? new CertificateRequest(subject, rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            : new CertificateRequest(subject, (ECDsa)_key, HashAlgorithmName.SHA256);
        var alternatives = new SubjectAlternativeNameBuilder();
        foreach (var name in names)
        {
            alternatives.AddDnsName(name);
        }

        request.CertificateExtensions.Add(alternatives.Build());
        return request.CreateSigningRequest();
    }

    /// <summary>Checks a chain: our key, our names, a life that has begun, in order.</summary>
    /// <exception cref="AcmeException">It isn't.</exception>
    public void Check(string pem, IEnumerable<string> names, DateTimeOffset now)
    {
        List<X509Certificate2> chain;
        try
        {
            chain = CertificateReader.ReadChain(pem, "the authority's answer");
        }
        catch (CertificateProblemException e)
        {
            throw new AcmeException(AcmeFault.BadAnswer, e.Message, cause: e);
        }

        try
        {
            if (!chain[0].PublicKey.ExportSubjectPublicKeyInfo().AsSpan().SequenceEqual(_key.ExportSubjectPublicKeyInfo()))
            {
                throw new AcmeException(AcmeFault.BadAnswer, "the authority issued a certificate for another key than ours");
            }

            var covered = CertificateNames.Of(chain[0]);
            if (names.FirstOrDefault(n => !covered.All.Contains(n, StringComparer.OrdinalIgnoreCase)) is { } missing)
            {
                throw new AcmeException(AcmeFault.BadAnswer, $"the authority issued a certificate for {covered}: it lacks {missing}");
            }

            if (CertificateRules.Problem(chain, names.First(), now) is { } problem)
            {
                throw new AcmeException(AcmeFault.BadAnswer, $"the authority issued a certificate that can't be served: {problem}");
            }
        }
        catch (CertificateProblemException e)
        {
            throw new AcmeException(AcmeFault.BadAnswer, e.Message, cause: e);
        }
        finally
        {
            chain.ForEach(c => c.Dispose());
        }
    }

    /// <summary>The common name of the issuer of the chain's last certificate: what tells chains of one authority apart.</summary>
    public static string TopIssuer(string pem)
    {
        var chain = CertificateReader.ReadChain(pem, "the authority's answer");
        var name = chain[^1].GetNameInfo(X509NameType.SimpleName, forIssuer: true);
        chain.ForEach(c => c.Dispose());
        return name;
    }

    public void Dispose() => _key.Dispose();
}
