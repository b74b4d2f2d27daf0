using System.ComponentModel;
using System.Globalization;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Exporter;
using Plane.Hosting.Logging;
using Plane.Hosting.Metrics;

namespace Plane.Hosting;

/// <summary>How a log line looks.</summary>
public enum LogFormat
{
    /// <summary>One readable line per entry, for terminals and pipes; in a systemd service with its level for the journal. No entry can forge another.</summary>
    Text,

    /// <summary>One JSON object per line, for collectors.</summary>
    Json,
}

/// <summary>What is the same for every role: logging and the export of metrics and traces.</summary>
public sealed class HostingOptions
{
    private const int MaxAttribute = 2_048;

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
    /// Where metrics and traces are sent by OTLP, as <c>http://127.0.0.1:4317</c>; nowhere where not set. Everything else about it is in OpenTelemetry's own variables
    /// (<see cref="ReadOpenTelemetry"/>).
    /// </summary>
    [Description("send metrics and traces by OTLP to this URL; OTEL_EXPORTER_OTLP_ENDPOINT and OpenTelemetry's other variables are read too")]
    public Uri? OtlpEndpoint { get; set; }

    /// <summary>
    /// Whether a trace continues that an HTTP client names in its <c>traceparent</c> header, and with it the client's word on whether it is recorded. Where not set: in controllers,
    /// which applications call, and not in proxies, which anybody calls.
    /// </summary>
    [Description("continue the trace that a client's traceparent header names; where not set, controllers do and proxies don't")]
    public bool? AcceptTraceContext { get; set; }

    internal IReadOnlyDictionary<string, string> OpenTelemetry { get; private set; } = new Dictionary<string, string>();

    private readonly HashSet<OtlpSignal> _exported = [];

    /// <summary>The options that were given with the logging (<see cref="PlaneLogging.AddPlaneLogging"/>).</summary>
    internal static HostingOptions? Of(IServiceCollection services) =>
        services.LastOrDefault(s => s.ServiceType == typeof(HostingOptions))?.ImplementationInstance as HostingOptions;

    /// <summary>Whether this process sends the signal.</summary>
    internal bool Exports(OtlpSignal signal) =>
        (OtlpEndpoint is not null || OtlpVariables.OfSignal(OpenTelemetry, signal, "ENDPOINT") is not null) && OtlpVariables.IsOn(OpenTelemetry, signal);

    /// <summary>
    /// Whether the caller is the one who sends the signal. Roles that share the options share a process, and each of them sees what all measure and record.
    /// </summary>
    internal bool TryBecomeExporter(OtlpSignal signal)
    {
        lock (_exported)
        {
            return Exports(signal) && _exported.Add(signal);
        }
    }

    /// <summary>Hands the variables to the SDK.</summary>
    internal void ConfigureSdk(IConfigurationManager configuration)
    {
        configuration.AddInMemoryCollection(OpenTelemetry.Select(v => KeyValuePair.Create<string, string?>(v.Key, v.Value)));
        if (OtlpEndpoint is { } endpoint)
        {
            configuration[OtlpVariables.Endpoint] = endpoint.AbsoluteUri;
        }

        // What a client sends is in some attributes, as the name of its program.
        configuration[OtlpVariables.ValueLimit] ??= MaxAttribute.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>Sets up the exporter of a signal.</summary>
    internal void Configure(OtlpSignal signal, OtlpExporterOptions exporter) => OtlpVariables.Configure(OpenTelemetry, signal, exporter);

    /// <summary>Takes OpenTelemetry's own variables (<c>OTEL_EXPORTER_OTLP_PROTOCOL</c>, <c>OTEL_TRACES_SAMPLER</c>, …) from the environment.</summary>
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
