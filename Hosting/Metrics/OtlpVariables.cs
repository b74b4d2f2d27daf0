using System.Globalization;
using OpenTelemetry.Exporter;

namespace Plane.Hosting.Metrics;

/// <summary>What is sent by OTLP, as OpenTelemetry's variables spell it.</summary>
internal enum OtlpSignal
{
    Metrics,
    Traces,
}

/// <summary>
/// OpenTelemetry's own variables, as far as they say how metrics and traces are sent. They reach the SDK by the host's configuration, since hosts read no environment
/// (<see cref="PlaneHost"/>). <c>OTEL_SDK_DISABLED</c> is not among them: it would take <c>/metrics</c> away too.
/// </summary>
internal static class OtlpVariables
{
    public const string Endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT";
    public const string ValueLimit = "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT";
    private const string Exporter = "OTEL_EXPORTER_OTLP_";
    private const string Sampler = "OTEL_TRACES_SAMPLER";

    private static readonly string[] s_prefixes =
    [
        Exporter, "OTEL_METRIC_EXPORT_", "OTEL_METRICS_EXPORTER", "OTEL_TRACES_", "OTEL_BSP_", "OTEL_SPAN_", "OTEL_ATTRIBUTE_", "OTEL_EVENT_", "OTEL_LINK_",
        "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES",
    ];

    private static readonly string[] s_signals = ["", .. Enum.GetValues<OtlpSignal>().Select(Prefix)];

    private static readonly string[] s_numbers =
    [
        "OTEL_METRIC_EXPORT_INTERVAL", "OTEL_METRIC_EXPORT_TIMEOUT", "OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_EXPORT_TIMEOUT", .. s_signals.Select(s => $"{Exporter}{s}TIMEOUT"),
    ];

    private static readonly string[] s_samplers =
        ["always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"];

    /// <summary>Picks them; one that is empty counts as not set.</summary>
    /// <param name="environment">The process's variables.</param>
    public static IReadOnlyDictionary<string, string> Of(IReadOnlyDictionary<string, string> environment) => environment
        .Where(v => v.Value.Length > 0 && s_prefixes.Any(p => v.Key.StartsWith(p, StringComparison.Ordinal)))
        .ToDictionary(StringComparer.Ordinal);

    /// <summary>The variable of one signal that wins over the one for everything, as <c>OTEL_EXPORTER_OTLP_TRACES_ENDPOINT</c>.</summary>
    public static string? OfSignal(IReadOnlyDictionary<string, string> variables, OtlpSignal signal, string name) =>
        variables.GetValueOrDefault(Exporter + Prefix(signal) + name);

    /// <summary>Whether a signal is sent, where an endpoint is known: <c>OTEL_TRACES_EXPORTER</c>, <c>OTEL_METRICS_EXPORTER</c>.</summary>
    public static bool IsOn(IReadOnlyDictionary<string, string> variables, OtlpSignal signal) => variables.GetValueOrDefault($"OTEL_{Prefix(signal)}EXPORTER") != "none";

    /// <summary>Sets what the exporter knows by its general names only. An endpoint of one signal is used as it is; to the general one the exporter appends the signal's path.</summary>
    public static void Configure(IReadOnlyDictionary<string, string> variables, OtlpSignal signal, OtlpExporterOptions exporter)
    {
        if (OfSignal(variables, signal, "ENDPOINT") is { } endpoint)
        {
            exporter.Endpoint = new Uri(endpoint);
        }

        if (OfSignal(variables, signal, "PROTOCOL") is { } protocol)
        {
            exporter.Protocol = protocol == "grpc" ? OtlpExportProtocol.Grpc : OtlpExportProtocol.HttpProtobuf;
        }

        exporter.Headers = OfSignal(variables, signal, "HEADERS") ?? exporter.Headers;
        if (OfSignal(variables, signal, "TIMEOUT") is { } timeout)
        {
            exporter.TimeoutMilliseconds = int.Parse(timeout, CultureInfo.InvariantCulture);
        }
    }

    /// <summary>What is wrong with them: the SDK would take its defaults instead, and send to nowhere, or everything.</summary>
    public static IEnumerable<string> Problems(IReadOnlyDictionary<string, string> variables)
    {
        foreach (var signal in s_signals)
        {
            if (signal.Length > 0 && Given(Exporter + signal + "ENDPOINT") is var (name, url) && (!Uri.TryCreate(url, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https")))
            {
                yield return $"{name} must be an http or https URL";
            }

            if (Given(Exporter + signal + "PROTOCOL") is var (variable, protocol) && protocol is not ("grpc" or "http/protobuf"))
            {
                yield return $"{variable} must be grpc or http/protobuf";
            }

            if (signal.Length > 0 && Given($"OTEL_{signal}EXPORTER") is var (exporter, which) && which is not ("otlp" or "none"))
            {
                yield return $"{exporter} must be otlp or none";
            }
        }

        if (Given(Sampler) is (_, { } sampler) && !s_samplers.Contains(sampler))
        {
            yield return $"{Sampler} must be one of {string.Join(", ", s_samplers)}";
        }

        if (Given(Sampler + "_ARG") is (_, { } ratio)
            && !(double.TryParse(ratio, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var share) && share is >= 0 and <= 1))
        {
            yield return $"{Sampler}_ARG must be a number from 0 to 1";
        }

        foreach (var name in s_numbers)
        {
            if (variables.TryGetValue(name, out var text)
                && (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var milliseconds) || milliseconds == 0))
            {
                yield return $"{name} must be a number of milliseconds";
            }
        }

        (string Name, string Value)? Given(string name) => variables.TryGetValue(name, out var value) ? (name, value) : null;
    }

    private static string Prefix(OtlpSignal signal) => signal.ToString().ToUpperInvariant() + "_";
}
