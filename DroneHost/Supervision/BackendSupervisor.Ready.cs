using System.Net;
using Plane.DroneHost.Runtimes;

namespace Plane.DroneHost.Supervision;

/// <summary>How it becomes ready, and what its owner reads where it doesn't.</summary>
internal sealed partial class BackendSupervisor
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(25);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan TailLimit = TimeSpan.FromSeconds(2);

    private readonly Outage _lookOutage;
    private string? _hint;

    /// <summary>Where requests are routed to it, or will be once it is claimed; null where none are.</summary>
    public string? ReadyAddress => (_wasReady || _isWarm) && IsRunning && !_signals.HasEnded ? Volatile.Read(ref _started)?.Address : null;

    /// <summary>
    /// Takes in that another program listens at its address. It is killed rather than stopped: until its end is reported, requests reach that program.
    /// </summary>
    public void Displaced()
    {
        if (ReadyAddress is { } address)
        {
            LogDisplaced(Identity.Backend, address);
            _signals.RequestTermination(new TerminationCause(
                TerminationKind.Hard,
                TerminationReason.InternalError,
                $"Another program listens on {address}, where this backend listened before. The backend is ended, so that its requests do not reach that program."));
        }
    }

    /// <summary>
    /// Asks its address at once, then after pauses of 25 ms growing to 500 ms. An answer counts only where the runtime says that what listens there is this backend: another program
    /// may have taken the port. While there is none, the owner is given a hint now and then.
    /// </summary>
    /// <returns>True once it answered, false where the time is over.</returns>
    private async Task<bool> WaitForAnswerAsync(string address, CancellationToken cancellationToken)
    {
        var endPoint = IPEndPoint.Parse(address);
        var begun = _parts.Time.GetTimestamp();
        var pause = FirstPause;
        var hintAt = _parts.Options.ListenHintAfter;
        while (true)
        {
            if (await _parts.Probe.AnswersAsync(endPoint, _order.Protocol, cancellationToken) && await LookAtListenerAsync(address, cancellationToken) is { IsOwn: true })
            {
                if (_hint is not null || _row.Status == BackendStatus.Waiting)
                {
                    // What was said while it waited, by an agent before this one perhaps, is not true any more.
                    _journal.Note(Step(BackendStatus.Waiting) with { Message = "" });
                }

                return true;
            }

            var elapsed = _parts.Time.GetElapsedTime(begun);
            if (elapsed >= hintAt)
            {
                hintAt = elapsed + _parts.Options.ListenHintAfter;
                await HintAsync(address, cancellationToken);
            }

            var left = _parts.Options.StartupLimit - elapsed;
            if (left <= TimeSpan.Zero)
            {
                return false;
            }

            await Task.Delay(pause < left ? pause : left, _parts.Time, cancellationToken);
            pause = pause * 1.5 < LongestPause ? pause * 1.5 : LongestPause;
        }
    }

    private async Task HintAsync(string address, CancellationToken cancellationToken)
    {
        if (await LookAtListenerAsync(address, cancellationToken) is not { } look)
        {
            return;
        }

        var hint = look.Hint ?? (_order.Protocol == BackendProtocol.H2c
            ? $"The port {address} is open, but it does not speak HTTP/2 without TLS (h2c). Check the protocol of the application on PORT."
            : $"The port {address} is open, but it does not answer HTTP requests. Check that the application speaks HTTP on PORT.");
        if (hint != _hint)
        {
            _hint = hint;
            LogNotReady(Identity.Backend, address, hint);
            _journal.Note(Step(BackendStatus.Waiting) with { Message = $"It is not ready yet. {hint}" });
        }
    }

    /// <summary>What the runtime sees; null while it is unavailable, which is not a reason to end what it runs.</summary>
    private async Task<ListenerLook?> LookAtListenerAsync(string address, CancellationToken cancellationToken)
    {
        try
        {
            return await Runtime.LookAtListenerAsync(Identity, address, cancellationToken);
        }
        catch (RuntimeUnavailableException e)
        {
            if (_lookOutage.ShouldLog(e.Message))
            {
                LogRuntimeAway(Identity.Backend, e.Message);
            }

            return null;
        }
    }

    /// <summary>The last lines of one that failed; null for any other, and where they cannot be had in time: its end does not wait for them.</summary>
    private async Task<string?> ReadTailAsync(CancellationToken stopping)
    {
        var exit = _signals.Exit.IsCompletedSuccessfully ? await _signals.Exit : null;
        var failed = _signals.Cause is { } cause
            ? cause.Reason is TerminationReason.StartupTimeout or TerminationReason.InternalError
            : exit is not { ExitCode: 0 } || !_wasReady;
        if (!failed)
        {
            return null;
        }

        try
        {
            return await TimeLimit.WithinAsync(c => Runtime.ReadOutputTailAsync(Identity, c), TailLimit, _parts.Time, stopping);
        }
        catch (Exception e) when (!stopping.IsCancellationRequested)
        {
            LogNoTail(Identity.Backend, e.Message);
            return null;
        }
    }
}
