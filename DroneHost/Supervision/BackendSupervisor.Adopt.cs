using Plane.DroneHost.Runtimes;
using Plane.DroneHost.State;

namespace Plane.DroneHost.Supervision;

/// <summary>How it continues under the next agent.</summary>
internal sealed partial class BackendSupervisor
{
    /// <summary>Whether it is still to be brought up.</summary>
    private async Task<bool> AdoptAsync(Task<FoundBackend?> adoption, CancellationToken stopping)
    {
        Restore();
        AskWhereGuardEnded();
        ProtectAdopted();

        // An end waits for the runtime only as long as for any answer of it. A graceful end of a backend without a known process continues waiting: only the runtime can end it.
        await Task.WhenAny(adoption, _started is null ? _signals.Kill : _signals.Any).WaitAsync(stopping);
        if (!adoption.IsCompleted)
        {
            await Task.WhenAny(adoption, Task.Delay(_parts.KillConfirm, _parts.Time, stopping));
            stopping.ThrowIfCancellationRequested();
        }

        return adoption.IsCompletedSuccessfully && await AdoptAsync(await adoption, stopping);
    }

    /// <summary>What the agent before had begun continues, though the runtime may not answer yet.</summary>
    private void Restore()
    {
        if (_row is { Pid: { } pid, StartTime: { } start, Address: { } address } && _row.Deadlines.BootId == _parts.Clock.BootId)
        {
            // Until the runtime answers this is what a kill at the hard deadline can go by. Numbers of another boot name somebody else's processes.
            Volatile.Write(ref _started, new StartedBackend(address, pid, start));
            _process = pid > 1 ? new ProcessIdentity(pid, start) : default;
        }

        if (_process.Pid <= 1 && _parts.Leases.Find(Identity)?.Process() is { } process)
        {
            // The lease has it as soon as it was started, the state file once its disk has taken it.
            _process = process;
        }

        if (_row is { EndReason: { } reason, EndKind: { } kind })
        {
            _signals.RequestTermination(new TerminationCause(kind, reason));
        }

        if (_row.StopAt is { } stopAt && _row.StopBoot == _parts.Clock.BootId)
        {
            // The grace that was given.
            lock (_look)
            {
                _stopAt = stopAt;
            }

            CheckDeadlines(_parts.Clock.Milliseconds);
        }
    }

    private async Task<bool> AdoptAsync(FoundBackend? known, CancellationToken stopping)
    {
        switch (known)
        {
            case { State: FoundState.Running, Started: { } started }:
                SetStarted(started);
                _parts.Leases.SetProcess(Identity, started.Pid, started.StartTime);
                LogAdopted(Identity.Backend, _row.Status, started.Address);
                return true;
            case { State: FoundState.Exited } found:
                var exit = found.Exit ?? new BackendExit(Identity, null, null);
                if (_row.EndReason is null && !_parts.Leases.IsEnded(Identity))
                {
                    _signals.OnExitedBefore(exit);
                }
                else
                {
                    _signals.OnExited(exit);
                }

                return false;
            case { State: FoundState.Running }:
                OnMissing("it ran without an address when the agent came back");
                return false;
            case null or { State: FoundState.Created } when _row.Status > BackendStatus.Starting || _process.Pid > 1:
                OnMissing("it was gone when the agent came back");
                return false;
            default:
                // Its spawn was taken and nothing was started: what was created is removed, then it continues.
                lock (_look)
                {
                    (_started, _early) = (null, null);
                }

                if (!_signals.HasEnded)
                {
                    await StepAsync("remove", EnsureGoneAsync, stopping);
                }

                return true;
        }
    }

    /// <summary>The deadlines of the state file, or the later ones that the lease file kept while the state file could not be written.</summary>
    private static LeaseDeadlines LatestDeadlines(BackendRow row, SupervisionParts parts) =>
        row.Deadlines.BootId == parts.Clock.BootId && row.Deadlines.InstanceId == parts.State.InstanceId && parts.Leases.Find(row.Identity) is { } lease
            ? row.Deadlines.Later(lease.Deadlines())
            : row.Deadlines;

    /// <summary>Leads the lease on that the agent before wrote, or writes it where that is gone. Not before a start: what runs must be in it, what doesn't run need not.</summary>
    private void ProtectAdopted()
    {
        if (_row.Status >= BackendStatus.Starting && _row.Deadlines.BootId == _parts.Clock.BootId && _row.Deadlines.InstanceId == _parts.State.InstanceId
            && _parts.Leases.TryProtect(Identity, () => Lease.Deadlines, Runtime.TargetOf(Identity), _parts.KillConfirm))
        {
            _parts.Leases.SetProcess(Identity, _process.Pid, _process.StartTime);
        }
    }
}
