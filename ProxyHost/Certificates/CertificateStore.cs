using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Plane.Acme;
using Plane.Files;
using Plane.ProxyHost.Tls;

namespace Plane.ProxyHost.Certificates;

/// <summary>
/// The directory of <c>--cert-dir</c>, mode 0700, its files 0600:
/// <list type="bullet">
/// <item><c>CLUSTER.pem</c>: the certificate's key and its chain in one file, so that they change together;</item>
/// <item><c>CLUSTER.order.json</c>: the order under way with the key made for it, so that a restart continues with it;</item>
/// <item><c>account-HASH.pem</c>: the account's key at one authority, by the hash of its directory's address; <c>….next</c>: the one that a change of keys is bringing in;</item>
/// <item><c>CLUSTER.renew</c>: an operator's wish to renew now;</item>
/// <item><c>CLUSTER.failure.json</c>: why no certificate came when one was due, for <c>plane cert show</c>.</item>
/// </list>
/// Proxies of one cluster on one machine may share a directory, and with it the certificate.
/// </summary>
internal sealed class CertificateStore
{
    private readonly string _directory;
    private readonly ClusterName _cluster;

    public CertificateStore(string directory, ClusterName cluster)
    {
        _directory = Path.GetFullPath(directory);
        _cluster = cluster;
    }

    public string CertificatePath => Path.Combine(_directory, FileName + ".pem");

    private string OrderPath => Path.Combine(_directory, FileName + ".order.json");

    private string RenewPath => Path.Combine(_directory, FileName + ".renew");

    private string FailurePath => Path.Combine(_directory, FileName + ".failure.json");

    // The only character of a cluster's name that some file systems don't have.
    private string FileName => _cluster.Value.Replace(':', '_');

    /// <exception cref="CertificateProblemException">It can't be made.</exception>
    public void Prepare()
    {
        try
        {
            PrivateFile.RestrictDirectory(_directory);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CertificateProblemException($"--cert-dir: {_directory} can't be used: {e.Message}", e);
        }
    }

    /// <summary>The bytes of the stored certificate, or null.</summary>
    /// <exception cref="CertificateProblemException">They can't be read.</exception>
    public byte[]? ReadCertificate() => File.Exists(CertificatePath) ? CertificateReader.ReadFile(CertificatePath, "a PEM file") : null;

    public IReadOnlyList<X509Certificate2> Parse(byte[] stored) => CertificateReader.Read(stored, CertificatePath, key: null, keyPath: null, password: null);

    public void WriteCertificate(string keyPem, string chainPem) =>
        PrivateFile.ReplaceDurably(CertificatePath, Encoding.ASCII.GetBytes(keyPem.TrimEnd() + "\n" + chainPem.TrimEnd() + "\n"));

    public PendingOrder? ReadOrder()
    {
        try
        {
            return JsonSerializer.Deserialize<PendingOrder>(File.ReadAllBytes(OrderPath));
        }
        catch (Exception e) when (e is IOException or JsonException)
        {
            // Gone, or not ours: a new order costs one more, an unreadable one costs nothing else.
            return null;
        }
    }

    public void WriteOrder(PendingOrder order) => PrivateFile.ReplaceDurably(OrderPath, JsonSerializer.SerializeToUtf8Bytes(order));

    public void DropOrder() => File.Delete(OrderPath);

    /// <summary>When an operator last wished a renewal that hasn't come yet; null: none did.</summary>
    public DateTime? RenewalWish => File.Exists(RenewPath) ? File.GetLastWriteTimeUtc(RenewPath) : null;

    public void WishRenewal() => PrivateFile.ReplaceDurably(RenewPath, []);

    public void RenewalDone()
    {
        File.Delete(RenewPath);
        File.Delete(FailurePath);
    }

    public void WriteFailure(RenewalFailure failure) => PrivateFile.ReplaceDurably(FailurePath, JsonSerializer.SerializeToUtf8Bytes(failure));

    /// <summary>Why no certificate came when one was last due; null: none was, or it came.</summary>
    public RenewalFailure? ReadFailure()
    {
        try
        {
            return JsonSerializer.Deserialize<RenewalFailure>(File.ReadAllBytes(FailurePath));
        }
        catch (Exception e) when (e is IOException or JsonException)
        {
            // Gone, or cut short by a full disk: the next failure writes it again.
            return null;
        }
    }

    /// <summary>The account's key, made on first use.</summary>
    /// <exception cref="CertificateProblemException">It can't be read.</exception>
    public AcmeKey AccountKey(Uri authority)
    {
        var path = AccountPath(authority);
        if (!File.Exists(path))
        {
            var key = AcmeKey.Create();
            PrivateFile.ReplaceDurably(path, Encoding.ASCII.GetBytes(key.ToPem()));
            return key;
        }

        return ReadKey(path);
    }

    /// <summary>The key that a change of keys was bringing in when it was interrupted, or null.</summary>
    public AcmeKey? NextAccountKey(Uri authority) => File.Exists(NextAccountPath(authority)) ? ReadKey(NextAccountPath(authority)) : null;

    public void WriteNextAccountKey(Uri authority, AcmeKey key) => PrivateFile.ReplaceDurably(NextAccountPath(authority), Encoding.ASCII.GetBytes(key.ToPem()));

    /// <summary>The authority has taken the key. It is written, not moved: a proxy that ended the change as interrupted may have dropped the file meanwhile.</summary>
    public void KeepAccountKey(Uri authority, AcmeKey key)
    {
        PrivateFile.ReplaceDurably(AccountPath(authority), Encoding.ASCII.GetBytes(key.ToPem()));
        DropNextAccountKey(authority);
    }

    public void DropNextAccountKey(Uri authority) => File.Delete(NextAccountPath(authority));

    private static AcmeKey ReadKey(string path)
    {
        try
        {
            return AcmeKey.FromPem(Encoding.ASCII.GetString(CertificateReader.ReadFile(path, "the account's key")));
        }
        catch (CryptographicException e)
        {
            throw new CertificateProblemException($"{path} holds no account key: put the right file back, or remove it to make a new account", e);
        }
    }

    private string AccountPath(Uri authority) =>
        Path.Combine(_directory, $"account-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(authority.AbsoluteUri)))[..16]}.pem");

    private string NextAccountPath(Uri authority) => AccountPath(authority) + ".next";
}

/// <summary>Why no certificate came.</summary>
internal sealed record RenewalFailure
{
    public required DateTimeOffset At { get; init; }

    public required string Reason { get; init; }

    public required DateTimeOffset NextTry { get; init; }
}

/// <summary>An order that has been begun.</summary>
internal sealed record PendingOrder
{
    /// <summary>Under which the order is counted.</summary>
    public required string Id { get; init; }

    public required string Authority { get; init; }

    /// <summary>The order's address; null until the authority has told it.</summary>
    public Uri? Url { get; init; }

    /// <summary>The key that the certificate will be for, as PEM.</summary>
    public required string KeyPem { get; init; }

    public required DateTimeOffset Begun { get; init; }
}
