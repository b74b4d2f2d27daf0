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

    /// <summary>Where metrics are sent by OTLP (gRPC), as <c>http://127.0.0.1:4317</c>; nowhere where not set.</summary>
    [Description("send metrics by OTLP to this URL")]
    public Uri? OtlpEndpoint { get; set; }

    private int _exported;

    /// <summary>
    /// Whether the caller is the one who sends the metrics. Roles that share the options share a process, and each of them sees the metrics of all.
    /// </summary>
    internal bool TryBecomeExporter() => OtlpEndpoint is not null && Interlocked.Exchange(ref _exported, 1) == 0;

    /// <summary>What is wrong with the values; each problem names its option.</summary>
    public IEnumerable<string> Problems()
    {
        if (OtlpEndpoint is not null && (!OtlpEndpoint.IsAbsoluteUri || OtlpEndpoint.Scheme is not ("http" or "https")))
        {
            yield return "--otlp-endpoint must be an http or https URL";
        }
    }
}
