using Plane.Grains.Batching;
using Plane.Grains.Metrics;
using Plane.Storage;

namespace Plane.Grains.Backends;

/// <summary>
/// Applies the state events that drones report to this silo. Batches of one session that come together make one statement; sessions are written
/// side by side, a few at a time, and one that fails fails alone.
/// </summary>
internal sealed class StateWriter : IAsyncDisposable
{
    // A batch is a transaction that holds row locks: more of them at once would wait for each other, not go faster.
    private const int AtOnce = 4;

    private static readonly BatchLimits s_limits =
        new("states", MaxItems: 2 * StateBatch.MaxEvents, MaxQueued: 10_000, Longest: TimeSpan.FromSeconds(8));

    private readonly IBackendStore _store;
    private readonly ControllerMetrics _metrics;
    private readonly BatchWriter<Request, Outcome> _writer;

    public StateWriter(IBackendStore store, TimeProvider time, ControllerMetrics metrics)
    {
        _store = store;
        _metrics = metrics;
        _writer = new BatchWriter<Request, Outcome>(s_limits, WriteAsync, static r => r.Events.Length, time, metrics);
    }

    /// <summary>One acknowledgement per event, in their order, where the session stands. What breaks a rule is refused here and goes no
    /// further.</summary>
    /// <param name="session">The reporting session, or null for an event without one.</param>
    /// <param name="events">The events, in order per backend.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    public async Task<StateReply> ApplyAsync(DroneSession? session, IReadOnlyList<StateEvent> events, CancellationToken cancellationToken)
    {
        var acks = new StateAck[events.Count];
        var places = new List<int>();
        var valid = new List<StateEvent>();
        for (var i = 0; i < acks.Length; i++)
        {
            if (events[i].Refusal() is { } refusal)
            {
                acks[i] = new StateAck { Sequence = events[i].Sequence, Applied = false, Refusal = refusal };
                continue;
            }

            places.Add(i);
            valid.Add(events[i].Cleaned());
        }

        // Also with nothing left to apply: the answer says whether the session stands.
        var outcome = await _writer.WriteAsync(new Request(session, [.. valid]), cancellationToken);
        if (outcome.Failure is { } failure)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
        }

        var reply = outcome.Reply!;
        if (reply.Session != SessionState.Current)
        {
            return reply with { Acks = [] };
        }

        for (var i = 0; i < places.Count; i++)
        {
            acks[places[i]] = reply.Acks[i] with { Sequence = events[places[i]].Sequence };
        }

        _metrics.StatesApplied(acks.Count(a => a.Applied), acks.Count(a => !a.Applied));
        return new StateReply { Session = SessionState.Current, Acks = acks };
    }

    public ValueTask DisposeAsync() => _writer.DisposeAsync();

    private async Task<IReadOnlyList<Outcome>> WriteAsync(IReadOnlyList<Request> requests, CancellationToken cancellationToken)
    {
        var outcomes = new Outcome[requests.Count];
        var groups = Enumerable.Range(0, requests.Count).GroupBy(i => requests[i].Session).ToArray();
        await Parallel.ForEachAsync(
            groups,
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken },
            async (group, token) => await WriteGroupAsync([.. group], group.Key, requests, outcomes, token));
        return outcomes;
    }

    private async Task WriteGroupAsync(
        int[] members, DroneSession? session, IReadOnlyList<Request> requests, Outcome[] outcomes, CancellationToken cancellationToken)
    {
        // Sequences of different outboxes may be equal: within the statement an event's number is its place.
        var events = members.SelectMany(m => requests[m].Events).Select((e, i) => e with { Sequence = i }).ToArray();
        StateReply reply;
        try
        {
            reply = await _store.ApplyStatesAsync(session, events, cancellationToken);
        }
        catch (Exception e) when (requests.Count > 1 && e is not OperationCanceledException)
        {
            foreach (var member in members)
            {
                outcomes[member] = new Outcome(null, e);
            }

            return;
        }

        var bySequence = reply.Session == SessionState.Current ? reply.Acks.ToDictionary(a => a.Sequence) : [];
        var place = 0;
        foreach (var member in members)
        {
            var acks = new StateAck[reply.Session == SessionState.Current ? requests[member].Events.Length : 0];
            for (var i = 0; i < acks.Length; i++)
            {
                acks[i] = bySequence[place + i];
            }

            place += requests[member].Events.Length;
            outcomes[member] = new Outcome(reply with { Acks = acks }, null);
        }
    }

    private sealed record Request(DroneSession? Session, StateEvent[] Events);

    private sealed record Outcome(StateReply? Reply, Exception? Failure);
}
