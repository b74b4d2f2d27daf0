using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Plane.Acme;
using Plane.ProxyHost.Tls;

namespace Plane.ProxyHost.Certificates;

/// <summary>
/// What an operator does with a proxy's certificate, on the proxy's machine: its key never leaves it. A running proxy follows what changes in its directory. Every
/// failure is a <see cref="CertificateProblemException"/> whose message says what to do.
/// </summary>
public sealed class CertificateDirectory
{
    private readonly CertificateStore _store;
    private readonly ClusterName _cluster;
    private readonly TimeProvider _time;

    /// <summary>Opens one; nothing is read yet.</summary>
    /// <param name="directory">The proxy's <c>--cert-dir</c>.</param>
    /// <param name="cluster">The cluster.</param>
    /// <param name="time">The clock.</param>
    public CertificateDirectory(string directory, ClusterName cluster, TimeProvider time)
    {
        _store = new CertificateStore(directory, cluster);
        _cluster = cluster;
        _time = time;
    }

    /// <summary>The stored certificate.</summary>
    public CertificateFacts Show()
    {
        var stored = _store.ReadCertificate() ?? throw new CertificateProblemException(
            $"{_store.CertificatePath} does not exist: the proxy has no certificate of {_cluster} yet, or has another --cert-dir");
        return Facts(_store.Parse(stored)) with
        {
            RenewalFailure = _store.ReadFailure() is { } failure
                ? string.Create(CultureInfo.InvariantCulture, $"failed at {failure.At:u}: {failure.Reason}; the next try is at {failure.NextTry:u}")
                : null,
        };
    }

    /// <summary>A certificate in files, as <c>--cert</c> and <c>--key</c> name them.</summary>
    /// <param name="certificate">PEM or PKCS #12.</param>
    /// <param name="key">PEM, or null.</param>
    /// <param name="passwordFile">A file with the password, or null.</param>
    public CertificateFacts Show(string certificate, string? key, string? passwordFile) => Facts(Read(certificate, key, passwordFile));

    /// <summary>Puts a certificate from files in place of the stored one, if it can be served. It is renewed as one that the authority issued.</summary>
    /// <param name="certificate">PEM or PKCS #12.</param>
    /// <param name="key">PEM, or null.</param>
    /// <param name="passwordFile">A file with the password, or null.</param>
    public CertificateFacts Import(string certificate, string? key, string? passwordFile)
    {
        var chain = Read(certificate, key, passwordFile);
        var facts = Facts(chain);
        if (facts.Problem is { } problem)
        {
            throw new CertificateProblemException(problem);
        }

        Guarded(() =>
        {
            _store.Prepare();
            _store.WriteCertificate(KeyPem(chain[0]), string.Join('\n', chain.Select(c => c.ExportCertificatePem())));
        });
        return facts;
    }

    /// <summary>Has the running proxy order a certificate now.</summary>
    public void Renew() => Guarded(() =>
    {
        _store.Prepare();
        _store.WishRenewal();
    });

    /// <summary>Revokes the stored certificate at the authority and has the running proxy order another.</summary>
    /// <param name="options">The authority, as the proxy has it.</param>
    /// <param name="reason">The reason's code (RFC 5280 section 5.3.1): 1 for a key that others have, 4 for one that was replaced.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task RevokeAsync(AcmeOptions options, int reason, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        Show();
        using var certificate = _store.Parse(_store.ReadCertificate()!)[0];
        await AtAuthorityAsync(async () =>
        {
            await AccountKeys.RecoverAsync(_store, options, _time, cancellationToken);
            using var key = _store.AccountKey(options.Directory!);
            using var client = await AcmeClient.OpenAsync(options.ForClient(), key, _time, cancellationToken);
            if (!await client.TryFindAccountAsync(cancellationToken))
            {
                throw new AcmeException(AcmeFault.Refused, "the authority has no account of this key");
            }

            await client.RevokeAsync(certificate, reason, cancellationToken);
        });
        Renew();
    }

    /// <summary>Gives the account at the authority another key.</summary>
    /// <param name="options">The authority, as the proxy has it.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public Task ChangeAccountKeyAsync(AcmeOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        return AtAuthorityAsync(() => AccountKeys.ChangeAsync(_store, options, _time, cancellationToken));
    }

    private static async Task AtAuthorityAsync(Func<Task> action)
    {
        try
        {
            await action();
        }
        catch (AcmeException e)
        {
            throw new CertificateProblemException(e.Message, e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CertificateProblemException($"--cert-dir: {e.Message}", e);
        }
    }

    private static void Guarded(Action action)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CertificateProblemException($"--cert-dir: {e.Message}", e);
        }
    }

    private static IReadOnlyList<X509Certificate2> Read(string certificate, string? key, string? passwordFile) => CertificateReader.Read(
        CertificateReader.ReadFile(certificate, "a file with the certificate chain"),
        certificate,
        key is null ? null : CertificateReader.ReadFile(key, "a file with the private key"),
        key,
        passwordFile is null ? null : CertificateReader.ReadPassword(passwordFile));

    // Keys of PKCS #12 files may not be exported as they are, but they may be when they are encrypted.
    private static string KeyPem(X509Certificate2 certificate)
    {
        using AsymmetricAlgorithm? key = certificate.GetRSAPrivateKey() ?? (AsymmetricAlgorithm?)certificate.GetECDsaPrivateKey();
        return key?.ExportPkcs8PrivateKeyPem() ?? throw new CertificateProblemException("the certificate's key is neither RSA nor ECDSA: use ECDSA P-256 or RSA");
    }

    private CertificateFacts Facts(IReadOnlyList<X509Certificate2> chain)
    {
        var leaf = chain[0];
        using var rsa = leaf.GetRSAPublicKey();
        using var ecdsa = leaf.GetECDsaPublicKey();
        return new CertificateFacts
        {
            Names = [.. CertificateNames.Of(leaf).All],
            Issuer = leaf.GetNameInfo(X509NameType.SimpleName, forIssuer: true),
            Serial = leaf.SerialNumber,
            Fingerprint = leaf.GetCertHashString(HashAlgorithmName.SHA256),
            NotBefore = CertificateRules.Date(leaf.NotBefore),
            NotAfter = CertificateRules.Date(leaf.NotAfter),
            Key = rsa is not null ? string.Create(CultureInfo.InvariantCulture, $"RSA {rsa.KeySize}")
                : ecdsa is not null ? string.Create(CultureInfo.InvariantCulture, $"ECDSA P-{ecdsa.KeySize}")
                : leaf.PublicKey.Oid.FriendlyName ?? "unknown",
            ChainLength = chain.Count,
            Problem = CertificateRules.Problem(chain, _cluster.Host, _time.GetUtcNow()),
        };
    }
}

/// <summary>What a certificate says, and whether it can be served.</summary>
public sealed record CertificateFacts
{
    /// <summary>The DNS names that it is for.</summary>
    public required IReadOnlyList<string> Names { get; init; }

    /// <summary>Who issued it.</summary>
    public required string Issuer { get; init; }

    /// <summary>Its serial number, in hexadecimal.</summary>
    public required string Serial { get; init; }

    /// <summary>Its SHA-256 hash, in hexadecimal.</summary>
    public required string Fingerprint { get; init; }

    /// <summary>When its life begins.</summary>
    public required DateTimeOffset NotBefore { get; init; }

    /// <summary>When its life ends.</summary>
    public required DateTimeOffset NotAfter { get; init; }

    /// <summary>The kind and size of its key.</summary>
    public required string Key { get; init; }

    /// <summary>How many certificates the chain has, this one included.</summary>
    public required int ChainLength { get; init; }

    /// <summary>Why it can't be served, or null.</summary>
    public string? Problem { get; init; }

    /// <summary>Why the proxy's last try to renew it failed and when the next one is, or null.</summary>
    public string? RenewalFailure { get; init; }
}
