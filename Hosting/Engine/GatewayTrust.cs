using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Plane.Hosting;

/// <summary>
/// How a silo and a client know each other: by certificates of one authority, by a shared secret, or, on loopback, not at all. The same files mean the same at
/// both ends. They are read once, at start.
/// </summary>
public sealed class GatewayTrust
{
    private const int MinSecret = 16;
    private const string ServerUse = "1.3.6.1.5.5.7.3.1";
    private const string ClientUse = "1.3.6.1.5.5.7.3.2";

    /// <summary>A file with the secret, at least 16 characters, white space around it ignored. Embedded engine only.</summary>
    public string? SharedSecretFile { get; init; }

    /// <summary>This end's certificate (PEM, the first of the file). A silo that has one speaks TLS only.</summary>
    public string? CertificateFile { get; init; }

    /// <summary>The certificate's private key (PEM).</summary>
    public string? KeyFile { get; init; }

    /// <summary>The authority that signed the other end's certificate (PEM), with what stands between them. A silo that has one asks every client for a certificate.</summary>
    public string? AuthorityFile { get; init; }

    /// <summary>Whether connections are encrypted.</summary>
    public bool UsesTls => CertificateFile is not null || AuthorityFile is not null;

    /// <summary>Whether each end proves to the other who it is, by certificates.</summary>
    public bool IsMutualTls => CertificateFile is not null && AuthorityFile is not null;

    /// <summary>What is wrong with the values, each naming itself.</summary>
    public IEnumerable<string> Errors()
    {
        if (CertificateFile is null != KeyFile is null)
        {
            yield return "gateway-cert and gateway-key come together";
        }

        foreach (var (name, file) in new[] { ("gateway-secret-file", SharedSecretFile), ("gateway-cert", CertificateFile), ("gateway-key", KeyFile), ("gateway-ca", AuthorityFile) })
        {
            if (file is not null && !File.Exists(file))
            {
                yield return $"{name}: there is no file {file}";
            }
        }
    }

    /// <summary>The secret; null: none is set.</summary>
    /// <exception cref="InvalidDataException">It is too short to be one.</exception>
    public string? ReadSecret()
    {
        if (SharedSecretFile is null)
        {
            return null;
        }

        var secret = File.ReadAllText(SharedSecretFile).Trim();
        return secret.Length >= MinSecret ? secret : throw new InvalidDataException($"gateway-secret-file: {SharedSecretFile} holds fewer than {MinSecret} characters");
    }

    /// <summary>This end's certificate; null: none is set.</summary>
    /// <exception cref="InvalidDataException">The files hold no certificate with its key.</exception>
    public X509Certificate2? ReadCertificate()
    {
        if (CertificateFile is null)
        {
            return null;
        }

        try
        {
            return X509Certificate2.CreateFromPemFile(CertificateFile, KeyFile);
        }
        catch (CryptographicException e)
        {
            throw new InvalidDataException($"gateway-cert, gateway-key: {e.Message}", e);
        }
    }

    /// <summary>
    /// Accepts certificates that the authority signed for the other end's use; null: no authority is set, the platform decides. Names are not compared: a gateway
    /// is known by the authority that only the operator uses, and a drone's certificate is not one for servers.
    /// </summary>
    /// <param name="ofServer">Whether the other end is the silo.</param>
    /// <exception cref="InvalidDataException">The file holds no certificate.</exception>
    public Func<X509Certificate2, X509Chain?, SslPolicyErrors, bool>? ReadValidation(bool ofServer)
    {
        if (AuthorityFile is null)
        {
            return null;
        }

        var roots = new X509Certificate2Collection();
        try
        {
            roots.ImportFromPemFile(AuthorityFile);
        }
        catch (CryptographicException e)
        {
            throw new InvalidDataException($"gateway-ca: {e.Message}", e);
        }

        return roots.Count == 0
            ? throw new InvalidDataException($"gateway-ca: {AuthorityFile} holds no certificate")
            : (certificate, shown, _) => IsSigned(certificate, shown, roots, ofServer ? ServerUse : ClientUse);
    }

    private static bool IsSigned(X509Certificate2 certificate, X509Chain? shown, X509Certificate2Collection roots, string use)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(roots);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;

        // A stranger's certificate may name any address as its issuer's: nothing is asked of it.
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid(use));
        if (shown is not null)
        {
            // What the other end sent with it: the certificates between it and the authority.
            foreach (var element in shown.ChainElements)
            {
                chain.ChainPolicy.ExtraStore.Add(element.Certificate);
            }
        }

        return chain.Build(certificate);
    }
}
