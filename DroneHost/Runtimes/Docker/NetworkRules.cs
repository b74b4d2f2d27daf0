namespace Plane.DroneHost.Runtimes.Docker;

/// <summary>Which networks a container may be put into.</summary>
internal static class NetworkRules
{
    /// <summary>Those that would undo the published port and the isolation, or share another container's.</summary>
    public static bool IsForbidden(string network) =>
        network.Length == 0
        || network.Equals("host", StringComparison.OrdinalIgnoreCase)
        || network.Equals("none", StringComparison.OrdinalIgnoreCase)
        || network.Contains(':', StringComparison.Ordinal);

    /// <summary>The network of a backend.</summary>
    /// <exception cref="RuntimeFailureException">It asks for one that it may not have.</exception>
    public static string? Choose(string? asked, DockerRuntimeOptions options) =>
        asked is null ? options.Network
        : IsForbidden(asked) ? throw new RuntimeFailureException($"The network '{RuntimeText.Shown(asked)}' must not be used by backends.")
        : options.AllowedNetworks is { } allowed && !allowed.Contains(asked, StringComparer.Ordinal)
            ? throw new RuntimeFailureException($"The network '{RuntimeText.Shown(asked)}' is not among those that this drone allows.")
            : asked;
}
