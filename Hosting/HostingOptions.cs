using System.ComponentModel;
using Microsoft.Extensions.Logging;

namespace Plane.Hosting;

/// <summary>How a log line looks.</summary>
public enum LogFormat
{
    /// <summary>One readable line per entry, for terminals and pipes. Control characters are escaped, so that no entry can forge another.</summary>
    Text,

    /// <summary>One JSON object per line, for collectors.</summary>
    Json,
}

/// <summary>What is the same for every role: logging and the export of metrics.</summary>
public sealed class HostingOptions
{
    /// <summary>The form of a log line. Default text.</summary>
    [Description("how a log line looks: text or json")]
    public LogFormat LogFormat { get; set; } = LogFormat.Text;

    /// <summary>
    /// The least level that is logged; where not set, information, and warning in the demo. Frameworks' own entries are logged from warning on, whatever this says.
    /// </summary>
    [Description("the least level that is logged: trace, debug, information, warning, error, critical or none")]
    public LogLevel? LogLevel { get; set; }

    /// <summary>Whether levels are coloured; where not set, if standard error is a terminal.</summary>
    [Description("colour in the log: true or false; where not set, on a terminal")]
    public bool? LogColor { get; set; }

    /// <summary>
    /// Where metrics are sent by OTLP, as <c>http://127.0.0.1:4317</c>; nowhere where not set. Protocol, headers and interval are OpenTelemetry's own variables
    /// (<see cref="ReadOpenTelemetry"/>).
    /// </summary>
    [Description("send metrics by OTLP to this URL; OTEL_EXPORTER_OTLP_ENDPOINT and OpenTelemetry's other variables are read too")]
    public Uri? OtlpEndpoint { get; set; }

    internal IReadOnlyDictionary<string, string> OpenTelemetry { get; private set; } = new Dictionary<string, string>();

    internal Uri? OtlpMetricsEndpoint => OpenTelemetry.TryGetValue(OtlpVariables.MetricsEndpoint, out var url) ? new Uri(url) : null;

    private int _exported;

    /// <summary>
    /// Whether the caller is the one who sends the metrics. Roles that share the options share a process, and each of them sees the metrics of all.
    /// </summary>
    internal bool TryBecomeExporter() => (OtlpEndpoint is not null || OtlpMetricsEndpoint is not null) && Interlocked.Exchange(ref _exported, 1) == 0;

    /// <summary>Takes OpenTelemetry's own variables (<c>OTEL_EXPORTER_OTLP_PROTOCOL</c>, <c>OTEL_METRIC_EXPORT_INTERVAL</c>, …) from the environment.</summary>
    /// <param name="environment">The process's variables.</param>
    public void ReadOpenTelemetry(IReadOnlyDictionary<string, string> environment) => OpenTelemetry = OtlpVariables.Of(environment);

    /// <summary>What is wrong with the values; each problem names its option.</summary>
    public IEnumerable<string> Problems()
    {
        if (OtlpEndpoint is not null && (!OtlpEndpoint.IsAbsoluteUri || OtlpEndpoint.Scheme is not ("http" or "https")))
        {
            yield return "--otlp-endpoint must be an http or https URL";
        }

        foreach (var problem in OtlpVariables.Problems(OpenTelemetry))
        {
            yield return problem;
        }
    }
}
