using Microsoft.Extensions.Logging;
using Plane.DroneHost.Guard;
using Plane.DroneHost.Session;
using Plane.DroneHost.State;
using Plane.DroneHost.Supervision;

namespace Plane.DroneHost.Leases;

/// <summary>
/// Keeps the leases of everything that runs, and tells supervisors when a deadline has come.
/// <para>
/// Two loops over all backends, each tick a fraction of the shortest deadline apart, each comparing readings of the lease clock; a timer that is late (a sleeping
/// machine, a stopped process) only means that the next comparison sees more.
/// </para>
/// <para>
/// 1. Watching: a supervisor whose moment has come (soft, hard, its own kill) is woken. It needs no controller and no disk.
/// 2. Renewing: leases that are due are renewed in batches, together with those that are due soon. A call has <see cref="LeaseOptions.RenewalCall"/>; one that fails is
///    repeated after <see cref="LeaseOptions.RenewalRetry"/> under another grain key, so that it isn't bound to a silo that died. A call that is overtaken by its
///    repetition continues: its answer still counts, since the later of two deadlines is kept.
/// 3. Only an answer refuses. A refusal, as well as the soft deadline, is final: the supervisor ends the backend, later answers move nothing but its hard deadline.
/// 4. What was answered holds from the moment it arrives. It is written to the lease file for the guard at once, whatever becomes of the state file, which follows: an
///    older deadline in either is early, never late.
/// </para>
/// </summary>
internal sealed partial class LeaseRenewer(
    BackendSet backends, ControllerSession sessions, DurableState state, LeaseDirectory files, ILeaseClock clock, TimeProvider time, DroneMetrics metrics, ILogger<LeaseRenewer> logger)
{
    private const int MaxCallsUnderWay = 16;

    /// <summary>How long an answer is still listened for; the engine gives a call up before.</summary>
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LongestTick = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan ClockDrift = TimeSpan.FromSeconds(5);

    /// <summary>How long the loops rest while nothing runs here; a backend that starts wakes them.</summary>
    private static readonly TimeSpan IdleTick = TimeSpan.FromSeconds(2);

    private readonly Signal _renewNow = new();
    private readonly Signal _watchNow = new();
    private readonly Outage _outage = new(time);
    private int _unanswered;

    /// <summary>Four times a second; where test numbers make a lease short, ten times between soft and hard.</summary>
    private TimeSpan Tick
    {
        get
        {
            var tenth = (sessions.Numbers.Hard - sessions.Numbers.Soft) / 10;
            return tenth < LongestTick ? tenth : LongestTick;
        }
    }

    /// <summary>Asks for everything at once: after a registration, and when the clocks have drifted.</summary>
    public void RenewEverything()
    {
        foreach (var backend in backends.All)
        {
            backend.Lease.AskAt = long.MinValue;
        }

        _renewNow.Set();
    }

    /// <summary>A backend is led from now on, maybe the first: its deadlines are looked at.</summary>
    public void BackendStarted()
    {
        _watchNow.Set();
        _renewNow.Set();
    }

    /// <summary>Compares deadlines with the clock, until it is cancelled.</summary>
    public async Task WatchAsync(CancellationToken cancellationToken)
    {
        var drift = Drift();
        while (true)
        {
            var now = clock.Milliseconds;
            foreach (var backend in backends.All)
            {
                if (now >= backend.WakeAt)
                {
                    backend.CheckDeadlines(now);
                }
            }

            // A machine that was frozen or whose clock was set: nothing is known about how long it was away, so ask.
            var newDrift = Drift();
            if ((newDrift - drift).Duration() > ClockDrift)
            {
                LogDrift((newDrift - drift).TotalSeconds);
                drift = newDrift;
                RenewEverything();
            }

            await PauseAsync(_watchNow, cancellationToken);
        }
    }

    /// <summary>Renews what is due, until it is cancelled. Calls under way when it ends are waited for.</summary>
    public async Task RenewAsync(CancellationToken cancellationToken)
    {
        var underWay = new List<Task>();
        try
        {
            while (true)
            {
                var session = await sessions.WaitAsync(cancellationToken);
                underWay.RemoveAll(t => t.IsCompleted);
                foreach (var batch in Due().Chunk(RenewalBatch.MaxItems))
                {
                    if (underWay.Count < MaxCallsUnderWay)
                    {
                        underWay.Add(AskAsync(session, batch, cancellationToken));
                    }
                }

                await PauseAsync(_renewNow, cancellationToken);
            }
        }
        finally
        {
            await Task.WhenAll(underWay);
        }
    }

    private Task<bool> PauseAsync(Signal wake, CancellationToken cancellationToken) =>
        wake.WaitAsync(backends.Count == 0 ? IdleTick : Tick, time, cancellationToken);

    private TimeSpan Drift() => time.GetUtcNow() - DateTimeOffset.UnixEpoch - TimeSpan.FromMilliseconds(clock.Milliseconds);

    private List<BackendLease> Due()
    {
        var now = clock.Milliseconds;
        var soon = now + (long)(sessions.Numbers.RenewAfter.TotalMilliseconds / 10);
        var due = new List<BackendLease>();
        var any = false;
        foreach (var backend in backends.All)
        {
            var lease = backend.Lease;
            if (!backend.IsGone && lease.IsRenewable(now) && lease.AskAt <= soon)
            {
                due.Add(lease);
                any |= lease.AskAt <= now;
            }
        }

        return any ? due : [];
    }

    /// <summary>One call. Never throws but when told to stop: whatever fails is retried.</summary>
    private async Task AskAsync(DroneSession session, BackendLease[] leases, CancellationToken cancellationToken)
    {
        var numbers = sessions.Numbers;
        var reading = clock.Milliseconds;

        // A claim that comes while the call is under way changes what the next one asks under.
        var asked = leases.ToDictionary(l => l.OnWire);
        var unanswered = Interlocked.Increment(ref _unanswered) - 1;
        foreach (var lease in leases)
        {
            lease.AskAt = reading + (long)numbers.RenewalCall.TotalMilliseconds;
        }

        try
        {
            var batch = new RenewalBatch
            {
                Session = session,
                InstanceId = state.InstanceId,
                BootId = clock.BootId,
                Reading = reading,
                Items = [.. asked.Keys],
            };
            var reply = await TimeLimit.WithinAsync(
                c => sessions.Leases.CallAsync((grain, c) => grain.Renew(batch, c), unanswered, c), AnswerLimit, time, cancellationToken);
            sessions.Observe(session, reply.Session);
            if (reply.Session == SessionState.Current)
            {
                lock (_outage)
                {
                    _outage.End();
                }

                await ApplyAsync(asked, reply.Answers);
                return;
            }
        }
        catch (Exception e) when (ControllerCall.IsFailure(e, cancellationToken))
        {
            CountFailure(CallFailed.Reason(e), leases.Length);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return;
        }
        finally
        {
            Interlocked.Decrement(ref _unanswered);
        }

        var again = Math.Max(clock.Milliseconds, reading + (long)numbers.RenewalRetry.TotalMilliseconds);
        foreach (var lease in leases)
        {
            lease.AskAt = Math.Min(lease.AskAt, again);
        }
    }

    private void CountFailure(string reason, int leases)
    {
        metrics.RenewalCallsFailed.Add(1);
        lock (_outage)
        {
            if (_outage.ShouldLog(reason))
            {
                LogNoAnswer(reason, leases);
            }
        }
    }

    private async Task ApplyAsync(Dictionary<BackendIdentity, BackendLease> asked, RenewalAnswer[] answers)
    {
        var changes = new List<(BackendIdentity, LeaseDeadlines?, bool)>(answers.Length);
        foreach (var answer in answers)
        {
            if (!asked.TryGetValue(answer.Identity, out var lease))
            {
                continue;
            }

            if (answer is { Outcome: RenewalOutcome.Renewed, Deadlines: { } deadlines })
            {
                if (lease.TryProlong(deadlines))
                {
                    files.Prolong(lease.Identity, lease.Deadlines);
                    lease.AskAt = lease.Deadlines.RenewAt;
                    metrics.Renewals.Add(1);
                    changes.Add((lease.Identity, lease.Deadlines, false));
                }
            }
            else if (answer.Outcome != RenewalOutcome.Renewed && !lease.IsRefused)
            {
                LogRefused(lease.Identity.Backend, answer.Outcome);
                metrics.RenewalsRefused.Add(1);
                lease.Refuse();
                backends.Find(lease.Identity)?.CheckDeadlines(clock.Milliseconds);
                changes.Add((lease.Identity, null, true));
            }
        }

        try
        {
            if (changes.Count > 0)
            {
                await state.StoreLeasesAsync(changes);
            }
        }
        catch (StateUnavailableException)
        {
            // The writer has logged it. The deadlines on disk stay early, which a restart survives; the next renewal writes them.
            metrics.LeaseWritesFailed.Add(changes.Count);
        }
    }

    [LoggerMessage(EventIds.LeaseRenewerRefused, LogLevel.Warning, "The controller refused to renew the lease of backend {Backend} ({Outcome}). The drone ends the backend")]
    private partial void LogRefused(BackendName backend, RenewalOutcome outcome);

    [LoggerMessage(EventIds.LeaseRenewerNoAnswer, LogLevel.Warning, "No controller answered the renewal of {Count} leases: {Reason}. The drone retries. Check the controllers and --gateway")]
    private partial void LogNoAnswer(string reason, int count);

    [LoggerMessage(EventIds.LeaseRenewerDrift, LogLevel.Warning, "The machine's wall clock jumped by {Seconds} s (the clock was set, or the machine was frozen). The drone renews all leases now")]
    private partial void LogDrift(double seconds);
}
