using System.Diagnostics.Metrics;

namespace Plane.Silo.Http;

/// <summary>The meter <c>plane.controller.http</c>.</summary>
internal sealed class HttpMetrics
{
    private readonly Counter<long> _errors;
    private readonly UpDownCounter<long> _streams;
    private readonly Histogram<double> _connects;

    public HttpMetrics(IMeterFactory meters)
    {
        var meter = meters.Create("plane.controller.http");
        _errors = meter.CreateCounter<long>("plane.controller.http.errors", description: "Requests answered with an error, by kind.");
        _streams = meter.CreateUpDownCounter<long>("plane.controller.http.status_streams", description: "Status streams that are open.");
        _connects = meter.CreateHistogram<double>("plane.controller.http.connect.duration", "s", "What connect requests took.");
    }

    public void Error(ErrorKind kind) => _errors.Add(1, new KeyValuePair<string, object?>("kind", Grains.Metrics.MetricTags.Of(kind)));

    public void StreamOpened() => _streams.Add(1);

    public void StreamClosed() => _streams.Add(-1);

    public void Connected(TimeSpan took, string outcome) => _connects.Record(took.TotalSeconds, new KeyValuePair<string, object?>("outcome", outcome));
}
