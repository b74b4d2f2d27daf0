using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Plane.Proxy.Tls;

/// <summary>
/// The one certificate that is served. Handshakes read it without a lock; who brings certificates replaces it whole, so that a connection has the old one or the
/// new one and nothing between. A later problem never takes away what is served.
/// </summary>
internal sealed partial class CertificateSlot(ILogger<CertificateSlot> logger)
{
    private readonly TaskCompletionSource _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile ServerCertificate? _current;
    private volatile string _why = "there is no certificate yet";

    public ServerCertificate? Current => _current;

    /// <summary>Ends when there is something to serve.</summary>
    public Task WhenServed => _first.Task;

    /// <summary>Why there is no certificate, or null.</summary>
    public string? NotReadyBecause => _current is null ? _why : null;

    public void Serve(ServerCertificate certificate)
    {
        var before = _current;
        _current = certificate;
        if (before is null || !certificate.IsSameAs(before))
        {
            LogServing(
                certificate.Names.ToString(),
                certificate.Leaf.SerialNumber,
                certificate.Leaf.Issuer,
                certificate.NotAfter.ToString("u", CultureInfo.InvariantCulture));
        }

        _first.TrySetResult();
    }

    /// <summary>Why no new certificate came. What is served goes on.</summary>
    public void Explain(string problem) => _why = problem;

    [LoggerMessage(6600, LogLevel.Information, "Serving a certificate for {Names}, serial {Serial}, issued by {Issuer}, valid until {NotAfter}")]
    private partial void LogServing(string names, string serial, string issuer, string notAfter);
}
