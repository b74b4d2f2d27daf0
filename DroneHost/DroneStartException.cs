using Plane.Hosting;

namespace Plane.Drone;

/// <summary>The drone cannot start or go on as it is configured: the message is for the operator, and the program ends with the exit code.</summary>
public sealed class DroneStartException : StartRefusedException
{
    /// <summary>Of configuration, state files and names that are refused.</summary>
    public const int RefusedExitCode = 2;

    /// <summary>Makes one.</summary>
    public DroneStartException() => ExitCode = RefusedExitCode;

    /// <summary>Makes one.</summary>
    /// <param name="message">What is wrong, and where it can be said, what to do.</param>
    public DroneStartException(string message)
        : base(message, RefusedExitCode)
    {
    }

    /// <summary>Makes one.</summary>
    /// <param name="message">What is wrong, and where it can be said, what to do.</param>
    /// <param name="innerException">The cause.</param>
    public DroneStartException(string message, Exception innerException)
        : base(message, innerException) => ExitCode = RefusedExitCode;

    /// <summary>Whether to leave at once what runs to the next start, instead of staying until its leases have ended it.</summary>
    internal bool LeavesBackends { get; init; }
}
