using System.Collections;

namespace Plane.Hosting;

/// <summary>The process's variables, read by the command line alone: everything else gets its configuration by options.</summary>
public static class ProcessEnvironment
{
    /// <summary>
    /// The variables, with OpenTelemetry's own name for the OTLP address offered as ours (<c>OTEL_EXPORTER_OTLP_ENDPOINT</c> as
    /// <c>PLANE__OTLP_ENDPOINT</c>, which wins where both are set).
    /// </summary>
    public static IReadOnlyDictionary<string, string> Read()
    {
        var variables = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (DictionaryEntry entry in Environment.GetEnvironmentVariables())
        {
            variables[(string)entry.Key] = (string?)entry.Value ?? "";
        }

        if (variables.TryGetValue("OTEL_EXPORTER_OTLP_ENDPOINT", out var endpoint) && endpoint.Length > 0)
        {
            variables.TryAdd("PLANE__OTLP_ENDPOINT", endpoint);
        }

        return variables;
    }
}
