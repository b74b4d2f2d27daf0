using System.Diagnostics.Metrics;
using Plane.ProxyHost.Services;
using Plane.ProxyHost.Signing;

namespace Plane.ProxyHost;

/// <summary>The meter <c>plane.proxy</c>. Gauges are attached by the code that owns the number.</summary>
internal sealed class ProxyMetrics
{
    public const string MeterName = "plane.proxy";

    private static readonly string[] s_classes = ["0xx", "1xx", "2xx", "3xx", "4xx", "5xx"];

    private readonly Meter _meter;
    private readonly Counter<long> _requests;
    private readonly Counter<long> _errors;
    private readonly Counter<long> _cut;
    private readonly Histogram<double> _resolve;
    private readonly Counter<long> _tokens;
    private readonly Histogram<double> _entries;
    private readonly Histogram<double> _auth;

    public ProxyMetrics(IMeterFactory factory)
    {
        // The factory owns the meter and disposes of it with the host.
        _meter = factory.Create(MeterName);
        _requests = _meter.CreateCounter<long>("plane.proxy.requests", "{request}", "Requests that have ended, by class of status");
        _errors = _meter.CreateCounter<long>("plane.proxy.errors", "{request}", "Requests that the proxy itself answered with an error, by kind");
        _cut = _meter.CreateCounter<long>("plane.proxy.connections.cut", "{request}", "Open requests cut because their token or backend was gone, or at the stop");
        _resolve = _meter.CreateHistogram<double>("plane.proxy.resolve.duration", "s", "How long look-ups of unknown routes took, starting backends included");
        _tokens = _meter.CreateCounter<long>("plane.proxy.tokens.verified", "{token}", "Signed tokens verified for the first time, by what became of them");
        _entries = _meter.CreateHistogram<double>("plane.proxy.services.entry.duration", "s", "How long the controller took to enter a service's key or have its backend scheduled, by outcome");
        _auth = _meter.CreateHistogram<double>("plane.proxy.services.auth.duration", "s", "How long forward_auth services took to answer, by outcome");
    }

    public void Observe(string name, string unit, string description, Func<int> value) => _meter.CreateObservableGauge(name, value, unit, description);

    public void RequestEnded(int status) =>
        _requests.Add(1, new KeyValuePair<string, object?>("class", s_classes[status is >= 0 and < 600 ? status / 100 : 0]));

    public void RequestAborted() => _requests.Add(1, new KeyValuePair<string, object?>("class", "aborted"));

    public void Failed(string kind) => _errors.Add(1, new KeyValuePair<string, object?>("kind", kind));

    public void Resolved(TimeSpan duration) => _resolve.Record(duration.TotalSeconds);

    public void TokenVerified(TokenProblem problem) => _tokens.Add(1, new KeyValuePair<string, object?>("outcome", problem == TokenProblem.None ? "Valid" : problem.ToString()));

    public void ServiceEntered(EntryOutcomeKind outcome, TimeSpan duration) => _entries.Record(duration.TotalSeconds, new KeyValuePair<string, object?>("outcome", outcome.ToString()));

    public void AuthAsked(AuthOutcome outcome, TimeSpan duration) => _auth.Record(duration.TotalSeconds, new KeyValuePair<string, object?>("outcome", outcome.ToString()));

    public void Cut(int count)
    {
        if (count > 0)
        {
            _cut.Add(count);
        }
    }
}
