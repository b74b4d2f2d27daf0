namespace Plane.DroneHost.Runtimes;

/// <summary>How the guard, a process of its own, ends a backend when the agent is dead or stopped.</summary>
/// <param name="Runtime"><see cref="Docker"/> or <see cref="Processes"/>; null where the guard can only kill the process that the start reported.</param>
/// <param name="Name">The container's name, or the directory of a process's files.</param>
public sealed record GuardTarget(string? Runtime, string? Name)
{
    /// <summary>A container of the guard's Docker engine.</summary>
    public const string Docker = "docker";

    /// <summary>A process under the launcher.</summary>
    public const string Processes = "process";

    /// <summary>Its process alone.</summary>
    public static GuardTarget ProcessOnly { get; } = new(null, null);

    internal static string ContainerOf(BackendIdentity backend) => $"plane-{backend.Backend.Value}";
}
