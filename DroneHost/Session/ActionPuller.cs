using Microsoft.Extensions.Logging;
using Plane.DroneHost.State;
using Plane.DroneHost.Supervision;

namespace Plane.DroneHost.Session;

/// <summary>
/// Fetches what the drone is to do.
/// <para>
/// 1. A waiting call asks for what follows the last number applied; it is repeated at once.
/// 2. What comes is put in the order of its numbers. Where numbers are missing between the last applied and the first, the page is fetched again: a hole that
///    is still there was deleted by the controller (actions of ended backends are).
/// 3. All of it is applied and written in one commit, together with the last number.
/// 4. Then, and only then, supervisors start on it. It is acknowledged once it is durable. What comes again is acknowledged again.
/// </para>
/// A drone that isn't ready takes nothing: what it can't write, or can't run, stays with the controller.
/// </summary>
internal sealed partial class ActionPuller(
    ControllerSession sessions, DurableState state, DroneReadiness readiness, BackendSet backends, TimeProvider time, DroneMetrics metrics, ILogger<ActionPuller> logger)
{
    private static readonly TimeSpan Wait = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan ShortestWait = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan CallLimit = TimeSpan.FromSeconds(15);

    private readonly Signal _readyChanged = new();
    private long _acknowledged;

    public void ReadinessChanged() => _readyChanged.Set();

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var outage = new Outage(time);
        var rounds = ControllerCall.Rounds(time, OnFailure, cancellationToken);
        while (true)
        {
            await rounds.ExecuteAsync(async c => await PullAsync(outage, c), cancellationToken);
        }

        void OnFailure(Exception e)
        {
            if (e is StateUnavailableException)
            {
                // Not applied and not acknowledged: it comes again when the drone is ready again.
                readiness.Notify();
            }
            else if (outage.ShouldLog(CallFailed.Reason(e)))
            {
                LogNoAnswer(CallFailed.Reason(e));
            }
        }
    }

    /// <summary>One round; false where the next one is to come after a pause.</summary>
    private async Task<bool> PullAsync(Outage outage, CancellationToken cancellationToken)
    {
        var session = await sessions.WaitAsync(cancellationToken);
        if (!readiness.IsReady)
        {
            await _readyChanged.WaitAsync(TimeSpan.FromSeconds(1), time, cancellationToken);
            return true;
        }

        // Whether the last acknowledgement before a restart arrived is not known: it is made again.
        if (_acknowledged == 0 && state.LastAction > 0)
        {
            await state.SyncAsync();
        }

        // A claim is acknowledged with what comes next, or once nothing has come for the time of
        // a wait: a connect waits for what the drone reports of it, and the sync of the disk would be in the way.
        if (_acknowledged < state.LastAction && state.ActionsAreDurable)
        {
            await AcknowledgeAsync(session, cancellationToken);
        }

        var asked = time.GetTimestamp();
        var page = await ReadAsync(session, Wait, cancellationToken);
        outage.End();
        if (page.Session == SessionState.Current && HasHole(page.Actions))
        {
            page = await ReadAsync(session, TimeSpan.Zero, cancellationToken);
        }

        if (page.Session != SessionState.Current)
        {
            sessions.Observe(session, page.Session);
            return false;
        }

        if (page.Actions.Length == 0)
        {
            await state.SyncAsync();
        }
        else if (readiness.IsReady)
        {
            await ApplyAsync(page.Actions);
        }

        // A wait that waits for nothing, asked again and again at once, would be all that the controller does.
        return page.Actions.Length > 0 || time.GetElapsedTime(asked) >= ShortestWait;
    }

    private Task<ActionPage> ReadAsync(DroneSession session, TimeSpan wait, CancellationToken cancellationToken) =>
        TimeLimit.WithinAsync(c => sessions.Drone.CallAsync((drone, c) => drone.ReadActions(session, state.LastAction, wait, c), skip: 0, c), CallLimit, time, cancellationToken);

    /// <summary>Whether a number between the last applied and the greatest is missing.</summary>
    private bool HasHole(DroneAction[] page)
    {
        var last = state.LastAction;
        var numbers = page.Select(a => a.Number).Where(n => n > last).ToHashSet();
        return numbers.Count > 0 && numbers.Max() - last != numbers.Count;
    }

    private async Task ApplyAsync(DroneAction[] page)
    {
        var actions = page.DistinctBy(a => a.Number).OrderBy(a => a.Number).ToList();
        if (actions[0].Number <= state.LastAction)
        {
            // The controller has not heard the acknowledgement.
            _acknowledged = Math.Min(_acknowledged, actions[0].Number - 1);
        }

        if (HasHole(page))
        {
            LogHole(state.LastAction, actions[^1].Number);
        }

        foreach (var applied in await state.ApplyActionsAsync(actions, backends.Refusal))
        {
            if (applied.Effect != ActionEffect.Repeated)
            {
                metrics.Actions.Add(1);
                LogApplied(applied.Action.Number, applied.Action.Kind, applied.Action.Identity.Backend, applied.Effect);
            }

            switch (applied)
            {
                case { Effect: ActionEffect.Spawned, Row: { } row }:
                    backends.Start(row);
                    break;
                case { Effect: ActionEffect.EndAsked, Action.Terminate: { } order, Row: { } row }:
                    backends.Find(row.Identity)?.RequestTermination(order.Kind, order.Reason);
                    break;
                case { Effect: ActionEffect.Claimed, Row: { Claim: { } claim } row }:
                    backends.Find(row.Identity)?.Claim(claim);
                    break;
                case { Effect: ActionEffect.ClaimedTwice, Row: { } row }:
                    backends.Find(row.Identity)?.ClaimedTwice();
                    break;
            }
        }
    }

    private async Task AcknowledgeAsync(DroneSession session, CancellationToken cancellationToken)
    {
        var upTo = state.LastAction;
        var answer = await TimeLimit.WithinAsync(
            c => sessions.Drone.CallAsync((drone, c) => drone.AcknowledgeActions(session, upTo, c), skip: 0, c), CallLimit, time, cancellationToken);
        sessions.Observe(session, answer);
        if (answer == SessionState.Current)
        {
            _acknowledged = upTo;
        }
    }

    [LoggerMessage(EventIds.ActionPullerNoAnswer, LogLevel.Warning, "No controller answered the request for actions: {Reason}. The drone retries")]
    private partial void LogNoAnswer(string reason);

    [LoggerMessage(EventIds.ActionPullerHole, LogLevel.Information, "Some actions between {Last} and {Greatest} are missing: the controller withdrew them. Nothing to do")]
    private partial void LogHole(long last, long greatest);

    [LoggerMessage(EventIds.ActionPullerApplied, LogLevel.Information, "Action {Number}: {Kind} {Backend}: {Effect}")]
    private partial void LogApplied(long number, DroneActionKind kind, BackendName backend, ActionEffect effect);
}
