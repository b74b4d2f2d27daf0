using Plane.Grains.Clusters;
using Plane.Storage;

namespace Plane.Grains.Warm;

/// <summary>What one pool needs: of a service, in a cluster.</summary>
/// <param name="Ends">Backends to end.</param>
/// <param name="Places">Free places in which one is to be started.</param>
internal sealed record WarmPlan(IReadOnlyList<WarmBackend> Ends, IReadOnlyList<int> Places)
{
    /// <summary>
    /// Compares what there is with what is wanted.
    /// <para>
    /// 1. What is of another version ends at once: a connect does not take it.
    /// 2. What is on a drone that takes no new backends ends: neither is it taken.
    /// 3. Of those that are too old as many end that a quarter of the pool, at least one, is ending or starting at a time.
    /// 4. Where there are too many, those that do not answer yet end first, then the oldest.
    /// 5. What is missing is started in the free places with the lowest numbers: controllers that do so at the same time choose the same ones, and each has one holder.
    /// </para>
    /// </summary>
    /// <param name="service">The service.</param>
    /// <param name="pool">Its backends in the cluster that are not claimed, of whatever version.</param>
    public static WarmPlan Of(ServiceDefinition service, IReadOnlyCollection<WarmBackend> pool)
    {
        var wanted = service.Config.Warm?.Count ?? 0;
        var maxAge = service.Config.Warm?.MaxAgeSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : TimeSpan.MaxValue;

        // 1. and 2. One whose end is queued already is left alone; the store knows.
        var ends = pool.Where(b => b.Version != service.Version || b.IsEnding).ToList();
        var live = pool.Where(b => b.Version == service.Version && !b.IsEnding).ToList();

        // 3.
        var underWay = live.Count(b => !b.IsWarm) + ends.Count(b => b.Version == service.Version);
        var old = live.Where(b => b.IsWarm && b.Age > maxAge).OrderByDescending(b => b.Age).Take(Math.Max(0, Math.Max(1, wanted / 4) - underWay)).ToList();
        ends.AddRange(old);
        live.RemoveAll(old.Contains);

        // 4.
        var surplus = live.OrderBy(b => b.IsWarm).ThenByDescending(b => b.Age).Take(Math.Max(0, live.Count - wanted)).ToList();
        ends.AddRange(surplus);

        // 5. A place is taken until nothing of its backend runs.
        var taken = pool.Where(b => b.Version == service.Version).Select(b => b.Place).ToHashSet();
        var places = Enumerable.Range(0, wanted + taken.Count).Where(p => !taken.Contains(p)).Take(Math.Max(0, wanted - live.Count)).ToList();
        return new WarmPlan(ends, places);
    }

    /// <summary>
    /// The drone for a backend of a pool: the one with the fewest of the pool, and of these the one with the smallest dominant share (<see cref="Placement.DominantShare"/>);
    /// null where none takes it.
    /// </summary>
    /// <param name="candidates">Drones that take backends.</param>
    /// <param name="spawn">What is to run.</param>
    /// <param name="placed">How many of the pool each drone has, with those that were placed since the candidates were read.</param>
    /// <param name="unfit">Drones that turned out unfit.</param>
    public static DroneCandidate? Pick(
        IReadOnlyList<DroneCandidate> candidates, SpawnConfig spawn, IReadOnlyDictionary<DroneName, int> placed, IReadOnlySet<DroneName> unfit)
    {
        var query = PlacementQuery.For(spawn);
        return candidates
            .Where(c => c.TakesClaims && !unfit.Contains(c.Drone) && Placement.IsFit(c, query))
            .OrderBy(c => placed.GetValueOrDefault(c.Drone))
            .ThenBy(c => Placement.DominantShare(c, query.Requests))
            .ThenBy(c => c.Drone.Value, StringComparer.Ordinal)
            .FirstOrDefault();
    }
}
