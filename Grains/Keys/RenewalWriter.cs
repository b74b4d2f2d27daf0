using Plane.Grains.Batching;
using Plane.Grains.Metrics;
using Plane.Storage;

namespace Plane.Grains.Keys;

/// <summary>Renews what all drones ask this silo for at the same time in one statement.</summary>
internal sealed class RenewalWriter(IKeyStore store, GrainOptions options, TimeProvider time, ControllerMetrics metrics) : IAsyncDisposable
{
    // With the short leases of tests, a busy machine must not turn every slow statement into a failed one.
    private static readonly TimeSpan s_least = TimeSpan.FromSeconds(1);

    private readonly BatchWriter<IReadOnlyList<BackendIdentity>, IReadOnlyList<RenewalOutcome>> _writer = new(
        // The drone gives a call up after RenewalCall and asks again over another gateway: a statement must not outlast that by much.
        new BatchLimits("renewals", MaxItems: 2 * RenewalBatch.MaxItems, MaxQueued: 10_000, Longest(options.LeaseNumbers.RenewalCall)),
        (requests, cancellationToken) => WriteAsync(store, metrics, requests, cancellationToken),
        static holders => holders.Count,
        time,
        metrics);

    /// <summary>The outcomes, in the order of the holders.</summary>
    public Task<IReadOnlyList<RenewalOutcome>> RenewAsync(IReadOnlyList<BackendIdentity> holders, CancellationToken cancellationToken) =>
        holders.Count == 0 ? Task.FromResult<IReadOnlyList<RenewalOutcome>>([]) : _writer.WriteAsync(holders, cancellationToken);

    public ValueTask DisposeAsync() => _writer.DisposeAsync();

    private static TimeSpan Longest(TimeSpan renewalCall) => renewalCall > s_least ? renewalCall : s_least;

    // A retry that overtook its first attempt puts one holder into two requests: it goes to the store once.
    private static async Task<IReadOnlyList<IReadOnlyList<RenewalOutcome>>> WriteAsync(
        IKeyStore store, ControllerMetrics metrics, IReadOnlyList<IReadOnlyList<BackendIdentity>> requests, CancellationToken cancellationToken)
    {
        var places = new Dictionary<BackendIdentity, int>();
        var distinct = new List<BackendIdentity>();
        foreach (var holder in requests.SelectMany(r => r))
        {
            if (places.TryAdd(holder, distinct.Count))
            {
                distinct.Add(holder);
            }
        }

        var outcomes = await store.RenewAsync(distinct, cancellationToken);
        foreach (var group in outcomes.CountBy(o => o))
        {
            metrics.Renewed(group.Key, group.Value);
        }

        return [.. requests.Select(r => (IReadOnlyList<RenewalOutcome>)[.. r.Select(h => outcomes[places[h]])])];
    }
}
