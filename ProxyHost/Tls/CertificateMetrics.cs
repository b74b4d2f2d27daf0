using System.Diagnostics.Metrics;

namespace Plane.ProxyHost.Tls;

/// <summary>What shows that certificates come and renew.</summary>
internal sealed class CertificateMetrics
{
    private readonly Counter<long> _orders;

    public CertificateMetrics(IMeterFactory factory, CertificateSlot slot, TimeProvider time)
    {
        var meter = factory.Create(ProxyMetrics.MeterName);
        _orders = meter.CreateCounter<long>("plane.acme.orders", "{order}", "Orders of a certificate that have ended, by outcome");
        meter.CreateObservableGauge(
            "plane.cert.expiry_seconds",
            () => slot.Current is { } certificate ? [new Measurement<double>((certificate.NotAfter - time.GetUtcNow()).TotalSeconds)] : Array.Empty<Measurement<double>>(),
            description: "How long the certificate that is served is still valid; negative once it has expired");
    }

    /// <summary>An order has ended: <c>issued</c>, or how it failed.</summary>
    public void OrderEnded(string outcome) => _orders.Add(1, new KeyValuePair<string, object?>("outcome", outcome));
}
