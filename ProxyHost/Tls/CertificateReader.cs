using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Plane.Proxy.Tls;

/// <summary>
/// Reads a chain with its key from what operators have: PEM in one file or two, or PKCS #12 (PFX). Every failure says which file, what is wrong and what to do;
/// none shows the key or its password.
/// </summary>
internal static class CertificateReader
{
    private const int MaxBytes = 1024 * 1024;
    private const int MaxCertificates = 16;

    /// <summary>Reads a file of the operator's, bounded.</summary>
    /// <param name="path">The file.</param>
    /// <param name="what">What it should be, for the message: <c>a PEM file with the certificate chain</c>.</param>
    /// <exception cref="CertificateProblemException">It can't be read.</exception>
    public static byte[] ReadFile(string path, string what)
    {
        try
        {
            if (Directory.Exists(path))
            {
                throw new CertificateProblemException($"{path} is a directory: name {what}");
            }

            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            var bytes = new byte[MaxBytes + 1];
            var length = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            return length switch
            {
                0 => throw new CertificateProblemException($"{path} is empty: it must be {what}"),
                > MaxBytes => throw new CertificateProblemException($"{path} is larger than 1 MiB: it must be {what}"),
                _ => bytes[..length],
            };
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CertificateProblemException($"{path} does not exist: name {what}", e);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new CertificateProblemException($"{path} may not be read by the user that this program runs as: change its owner or mode", e);
        }
        catch (IOException e)
        {
            throw new CertificateProblemException($"{path} can't be read: {e.Message}", e);
        }
    }

    /// <summary>Reads a chain; its first certificate carries the key.</summary>
    /// <param name="certificate">PEM or PKCS #12.</param>
    /// <param name="certificatePath">Its name, for messages.</param>
    /// <param name="key">PEM; null where the key is with the certificate.</param>
    /// <param name="keyPath">Its name, for messages.</param>
    /// <param name="password">Of an encrypted key; null for none.</param>
    /// <exception cref="CertificateProblemException">It is no such thing.</exception>
    public static IReadOnlyList<X509Certificate2> Read(byte[] certificate, string certificatePath, byte[]? key, string? keyPath, string? password)
    {
        // DER begins with a SEQUENCE, and so does PKCS #12; no PEM text does.
        if (certificate[0] == 0x30)
        {
            return ReadPkcs12(certificate, certificatePath, password);
        }

        var pem = Text(certificate, certificatePath);
        var chain = ReadChain(pem, certificatePath);
        var keyText = key is null ? pem : Text(key, keyPath!);
        return WithKey(chain, keyText, certificatePath, key is null ? certificatePath : keyPath!, key is null, password);
    }

    /// <summary>Reads the certificates of a PEM text.</summary>
    /// <exception cref="CertificateProblemException">There is none, or one is damaged.</exception>
    public static List<X509Certificate2> ReadChain(string pem, string path)
    {
        var chain = new List<X509Certificate2>();
        var rest = pem.AsSpan();
        while (PemEncoding.TryFind(rest, out var fields))
        {
            if (rest[fields.Label] is "CERTIFICATE")
            {
                if (chain.Count == MaxCertificates)
                {
                    throw new CertificateProblemException($"{path} holds more than {MaxCertificates} certificates: it must hold the server's chain alone");
                }

                try
                {
                    chain.Add(X509Certificate2.CreateFromPem(rest[fields.Location]));
                }
                catch (CryptographicException e)
                {
                    throw new CertificateProblemException($"certificate {chain.Count + 1} of {path} is damaged: copy the file again", e);
                }
            }

            rest = rest[fields.Location.End..];
        }

        return chain.Count > 0 ? chain
            : throw new CertificateProblemException($"{path} holds no certificate: it must be PEM (-----BEGIN CERTIFICATE-----) or PKCS #12");
    }

    private static string Text(byte[] bytes, string path)
    {
        var text = Encoding.UTF8.GetString(bytes);
        return text.Contains("-----BEGIN ", StringComparison.Ordinal) ? text
            : throw new CertificateProblemException($"{path} is neither PEM nor PKCS #12: convert it, as with openssl x509 -inform der");
    }

    private static List<X509Certificate2> WithKey(
        List<X509Certificate2> chain, string pem, string certificatePath, string keyPath, bool oneFile, string? password)
    {
        var label = KeyLabel(pem) ?? throw new CertificateProblemException(
            oneFile ? $"{keyPath} holds no private key: name its file with --key" : $"{keyPath} holds no private key in PEM (-----BEGIN PRIVATE KEY-----)");
        var encrypted = label == "ENCRYPTED PRIVATE KEY";
        if (encrypted && password is null)
        {
            throw new CertificateProblemException(
                $"the key in {keyPath} is protected by a password: name a file that holds it with --cert-password-file, or remove it with openssl pkey");
        }

        if (pem.Contains("Proc-Type: 4,ENCRYPTED", StringComparison.Ordinal))
        {
            throw new CertificateProblemException($"the key in {keyPath} is encrypted in an old form: convert it with openssl pkcs8 -topk8");
        }

        X509Certificate2 leaf;
        try
        {
            leaf = Combine(chain[0], pem, encrypted ? password : null);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            throw new CertificateProblemException(
                encrypted ? $"the key in {keyPath} can't be decrypted: the password in --cert-password-file is wrong, or the file is damaged"
                : chain.Skip(1).Any(c => Matches(c, pem) == true) ? $"the first certificate of {certificatePath} is not the key's: put the server's certificate first, then each issuer"
                : Matches(chain[0], pem) == false ? $"the key in {keyPath} does not belong to the first certificate of {certificatePath}: name the key that it was issued for"
                : $"the key in {keyPath} can't be read: it must be an RSA or ECDSA key in PEM",
                e);
        }

        chain[0].Dispose();
        chain[0] = leaf;
        return chain;
    }

    private static X509Certificate2 Combine(X509Certificate2 certificate, string pem, string? password)
    {
        using var rsaPublic = certificate.GetRSAPublicKey();
        if (rsaPublic is not null)
        {
            using var rsa = RSA.Create();
            Import(rsa, pem, password);
            return certificate.CopyWithPrivateKey(rsa);
        }

        using var ecdsa = ECDsa.Create();
        Import(ecdsa, pem, password);
        return certificate.CopyWithPrivateKey(ecdsa);
    }

    private static void Import(AsymmetricAlgorithm key, string pem, string? password)
    {
        // Only the key's own block: an import refuses a text with two that it could read.
        var rest = pem.AsSpan();
        while (PemEncoding.TryFind(rest, out var fields))
        {
            if (rest[fields.Label].EndsWith("PRIVATE KEY", StringComparison.Ordinal))
            {
                var block = rest[fields.Location];
                if (password is null)
                {
                    key.ImportFromPem(block);
                }
                else
                {
                    key.ImportFromEncryptedPem(block, password);
                }

                return;
            }

            rest = rest[fields.Location.End..];
        }

        throw new CryptographicException("no key");
    }

    private static string? KeyLabel(string pem)
    {
        var rest = pem.AsSpan();
        while (PemEncoding.TryFind(rest, out var fields))
        {
            if (rest[fields.Label].EndsWith("PRIVATE KEY", StringComparison.Ordinal))
            {
                return rest[fields.Label].ToString();
            }

            rest = rest[fields.Location.End..];
        }

        return pem.Contains("PRIVATE KEY-----", StringComparison.Ordinal) ? "PRIVATE KEY" : null;
    }

    // Null where the key can't be read at all: then the mismatch is not what is wrong.
    private static bool? Matches(X509Certificate2 certificate, string pem)
    {
        try
        {
            using var rsa = RSA.Create();
            Import(rsa, pem, null);
            return rsa.ExportSubjectPublicKeyInfo().AsSpan().SequenceEqual(certificate.PublicKey.ExportSubjectPublicKeyInfo());
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            try
            {
                using var ecdsa = ECDsa.Create();
                Import(ecdsa, pem, null);
                return ecdsa.ExportSubjectPublicKeyInfo().AsSpan().SequenceEqual(certificate.PublicKey.ExportSubjectPublicKeyInfo());
            }
            catch (Exception inner) when (inner is CryptographicException or ArgumentException)
            {
                return null;
            }
        }
    }

    private static List<X509Certificate2> ReadPkcs12(byte[] bytes, string path, string? password)
    {
        X509Certificate2Collection all;
        try
        {
            all = X509CertificateLoader.LoadPkcs12Collection(bytes, password, X509KeyStorageFlags.DefaultKeySet);
        }
        catch (CryptographicException e)
        {
            throw new CertificateProblemException(
                IsCertificate(bytes) ? $"{path} is a certificate in DER without a key: convert it with openssl x509 -inform der, and name its key with --key"
                : password is null ? $"{path} can't be opened without a password, or is damaged: name a file that holds its password with --cert-password-file"
                : $"{path} can't be opened: the password in --cert-password-file is wrong, or the file is damaged",
                e);
        }

        var leaf = all.FirstOrDefault(c => c.HasPrivateKey)
            ?? throw new CertificateProblemException($"{path} holds no private key: export it again with its key");

        // PKCS #12 keeps no order, so the chain is put together here.
        var chain = new List<X509Certificate2> { leaf };
        while (chain[^1].Subject != chain[^1].Issuer
            && chain.Count < MaxCertificates
            && all.FirstOrDefault(c => c.Subject == chain[^1].Issuer && !chain.Contains(c)) is { } issuer)
        {
            chain.Add(issuer);
        }

        return chain;
    }

    private static bool IsCertificate(byte[] bytes)
    {
        try
        {
            using var certificate = X509CertificateLoader.LoadCertificate(bytes);
            return true;
        }
        catch (CryptographicException)
        {
            return false;
        }
    }
}
