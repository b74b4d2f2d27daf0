using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Plane.ProxyHost.Tls;

/// <summary>
/// The one certificate that is served. Handshakes read it without a lock; who brings certificates replaces it whole, so that a connection has the old one or the
/// new one and nothing between. A later problem never takes away what is served.
/// </summary>
internal sealed partial class CertificateSlot(TimeProvider time, ILogger<CertificateSlot> logger)
{
    private readonly TaskCompletionSource _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile ServerCertificate? _current;
    private volatile string _why = "there is no certificate yet";
    private ServerCertificate? _reported;

    public ServerCertificate? Current => _current;

    /// <summary>Ends when there is something to serve.</summary>
    public Task WhenServed => _first.Task;

    /// <summary>Why browsers can't use HTTPS, or null: there is no certificate, or it has expired.</summary>
    public string? NotReadyBecause => _current is not { } certificate ? $"HTTPS is closed: {_why}"
        : IsExpired(certificate) ? $"the certificate expired at {Until(certificate)}: {_why}"
        : null;

    public void Serve(ServerCertificate certificate)
    {
        var before = _current;
        _current = certificate;
        _why = "no new certificate has come";
        if (before is null || !certificate.IsSameAs(before))
        {
            LogServing(
                certificate.Names.ToString(),
                certificate.Leaf.SerialNumber,
                certificate.Leaf.Issuer,
                Until(certificate));
        }

        _first.TrySetResult();
    }

    /// <summary>Why no new certificate came. What is served continues.</summary>
    public void Explain(string problem) => _why = problem;

    /// <summary>Logs, once, that what is served has expired. Called by what brings certificates, each time that it looks for a new one.</summary>
    public void ReportExpiry()
    {
        if (_current is { } certificate && certificate != _reported && IsExpired(certificate))
        {
            _reported = certificate;
            LogExpired(Until(certificate), _why);
        }
    }

    private bool IsExpired(ServerCertificate certificate) => time.GetUtcNow() >= certificate.NotAfter;

    private static string Until(ServerCertificate certificate) => certificate.NotAfter.ToString("u", CultureInfo.InvariantCulture);

    [LoggerMessage(EventIds.CertificateSlotExpired, LogLevel.Error, "The certificate that is served expired at {NotAfter}: browsers refuse it, and /ready answers 503 until there is another. {Why}")]
    private partial void LogExpired(string notAfter, string why);

    [LoggerMessage(EventIds.CertificateSlotServing, LogLevel.Information, "Serving a certificate for {Names}, serial {Serial}, issued by {Issuer}, valid until {NotAfter}")]
    private partial void LogServing(string names, string serial, string issuer, string notAfter);
}
