using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Plane.ProxyHost.Tls;

/// <summary>
/// Reads a chain with its key from what operators have: PEM in one file or two, or PKCS #12 (PFX). The platform reads; what is added is a bound, and for every failure
/// which file, what is wrong and what to do. No message shows the key or its password.
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
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CertificateProblemException(
                e is FileNotFoundException or DirectoryNotFoundException ? $"{path} does not exist: name {what}"
                : e is UnauthorizedAccessException ? $"{path} may not be read by the user that this program runs as: change its owner or mode"
                : $"{path} can't be read: {e.Message}",
                e);
        }
    }

    /// <summary>Reads a file of the operator's that holds one secret: a line end after it doesn't count.</summary>
    /// <exception cref="CertificateProblemException">It can't be read.</exception>
    public static string ReadPassword(string path) => Encoding.UTF8.GetString(ReadFile(path, "a file that holds the password alone")).TrimEnd('\r', '\n');

    /// <summary>Reads a chain; its first certificate carries the key.</summary>
    /// <param name="certificate">PEM or PKCS #12.</param>
    /// <param name="certificatePath">Its name, for messages.</param>
    /// <param name="key">PEM; null where the key is with the certificate.</param>
    /// <param name="keyPath">Its name, for messages.</param>
    /// <param name="password">Of an encrypted key; null for none.</param>
    /// <exception cref="CertificateProblemException">It is not a chain with its key.</exception>
    public static IReadOnlyList<X509Certificate2> Read(byte[] certificate, string certificatePath, byte[]? key, string? keyPath, string? password)
    {
        // DER begins with a SEQUENCE, and so does PKCS #12; no PEM text does.
        if (certificate[0] == 0x30)
        {
            return ReadPkcs12(certificate, certificatePath, password);
        }

        var chain = ReadChain(Text(certificate, certificatePath), certificatePath);
        var leaf = key is null
            ? WithKey(chain, Text(certificate, certificatePath), certificatePath, certificatePath, password)
            : WithKey(chain, Text(key, keyPath!), certificatePath, keyPath!, password);
        chain[0].Dispose();
        return [leaf, .. chain.Skip(1)];
    }

    /// <summary>Reads the certificates of a PEM text.</summary>
    /// <exception cref="CertificateProblemException">There is none, or one is damaged.</exception>
    public static List<X509Certificate2> ReadChain(string pem, string path)
    {
        var chain = new X509Certificate2Collection();
        try
        {
            chain.ImportFromPem(pem);
        }
        catch (CryptographicException e)
        {
            throw new CertificateProblemException($"a certificate of {path} is damaged: copy the file again", e);
        }

        return chain.Count switch
        {
            0 => throw new CertificateProblemException($"{path} holds no certificate: it must be PEM (-----BEGIN CERTIFICATE-----) or PKCS #12"),
            > MaxCertificates => throw new CertificateProblemException(
                $"{path} holds more than {MaxCertificates} certificates: it must hold the server's chain alone"),
            _ => [.. chain],
        };
    }

    private static string Text(byte[] bytes, string path)
    {
        var text = Encoding.UTF8.GetString(bytes);
        return text.Contains("-----BEGIN ", StringComparison.Ordinal) ? text
            : throw new CertificateProblemException($"{path} is neither PEM nor PKCS #12: convert it, as with openssl x509 -inform der");
    }

    private static X509Certificate2 WithKey(List<X509Certificate2> chain, string pem, string certificatePath, string keyPath, string? password)
    {
        if (!pem.Contains("PRIVATE KEY-----", StringComparison.Ordinal))
        {
            throw new CertificateProblemException(
                keyPath == certificatePath ? $"{keyPath} holds no private key: name its file with --key"
                : $"{keyPath} holds no private key in PEM (-----BEGIN PRIVATE KEY-----)");
        }

        var isEncrypted = pem.Contains("-----BEGIN ENCRYPTED PRIVATE KEY-----", StringComparison.Ordinal);
        if (isEncrypted && password is null)
        {
            throw new CertificateProblemException(
                $"the key in {keyPath} is protected by a password: name a file that holds it with --cert-password-file, or remove it with openssl pkey");
        }

        if (pem.Contains("Proc-Type: 4,ENCRYPTED", StringComparison.Ordinal))
        {
            throw new CertificateProblemException($"the key in {keyPath} is encrypted in an old form: convert it with openssl pkcs8 -topk8");
        }

        try
        {
            var leaf = chain[0].ExportCertificatePem();
            return isEncrypted ? X509Certificate2.CreateFromEncryptedPem(leaf, pem, password) : X509Certificate2.CreateFromPem(leaf, pem);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            throw new CertificateProblemException(
                isEncrypted ? $"the key in {keyPath} can't be decrypted: the password in --cert-password-file is wrong, or the file is damaged"
                : chain.Skip(1).Any(c => IsKeyOf(c, pem)) ? $"the first certificate of {certificatePath} is not the key's: put the server's certificate first, then each issuer"
                : IsKey(pem) ? $"the key in {keyPath} does not belong to the first certificate of {certificatePath}: name the key that it was issued for"
                : $"the key in {keyPath} can't be read: it must be an RSA or ECDSA key in PEM",
                e);
        }
    }

    private static bool IsKeyOf(X509Certificate2 certificate, string pem) =>
        Succeeds(() => X509Certificate2.CreateFromPem(certificate.ExportCertificatePem(), pem).Dispose());

    private static bool IsKey(string pem)
    {
        using var rsa = RSA.Create();
        using var ecdsa = ECDsa.Create();
        return Succeeds(() => rsa.ImportFromPem(pem)) || Succeeds(() => ecdsa.ImportFromPem(pem));
    }

    private static bool Succeeds(Action read)
    {
        try
        {
            read();
            return true;
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            return false;
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
                Succeeds(() => X509CertificateLoader.LoadCertificate(bytes).Dispose())
                    ? $"{path} is a certificate in DER without a key: convert it with openssl x509 -inform der, and name its key with --key"
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
}
