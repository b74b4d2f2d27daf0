using Plane.Storage;

namespace Plane.Grains.Clusters;

/// <summary>Which drone gets a new backend. Why none does says <see cref="PlacementExplanation"/>.</summary>
internal static class Placement
{
    /// <summary>
    /// The less loaded of two fit drones chosen at random, or null where none is fit. Two random choices keep the loads close together without
    /// the herd that "the least loaded" sends to one drone while the picture is stale (Mitzenmacher, "The Power of Two Choices in Randomized
    /// Load Balancing", 2001). The load is the dominant share (Ghodsi et al., "Dominant Resource Fairness", 2011): of the resource that the drone has least left of.
    /// </summary>
    /// <param name="candidates">Drones that take backends.</param>
    /// <param name="query">What is needed.</param>
    /// <param name="random">Chooses.</param>
    public static DroneCandidate? Pick(IReadOnlyList<DroneCandidate> candidates, PlacementQuery query, Random random)
    {
        var fit = candidates.Where(c => IsFit(c, query)).ToArray();
        if (fit.Length < 2)
        {
            return fit.Length == 0 ? null : fit[0];
        }

        var first = random.Next(fit.Length);
        var second = random.Next(fit.Length - 1);
        second += second >= first ? 1 : 0;
        var (a, b) = (fit[first], fit[second]);
        return DominantShare(a, query.Requests) <= DominantShare(b, query.Requests) ? a : b;
    }

    /// <summary>A drone with one backend more.</summary>
    /// <param name="candidate">The drone.</param>
    /// <param name="requests">What the backend reserves.</param>
    public static DroneCandidate With(DroneCandidate candidate, ResourceAmounts requests) => candidate with
    {
        Backends = candidate.Backends + 1,
        Reserved = candidate.Reserved.Plus(requests with { Gpus = (int)requests.NeededOn(candidate.Capacity ?? ResourceAmounts.None, Resource.Gpus) }),
    };

    /// <summary>
    /// The greatest of the shares that would be taken with one backend more: of places, and of each resource that the drone has. By shares, so that a large drone
    /// beside small ones fills evenly.
    /// </summary>
    /// <param name="candidate">The drone.</param>
    /// <param name="requests">What the backend reserves.</param>
    public static double DominantShare(DroneCandidate candidate, ResourceAmounts requests)
    {
        var with = With(candidate, requests);
        var places = (double)with.Backends / with.MaxBackends;
        return candidate.Capacity is not { } capacity
            ? places
            : ResourceExtensions.All.Where(r => capacity.Of(r) > 0).Select(r => (double)with.Reserved.Of(r) / capacity.Of(r)).Append(places).Max();
    }

    /// <summary>Whether a drone may be given what is asked for, as far as is known of it.</summary>
    /// <param name="candidate">The drone.</param>
    /// <param name="query">What is needed.</param>
    public static bool IsFit(DroneCandidate candidate, PlacementQuery query) =>
        candidate.Pool == query.Pool
        && candidate.Kinds.Contains(query.Kind)
        && candidate.Backends < candidate.MaxBackends
        && !query.Exclude.Contains(candidate.Drone)
        && !query.Requests.ShortOn(candidate.Capacity, candidate.Reserved).Any();
}
