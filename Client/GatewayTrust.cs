using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Connections.Security;

namespace Plane.Client;

/// <summary>
/// How a silo and a client authenticate: by certificates of one authority or, on loopback, not at all. The same files mean the same at both ends. They are read again when
/// they have changed, so that a certificate is renewed without a restart; connections that are open continue.
/// </summary>
public sealed partial class GatewayTrust
{
    private const string ServerUse = "1.3.6.1.5.5.7.3.1";
    private const string ClientUse = "1.3.6.1.5.5.7.3.2";

    private readonly ChangingFile<X509Certificate2> _certificate = new(static files => X509Certificate2.CreateFromPemFile(files[0], files[1]));
    private readonly ChangingFile<X509Certificate2Collection> _authority = new(static files => ReadAuthority(files[0]));

    /// <summary>This end's certificate (PEM, the first of the file). A silo that has one speaks TLS only.</summary>
    public string? CertificateFile { get; init; }

    /// <summary>The certificate's private key (PEM).</summary>
    public string? KeyFile { get; init; }

    /// <summary>The authority that signed the other end's certificate (PEM), with intermediate certificates. A silo that has one asks every client for a certificate.</summary>
    public string? AuthorityFile { get; init; }

    /// <summary>Whether connections are encrypted.</summary>
    public bool UsesTls => CertificateFile is not null || AuthorityFile is not null;

    /// <summary>Whether each end authenticates the other, by certificates.</summary>
    public bool IsMutualTls => CertificateFile is not null && AuthorityFile is not null;

    /// <summary>What is wrong with the values and the files.</summary>
    public IEnumerable<OptionProblem> Problems()
    {
        const string Together = $"{nameof(CertificateFile)} and {nameof(KeyFile)} come together";
        if (CertificateFile is not null && KeyFile is null)
        {
            yield return new(nameof(KeyFile), KeyFile, Together);
        }
        else if (KeyFile is not null && CertificateFile is null)
        {
            yield return new(nameof(CertificateFile), CertificateFile, Together);
        }
        else if (CertificateFile is not null && Problem(() => Certificate(NullLogger.Instance)) is { } certificate)
        {
            yield return new(nameof(CertificateFile), CertificateFile, $"with {nameof(KeyFile)} '{KeyFile}': {certificate}");
        }

        if (AuthorityFile is not null && Problem(() => Authority(NullLogger.Instance)) is { } authority)
        {
            yield return new(nameof(AuthorityFile), AuthorityFile, authority);
        }

        static string? Problem(Action read)
        {
            try
            {
                read();
                return null;
            }
            catch (Exception e) when (IsUnreadable(e))
            {
                return e.Message;
            }
        }
    }

    /// <summary>A client's side of the gateway's connections: the gateway's certificate must be for the host that was dialled.</summary>
    /// <param name="hostOf">The host of a gateway's address.</param>
    /// <param name="logger">Where a changed file that can't be read is reported.</param>
    internal TlsOptions ForClient(Func<EndPoint?, string> hostOf, ILogger logger)
    {
        var tls = new TlsOptions
        {
            LocalClientCertificateSelector = (_, _, _, _, _) => Certificate(logger),
            OnAuthenticateAsClient = (connection, authentication) => authentication.TargetHost = hostOf(connection.RemoteEndPoint),
        };
        if (AuthorityFile is not null)
        {
            tls.RemoteCertificateValidation = (certificate, chain, errors) =>
            {
                if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
                {
                    LogRefused(logger, certificate.Subject, "it is not for the host of the gateway that was dialled");
                    return false;
                }

                return IsSigned(certificate, chain, ServerUse, logger);
            };
        }

        return tls;
    }

    /// <summary>
    /// A silo's side of all of its connections. It is a server to clients and to other silos, and a client to other silos, so its certificate must be for both uses.
    /// Silos find each other's addresses in the membership table, which only they write: among themselves names are not compared.
    /// </summary>
    /// <param name="toOthers">For connections to other silos; else for those that clients and other silos open.</param>
    /// <param name="logger">Where a changed file that can't be read is reported.</param>
    public TlsOptions ForSilo(bool toOthers, ILogger logger)
    {
        var mode = AuthorityFile is null ? RemoteCertificateMode.NoCertificate : RemoteCertificateMode.RequireCertificate;
        return new TlsOptions
        {
            LocalServerCertificateSelector = (_, _) => Certificate(logger)!,
            LocalClientCertificateSelector = (_, _, _, _, _) => Certificate(logger),
            OnAuthenticateAsClient = static (connection, authentication) => authentication.TargetHost = (connection.RemoteEndPoint as IPEndPoint)?.Address.ToString() ?? "",
            RemoteCertificateMode = mode,
            RemoteCertificateValidation = AuthorityFile is null ? null : (certificate, chain, _) => IsSigned(certificate, chain, toOthers ? ServerUse : ClientUse, logger),
        };
    }

    /// <summary>Whether the authority signed a certificate for a use.</summary>
    /// <param name="certificate">The other end's certificate.</param>
    /// <param name="shown">What the other end sent with it: the certificates between it and the authority.</param>
    /// <param name="ofServer">Whether it must be one of a server; else of a client.</param>
    internal bool IsSigned(X509Certificate2 certificate, X509Chain? shown, bool ofServer) =>
        IsSigned(certificate, shown, ofServer ? ServerUse : ClientUse, NullLogger.Instance);

    private bool IsSigned(X509Certificate2 certificate, X509Chain? shown, string use, ILogger logger)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(Authority(logger));
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;

        // A foreign certificate may name any address as its issuer's: it is not asked.
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid(use));
        foreach (var element in (IEnumerable<X509ChainElement>?)shown?.ChainElements ?? [])
        {
            chain.ChainPolicy.ExtraStore.Add(element.Certificate);
        }

        if (chain.Build(certificate))
        {
            return true;
        }

        LogRefused(logger, certificate.Subject, string.Join(' ', chain.ChainStatus.Select(s => s.StatusInformation.Trim())));
        return false;
    }

    private X509Certificate2? Certificate(ILogger logger) => CertificateFile is null ? null : _certificate.Read(logger, CertificateFile, KeyFile!);

    private X509Certificate2Collection Authority(ILogger logger) => _authority.Read(logger, AuthorityFile!);

    private static X509Certificate2Collection ReadAuthority(string file)
    {
        var roots = new X509Certificate2Collection();
        roots.ImportFromPemFile(file);
        return roots.Count > 0 ? roots : throw new CryptographicException($"{file} holds no certificate");
    }

    private static bool IsUnreadable(Exception e) => e is CryptographicException or IOException or UnauthorizedAccessException;

    [LoggerMessage(EventIds.GatewayTrustUnreadable, LogLevel.Error, "{Files} have changed and cannot be read; the previous certificate stays in use: {Reason}")]
    private static partial void LogUnreadable(ILogger logger, string files, string reason);

    [LoggerMessage(EventIds.GatewayTrustRefused, LogLevel.Warning, "The other end's certificate {Subject} is refused: {Reason}")]
    private static partial void LogRefused(ILogger logger, string subject, string reason);

    /// <summary>
    /// What files hold, read again when one of them has changed. Files that can't be read, as while they are being replaced, leave what was read before. Thread-safe.
    /// </summary>
    private sealed class ChangingFile<T>(Func<string[], T> read)
        where T : class
    {
        private readonly Lock _lock = new();
        private (DateTime, long)[] _stamps = [];
        private (DateTime, long)[] _reported = [];
        private T? _value;

        public T Read(ILogger logger, params string[] files)
        {
            lock (_lock)
            {
                var stamps = files.Select(f => new FileInfo(f)).Select(f => f.Exists ? (f.LastWriteTimeUtc, f.Length) : default).ToArray();
                if (_value is null || !stamps.SequenceEqual(_stamps))
                {
                    try
                    {
                        _value = read(files);
                        _stamps = stamps;
                    }
                    catch (Exception e) when (_value is not null && IsUnreadable(e))
                    {
                        if (!stamps.SequenceEqual(_reported))
                        {
                            _reported = stamps;
                            LogUnreadable(logger, string.Join(", ", files), e.Message);
                        }
                    }
                }

                return _value;
            }
        }
    }
}
