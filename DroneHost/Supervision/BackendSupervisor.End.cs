using Plane.DroneHost.Runtimes;
using Polly;

namespace Plane.DroneHost.Supervision;

/// <summary>How it ends.</summary>
internal sealed partial class BackendSupervisor
{
    private static readonly TimeSpan GoneCall = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan FirstRepeat = TimeSpan.FromMilliseconds(100);

    private async Task EndAsync(CancellationToken stopping)
    {
        if (_started is not null && !_signals.Exit.IsCompleted)
        {
            if (!_signals.Kill.IsCompleted)
            {
                await StopAsync(stopping);
            }

            if (!_signals.Exit.IsCompleted)
            {
                await KillAsync(stopping);
            }
        }

        // Before: its container may be removed with it.
        var tail = await ReadTailAsync(stopping);
        var gone = await MakeSureGoneAsync(stopping);
        IsGone = true;
        AskWhereGuardEnded();
        var endedByGuard = _parts.Leases.IsEnded(Identity);
        if (!endedByGuard)
        {
            // Nothing of it can start any more, so a disk that is full for longer than the lease is not a reason for the guard to act.
            _parts.Leases.Release(Identity);
        }

        // Before its end is reported: where no other port has rested, the controller is to know of that before it sends another backend in place of this one.
        if (_port is { } port)
        {
            _parts.Ports.Release(port, _portIsTold);
        }

        var exit = _signals.Exit.IsCompletedSuccessfully ? await _signals.Exit : null;
        var cause = _signals.Cause;
        var exitCode = exit?.ExitCode ?? gone.ExitCode;
        LogGone(Identity.Backend, Why(cause), exitCode is { } code ? $"exit code {code}" : "without an exit code");
        await _journal.RecordAsync(Step(BackendStatus.Terminated) with
        {
            Reason = cause?.Reason,
            Kind = cause?.Kind,
            ExitCode = exitCode,
            Message = cause?.Message ?? exit?.Message ?? gone.Message ?? (cause is null && !_wasReady ? "It exited before it was ready." : null),
            OutputTail = tail,
            EndedAt = _parts.Clock.Milliseconds,
            Boot = _parts.Clock.BootId,
        }).WaitAsync(stopping);
        if (endedByGuard)
        {
            // The mark goes with the lease, and with it the reason.
            _parts.Leases.Release(Identity);
        }
    }

    private static string Why(TerminationCause? cause) => cause?.Reason?.ToString() ?? "by itself";

    /// <summary>The stop signal, and then the wait for the exit, the end of the grace, or a harder end.</summary>
    private async Task StopAsync(CancellationToken stopping)
    {
        var now = _parts.Clock.Milliseconds;
        var grace = _order.Executable.StopGraceSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : _parts.Numbers.Grace;
        long stopAt;
        lock (_look)
        {
            if (_graceCap is { } cap && cap < grace)
            {
                grace = cap;
            }

            // The moment stored before a restart continues.
            _stopAt ??= now + (long)grace.TotalMilliseconds;
            stopAt = _stopAt.Value;
        }

        var cause = _signals.Cause;
        LogStopping(Identity.Backend, Why(cause), grace.TotalSeconds);
        _journal.Post(Step(BackendStatus.Terminating) with
        {
            Reason = cause?.Reason,
            Kind = cause?.Kind,
            Message = cause?.Message,
            StopAt = stopAt,
            Boot = _parts.Clock.BootId,
        });
        CheckDeadlines(now);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        var signalling = SignalAsync(over.Token);
        await Task.WhenAny(_signals.Exit, _signals.Kill).WaitAsync(stopping);
        await over.CancelAsync();
        await Task.WhenAny(signalling, Task.Delay(_parts.KillConfirm, _parts.Time, stopping));
    }

    /// <summary>Sends the stop signal, again until the runtime has taken it.</summary>
    private async Task SignalAsync(CancellationToken cancellationToken)
    {
        try
        {
            await Retries.Until<bool>(FirstRepeat, TimeSpan.FromSeconds(1), _parts.Time, s => s.Exception is not null, s => LogNotSignalled(Identity.Backend, s.Exception!.Message))
                .ExecuteAsync(
                    async c =>
                    {
                        await Runtime.SignalStopAsync(Identity, c);
                        return true;
                    },
                    cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // It has exited, or the kill follows.
            return;
        }
        catch (Exception e) when (cancellationToken.IsCancellationRequested)
        {
            LogNotSignalled(Identity.Backend, e.Message);
        }
    }

    /// <summary>The kill by the runtime, and of the processes themselves where the exit is not seen in time.</summary>
    private async Task KillAsync(CancellationToken stopping)
    {
        var cause = _signals.Cause;
        LogKilling(Identity.Backend, Why(cause));
        _journal.Post(Step(BackendStatus.HardTerminating) with { Reason = cause?.Reason, Kind = cause?.Kind, Message = cause?.Message });
        var confirm = Task.Delay(_parts.KillConfirm, _parts.Time, stopping);
        try
        {
            await TimeLimit.WithinAsync(c => Runtime.KillAsync(Identity, c), _parts.KillConfirm, _parts.Time, stopping);
        }
        catch (Exception e) when (!stopping.IsCancellationRequested)
        {
            LogNotKilled(Identity.Backend, e.Message);
        }

        await Task.WhenAny(_signals.Exit, confirm);
        stopping.ThrowIfCancellationRequested();
        if (!_signals.Exit.IsCompleted)
        {
            TryKillDirectly();
        }
    }

    /// <summary>
    /// Asks the runtime until it says that nothing runs, nothing is found that does, and no start is under way that could change this. For ever: nothing else lets go of the key.
    /// </summary>
    private async Task<BackendExit> MakeSureGoneAsync(CancellationToken stopping)
    {
        var outage = new Outage(_parts.Time);
        var limit = _parts.KillConfirm;
        var exit = await Retries.Until<BackendExit?>(FirstRepeat, TimeSpan.FromSeconds(5), _parts.Time, e => e.Exception is not null || e.Result is null, OnFailure)
            .ExecuteAsync(async c => await AskAsync(c), stopping);
        return exit!;

        async Task<BackendExit?> AskAsync(CancellationToken cancellationToken)
        {
            // Looked at before the question: what came back since may have started something after the answer.
            var quiet = _underWay is null or { IsCompleted: true };
            var within = limit;
            limit = GoneCall;
            var answer = await TimeLimit.WithinAsync(EnsureGoneAsync, within, _parts.Time, cancellationToken);
            return quiet ? answer : null;
        }

        void OnFailure(Outcome<BackendExit?> asked)
        {
            if (asked.Exception is not { } e)
            {
                LogStartUnderWay(Identity.Backend);
                return;
            }

            if (outage.ShouldLog(e.Message))
            {
                LogNotGone(Identity.Backend, e.Message);
            }

            _parts.Metrics.RemovalsRepeated.Add(1);
            TryKillDirectly();
        }
    }

    /// <summary>Has the runtime make sure that it is gone, and looks whether that is so: an engine that has lost its state says it of a container whose processes run.</summary>
    /// <exception cref="RuntimeUnavailableException">The runtime didn't say so, or processes were found. They were sent a kill: the next call finds out.</exception>
    private async Task<BackendExit> EnsureGoneAsync(CancellationToken cancellationToken)
    {
        var exit = await Runtime.EnsureGoneAsync(Identity, cancellationToken);

        // Where the runtime knows how it ended, one look at its first process says whether that is true. Else everything is searched.
        if ((exit.ExitCode is null || _process.IsRunning) && TryKillDirectly())
        {
            throw new RuntimeUnavailableException("its runtime said that nothing of it runs, but processes of it were running");
        }

        return exit;
    }

    /// <summary>Kills its processes without the runtime: by their record, and where there is none, by the environment that a backend's processes carry.</summary>
    /// <returns>Whether any was found alive, killed or not.</returns>
    private bool TryKillDirectly()
    {
        try
        {
            var killed = _process.Pid > 1
                ? _process.KillSession()
                : ProcessIdentity.KillAll(ProcessIdentity.WithEnvironmentOf(Identity));
            if (killed == 0)
            {
                return false;
            }

            LogKilledDirectly(Identity.Backend, killed);
            _parts.Metrics.DirectKills.Add(killed);
        }
        catch (Exception e) when (e is System.ComponentModel.Win32Exception or IOException)
        {
            LogNotKilled(Identity.Backend, e.Message);
        }

        return true;
    }
}
