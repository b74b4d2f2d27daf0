namespace Plane.DroneHost.Runtimes;

/// <summary>A backend to start.</summary>
public sealed record BackendStart
{
    /// <summary>The backend and its acquisition.</summary>
    public required BackendIdentity Identity { get; init; }

    /// <summary>Its key: the name goes into the environment, namespace and name into its mount.</summary>
    public required KeyConfig Key { get; init; }

    /// <summary>What to run.</summary>
    public required Executable Executable { get; init; }

    /// <summary>Its static token, for the environment.</summary>
    public BearerToken? StaticToken { get; init; }

    /// <summary>The address to listen on or to publish the port on, as <c>127.0.0.1</c>.</summary>
    public required string Ip { get; init; }

    /// <summary>The port of that address, reserved by the agent.</summary>
    public required int Port { get; init; }

    /// <summary>The deadlines in force when it starts, for a launcher that checks them itself.</summary>
    public required LeaseDeadlines Deadlines { get; init; }

    /// <summary>The last look: no mark that it was ended, and the lease clock before the soft deadline.</summary>
    public required Func<bool> MayStart { get; init; }

    /// <summary>Told of progress, such as a pull's.</summary>
    public Action<string>? Progress { get; init; }
}

/// <summary>A backend that was started.</summary>
/// <param name="Address">Where it will answer, as <c>127.0.0.1:30001</c>.</param>
/// <param name="Pid">
/// The process to kill where the runtime doesn't answer: the container's first, or the launcher's, which leads the session of all it started, so that
/// <see cref="ProcessIdentity.KillSession"/> is the way to do it. 0 where it has ended already, or where this machine doesn't know it by a number (an engine
/// elsewhere): then only the runtime can kill it.
/// </param>
/// <param name="StartTime">That process's start time in clock ticks since boot (proc(5), stat field 22), so that a reused pid isn't killed.</param>
public sealed record StartedBackend(string Address, int Pid, long StartTime);

/// <summary>How a backend ended.</summary>
/// <param name="Backend">Which one.</param>
/// <param name="ExitCode">Its exit code (128 + signal for a killed one), or null where the runtime doesn't know.</param>
/// <param name="Message">What the runtime says of it, such as that its memory ran out.</param>
public sealed record BackendExit(BackendIdentity Backend, int? ExitCode, string? Message)
{
    /// <summary>Why, where the runtime knows that it did not end by itself: an operator stopped, killed or removed it. It counts where this drone had no reason to end it.</summary>
    public ExitCause? Cause { get; init; }
}

/// <summary>What ended a backend that did not end by itself.</summary>
/// <param name="Reason">Why.</param>
/// <param name="Kind">How.</param>
/// <param name="Message">The same in words.</param>
public sealed record ExitCause(TerminationReason Reason, TerminationKind Kind, string Message);

/// <summary>What a runtime knows of a backend.</summary>
public enum FoundState
{
    /// <summary>Created, not started.</summary>
    Created,

    /// <summary>Running.</summary>
    Running,

    /// <summary>Ended.</summary>
    Exited,
}

/// <summary>A backend that a runtime knows of.</summary>
/// <param name="Backend">Which one.</param>
/// <param name="State">Its state.</param>
/// <param name="Started">Where it answers and its process, where running.</param>
/// <param name="Exit">How it ended, where it has.</param>
public sealed record FoundBackend(BackendIdentity Backend, FoundState State, StartedBackend? Started, BackendExit? Exit)
{
    /// <summary>Its exit code, where ended and known.</summary>
    public int? ExitCode => Exit?.ExitCode;
}

/// <summary>What a backend uses.</summary>
/// <param name="Backend">Which one.</param>
/// <param name="CpuNanoseconds">CPU time since its start.</param>
/// <param name="MemoryBytes">Memory in use, without page cache.</param>
public sealed record BackendUsage(BackendIdentity Backend, long CpuNanoseconds, long MemoryBytes);

/// <summary>A backend cannot be brought up: the message names the cause and is shown to its owner.</summary>
/// <param name="message">The cause, in words.</param>
/// <param name="innerException">The cause, or null.</param>
public sealed class RuntimeFailureException(string message, Exception? innerException = null) : Exception(message, innerException);

/// <summary>The runtime does not answer. The outcome of the call is unknown; it may be tried again.</summary>
/// <param name="message">What happened.</param>
/// <param name="innerException">The cause, or null.</param>
public sealed class RuntimeUnavailableException(string message, Exception? innerException = null) : Exception(message, innerException);

/// <summary>What the machine has that a runtime's backends run on.</summary>
public sealed record RuntimeResources
{
    /// <summary>Thousandths of a core; null where it is not known.</summary>
    public long? CpuMillis { get; init; }

    /// <summary>Bytes of memory; null where it is not known.</summary>
    public long? MemoryBytes { get; init; }

    /// <summary>GPUs that backends can use.</summary>
    public int Gpus { get; init; }
}
