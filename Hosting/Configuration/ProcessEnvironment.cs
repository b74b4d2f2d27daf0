using System.Collections;

namespace Plane.Hosting;

/// <summary>The process's variables, read by the command line alone: everything else gets its configuration by options.</summary>
public static class ProcessEnvironment
{
    // What others have named, and as what it is offered.
    private static readonly (string Theirs, string Ours)[] Known =
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "PLANE__OTLP_ENDPOINT"),
        ("DOCKER_HOST", "PLANE__DOCKER_HOST"),
    ];

    /// <summary>
    /// The variables, with the names that others have given to what we need offered as ours: OpenTelemetry's OTLP address
    /// (<c>OTEL_EXPORTER_OTLP_ENDPOINT</c> as <c>PLANE__OTLP_ENDPOINT</c>) and Docker's engine (<c>DOCKER_HOST</c> as <c>PLANE__DOCKER_HOST</c>). Ours win
    /// where both are set.
    /// </summary>
    public static IReadOnlyDictionary<string, string> Read()
    {
        var variables = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (DictionaryEntry entry in Environment.GetEnvironmentVariables())
        {
            variables[(string)entry.Key] = (string?)entry.Value ?? "";
        }

        return WithKnownNames(variables);
    }

    /// <summary>Adds ours where only theirs are set.</summary>
    /// <param name="variables">The process's variables; changed.</param>
    internal static IReadOnlyDictionary<string, string> WithKnownNames(Dictionary<string, string> variables)
    {
        foreach (var (theirs, ours) in Known)
        {
            if (variables.TryGetValue(theirs, out var value) && value.Length > 0)
            {
                variables.TryAdd(ours, value);
            }
        }

        return variables;
    }
}
