namespace Plane.Hosting.Running;

/// <summary>A role cannot start, or continue, for a reason that the operator can act on. Its message is shown as it is, without a stack trace.</summary>
public class StartRefusedException : Exception
{
    /// <summary>Makes one.</summary>
    public StartRefusedException()
        : this("the start was refused")
    {
    }

    /// <summary>Makes one that exits with <see cref="ExitCodes.Refused"/>.</summary>
    /// <param name="message">Why, and what to do. Holds no secret.</param>
    public StartRefusedException(string message)
        : this(message, ExitCodes.Refused)
    {
    }

    /// <summary>Makes one that exits with <see cref="ExitCodes.Refused"/>.</summary>
    /// <param name="message">Why, and what to do. Holds no secret.</param>
    /// <param name="innerException">The cause.</param>
    public StartRefusedException(string message, Exception innerException)
        : base(message, innerException) => ExitCode = ExitCodes.Refused;

    /// <summary>Makes one.</summary>
    /// <param name="message">Why, and what to do. Holds no secret.</param>
    /// <param name="exitCode">One of <see cref="ExitCodes"/>.</param>
    public StartRefusedException(string message, int exitCode)
        : base(message) => ExitCode = exitCode;

    /// <summary>What the program exits with.</summary>
    public int ExitCode { get; init; }
}
