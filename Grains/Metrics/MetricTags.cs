using System.Text.Json;

namespace Plane.Grains.Metrics;

/// <summary>The values of the metrics' tags, each spelled one way everywhere: lower case with underscores.</summary>
internal static class MetricTags
{
    /// <summary>What became of a connect: <c>spawned</c>, <c>reused</c>, or the kind of its refusal.</summary>
    public static string OutcomeOf(ConnectResult result) => result.Refusal is { } refusal ? Of(refusal) : result.Spawned ? "spawned" : "reused";

    /// <summary>A kind of error, as <c>no_drone_available</c>.</summary>
    public static string Of(ErrorKind kind) => JsonNamingPolicy.SnakeCaseLower.ConvertName(kind.ToString());
}
