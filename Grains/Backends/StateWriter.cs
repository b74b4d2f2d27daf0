using System.Runtime.ExceptionServices;
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

    /// <summary>One acknowledgement per event, in their order, where the session is current. What breaks a rule is refused here and goes no
    /// further.</summary>
    /// <param name="session">The reporting session, or null for an event without one.</param>
    /// <param name="events">The events, in order per backend.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    public async Task<StateReply> ApplyAsync(DroneSession? session, IReadOnlyList<StateEvent> events, CancellationToken cancellationToken)
    {
        var refusals = events.Select(e => e.Refusal()).ToArray();
        StateEvent[] valid = [.. events.Where((_, i) => refusals[i] is null).Select(e => e.Cleaned())];

        // Also with nothing left to apply: the answer says whether the session is current.
        var outcome = await _writer.WriteAsync(new Request(session, valid), cancellationToken);
        if (outcome.Failure is { } failure)
        {
            ExceptionDispatchInfo.Throw(failure);
        }

        var reply = outcome.Reply!;
        if (reply.Session != SessionState.Current)
        {
            return reply with { Acks = [] };
        }

        var applied = new Queue<StateAck>(reply.Acks);
        StateAck[] acks =
        [
            .. events.Select((e, i) => refusals[i] is { } refusal ? new StateAck { Sequence = e.Sequence, Applied = false, Refusal = refusal } : applied.Dequeue()),
        ];
        _metrics.StatesApplied(acks.Count(a => a.Applied), acks.Count(a => !a.Applied));
        return new StateReply { Session = SessionState.Current, Acks = acks };
    }

    public ValueTask DisposeAsync() => _writer.DisposeAsync();

    private async Task<IReadOnlyList<Outcome>> WriteAsync(IReadOnlyList<Request> requests, CancellationToken cancellationToken)
    {
        var outcomes = new Outcome[requests.Count];
        await Parallel.ForEachAsync(
            requests.Select((request, slot) => new Slotted(request, slot)).GroupBy(s => s.Request.Session),
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken },
            async (group, token) =>
            {
                Slotted[] members = [.. group];
                try
                {
                    var reply = await _store.ApplyStatesAsync(group.Key, [.. members.SelectMany(m => m.Request.Events)], token);
                    var acks = new Queue<StateAck>(reply.Acks);
                    foreach (var (request, slot) in members)
                    {
                        StateAck[] own = reply.Session == SessionState.Current ? [.. request.Events.Select(_ => acks.Dequeue())] : [];
                        outcomes[slot] = new Outcome(reply with { Acks = own }, null);
                    }
                }
                catch (Exception e) when (requests.Count > 1 && e is not OperationCanceledException)
                {
                    foreach (var (_, slot) in members)
                    {
                        outcomes[slot] = new Outcome(null, e);
                    }
                }
            });
        return outcomes;
    }

    private sealed record Request(DroneSession? Session, StateEvent[] Events);

    /// <summary>A request, and where its outcome goes.</summary>
    private readonly record struct Slotted(Request Request, int Slot);

    private sealed record Outcome(StateReply? Reply, Exception? Failure);
}
