using Plane.DroneHost.Runtimes;

namespace Plane.DroneHost.Supervision;

/// <summary>Why a backend ends, and how.</summary>
internal sealed record TerminationCause(TerminationKind Kind, TerminationReason? Reason, string? Message = null);

/// <summary>
/// All that can bring a backend to its end, from whatever thread, merged for the one task that supervises it. The first cause gives the reason; later ones can
/// only make the end harder. An exit before any cause means that it ended by itself, unless the runtime knows who ended it.
/// </summary>
internal sealed class TerminationSignals
{
    private readonly Lock _gate = new();
    private readonly TaskCompletionSource _any = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _kill = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<BackendExit> _exit = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TerminationCause? _cause;

    /// <summary>Completes with the first cause or the exit.</summary>
    public Task Any => _any.Task;

    /// <summary>Completes once it must be killed: asked for hard, past the hard deadline, or at the end of its grace.</summary>
    public Task Kill => _kill.Task;

    /// <summary>Completes once the runtime said that it exited.</summary>
    public Task<BackendExit> Exit => _exit.Task;

    /// <summary>The first cause, with the hardest kind; null while there is none or where it exited by itself.</summary>
    public TerminationCause? Cause
    {
        get
        {
            lock (_gate)
            {
                return _cause;
            }
        }
    }

    public bool HasEnded => _any.Task.IsCompleted;

    public void RequestTermination(TerminationCause cause)
    {
        lock (_gate)
        {
            if (_cause is null && !_exit.Task.IsCompleted)
            {
                _cause = cause;
            }
            else if (_cause is not null && cause.Kind == TerminationKind.Hard)
            {
                _cause = _cause with { Kind = TerminationKind.Hard };
            }
        }

        if (cause.Kind == TerminationKind.Hard)
        {
            _kill.TrySetResult();
        }

        _any.TrySetResult();
    }

    /// <summary>The grace is over: the kill follows, the kind that was asked for stays.</summary>
    public void KillNow() => _kill.TrySetResult();

    /// <summary>
    /// It had exited before this agent looked: whatever its deadlines have come to since, that did not end it. An end that was asked for before stays the reason.
    /// </summary>
    public void OnExitedBefore(BackendExit exit)
    {
        lock (_gate)
        {
            if (_cause is { Reason: TerminationReason.KeyExpired })
            {
                _cause = null;
            }

            // The exit may have been reported already, and its cause not taken for the one that is taken back here.
            _exit.TrySetResult(exit);
            TakeCause(exit);
        }

        _any.TrySetResult();
    }

    public void OnExited(BackendExit exit)
    {
        lock (_gate)
        {
            if (_exit.TrySetResult(exit))
            {
                TakeCause(exit);
            }
        }

        _any.TrySetResult();
    }

    private void TakeCause(BackendExit exit)
    {
        if (_cause is null && exit.Cause is { } cause)
        {
            _cause = new TerminationCause(cause.Kind, cause.Reason, exit.Message ?? cause.Message);
        }
    }
}
