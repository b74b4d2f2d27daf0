using System.Globalization;

namespace Plane.Hosting;

/// <summary>
/// OpenTelemetry's own variables, as far as they say how metrics are sent. They reach the exporter by the host's configuration, since hosts read no environment
/// (<see cref="PlaneHost"/>). <c>OTEL_SDK_DISABLED</c> is not among them: it would take <c>/metrics</c> away too.
/// </summary>
internal static class OtlpVariables
{
    public const string Endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT";
    public const string MetricsEndpoint = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT";
    private const string Protocol = "OTEL_EXPORTER_OTLP_PROTOCOL";
    private static readonly string[] s_prefixes = ["OTEL_EXPORTER_OTLP_", "OTEL_METRIC_EXPORT_", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"];
    private static readonly string[] s_numbers = ["OTEL_METRIC_EXPORT_INTERVAL", "OTEL_METRIC_EXPORT_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];

    /// <summary>Picks them; one that is empty counts as not set, one for metrics wins over the one for everything.</summary>
    /// <param name="environment">The process's variables.</param>
    public static IReadOnlyDictionary<string, string> Of(IReadOnlyDictionary<string, string> environment)
    {
        var variables = environment
            .Where(v => v.Value.Length > 0 && s_prefixes.Any(p => v.Key.StartsWith(p, StringComparison.Ordinal)))
            .ToDictionary(StringComparer.Ordinal);
        foreach (var name in (string[])["PROTOCOL", "HEADERS", "TIMEOUT"])
        {
            // The exporter knows these only by their general names.
            if (variables.TryGetValue("OTEL_EXPORTER_OTLP_METRICS_" + name, out var ofMetrics))
            {
                variables["OTEL_EXPORTER_OTLP_" + name] = ofMetrics;
            }
        }

        return variables;
    }

    /// <summary>What is wrong with them: the exporter would take its defaults instead, and send to nowhere.</summary>
    public static IEnumerable<string> Problems(IReadOnlyDictionary<string, string> variables)
    {
        if (variables.TryGetValue(MetricsEndpoint, out var url) && (!Uri.TryCreate(url, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https")))
        {
            yield return $"{MetricsEndpoint} must be an http or https URL";
        }

        if (variables.TryGetValue(Protocol, out var protocol) && protocol is not ("grpc" or "http/protobuf"))
        {
            yield return $"{Protocol} must be grpc or http/protobuf";
        }

        foreach (var name in s_numbers)
        {
            if (variables.TryGetValue(name, out var text)
                && (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var milliseconds) || milliseconds == 0))
            {
                yield return $"{name} must be a number of milliseconds";
            }
        }
    }
}
