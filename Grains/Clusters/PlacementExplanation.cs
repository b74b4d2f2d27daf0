using System.Globalization;
using System.Text;
using Plane.Storage;

namespace Plane.Grains.Clusters;

/// <summary>
/// Why no drone was found, for the caller: the first of these conditions that leaves none.
/// <list type="number">
/// <item>A drone is registered, one of the pool is, and one of these runs the kind of executable.</item>
/// <item>One of these is large enough, had it nothing else to run: waiting does not help where none is.</item>
/// <item>One takes backends now, and has room for this one.</item>
/// </list>
/// </summary>
internal static class PlacementExplanation
{
    private const int MostDrones = 3;

    /// <summary>The explanation.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="state">Its state, read after the pick.</param>
    /// <param name="query">What was needed.</param>
    public static string Of(ClusterName cluster, ClusterState state, PlacementQuery query)
    {
        // 1.
        if (state.Drones.Length == 0)
        {
            return $"no drone is registered in cluster {cluster}";
        }

        var pool = query.Pool.Length == 0 ? "the default pool" : $"pool {query.Pool}";
        var inPool = state.Drones.Where(d => d.Pool == query.Pool).ToArray();
        if (inPool.Length == 0)
        {
            return $"no drone of {pool} is registered in cluster {cluster} ({Count(state.Drones.Length)} of other pools)";
        }

        var kind = Text(query.Kind);
        var able = Able(inPool, query).ToArray();
        if (able.Length == 0)
        {
            var offered = string.Join(" and ", inPool.SelectMany(d => d.Kinds).Distinct().Order().Select(Text));
            var (given, other) = query.Kind == ExecutorKind.Process ? ("a command without an image", "an image") : ("an image", "a command without an image");
            return $"no drone of {pool} in cluster {cluster} runs {kind} executables ({given}); they run {(offered.Length > 0 ? offered : "none")}: "
                + $"give {other}, or start a drone with --runtime {kind} (--runtime docker,process for both)";
        }

        // 2.
        if (IsTooLarge(able, query))
        {
            return $"no drone of {pool} in cluster {cluster} is large enough, whatever else ends: {TooLarge(able, query.Requests)}";
        }

        // 3. Each drone is counted once, by what would have to end first for it to take the backend.
        var draining = able.Count(d => d.Draining);
        var silent = able.Count(d => !d.Draining && !d.Ready);
        var without = able.Count(d => d is { Draining: false, Ready: true } && !d.Kinds.Contains(query.Kind));
        var taking = able.Where(d => d is { Draining: false, Ready: true } && d.Kinds.Contains(query.Kind)).ToArray();
        var full = taking.Count(d => d.BackendCount >= d.MaxBackends);
        var tight = taking.Where(d => d.BackendCount < d.MaxBackends && query.Requests.ShortOn(d.Capacity, d.Reserved).Any()).ToArray();
        var room = tight.Length > 0 ? Room(tight, query.Requests) : "";
        if (tight.Length == able.Length)
        {
            return $"no drone of {pool} in cluster {cluster} that runs {kind} executables has room for it: {room}";
        }

        var taken = taking.Length - full - tight.Length;
        var reasons = new[]
        {
            (full, "full"), (tight.Length, $"without room for it ({room})"), (draining, "draining"), (silent, "silent or not ready"),
            (without, $"whose {kind} runtime does not answer"), (taken, "just taken"),
        };
        return new StringBuilder()
            .Append(CultureInfo.InvariantCulture, $"no drone of {pool} in cluster {cluster} that runs {kind} executables takes backends now: ")
            .AppendJoin(", ", reasons.Where(r => r.Item1 > 0).Select(r => $"{r.Item1} {r.Item2}"))
            .ToString();
    }

    /// <summary>Whether no drone that is registered could ever take it.</summary>
    /// <param name="state">The cluster's state.</param>
    /// <param name="query">What was needed.</param>
    public static bool IsTooLarge(ClusterState state, PlacementQuery query) =>
        Able(state.Drones.Where(d => d.Pool == query.Pool), query).ToArray() is { Length: > 0 } able && IsTooLarge(able, query);

    private static IEnumerable<DroneState> Able(IEnumerable<DroneState> drones, PlacementQuery query) =>
        drones.Where(d => d.Kinds.Contains(query.Kind) || d.UnavailableKinds.Contains(query.Kind));

    private static bool IsTooLarge(IEnumerable<DroneState> able, PlacementQuery query) => able.All(d => query.Requests.ShortOn(d.Capacity, ResourceAmounts.None).Any());

    // Of one resource where no drone has enough of that; else each drone is short of something else.
    private static string TooLarge(DroneState[] drones, ResourceAmounts requests)
    {
        foreach (var resource in ResourceExtensions.All)
        {
            if (drones.All(d => requests.ShortOn(d.Capacity, ResourceAmounts.None).Contains(resource)))
            {
                var largest = drones.MaxBy(d => d.Capacity!.Of(resource))!;
                return $"it needs {Need(requests, resource)}, and the largest has {resource.Amount(largest.Capacity!.Of(resource))} ({largest.Node.Name})";
            }
        }

        return $"it needs {Needs(requests)} at once, and {Each(drones, requests, "has", d => d.Capacity!, d => ResourceAmounts.None)}";
    }

    private static string Room(DroneState[] drones, ResourceAmounts requests)
    {
        foreach (var resource in ResourceExtensions.All)
        {
            if (drones.All(d => requests.ShortOn(d.Capacity, d.Reserved).Contains(resource)))
            {
                var freest = drones.MaxBy(d => Free(d, resource))!;
                return $"it needs {Need(requests, resource)}, and the largest free is {resource.Amount(Free(freest, resource))} on {freest.Node.Name}";
            }
        }

        return $"it needs {Needs(requests)} at once, and {Each(drones, requests, "has free", d => d.Capacity!, d => d.Reserved)}";
    }

    private static string Each(
        DroneState[] drones, ResourceAmounts requests, string has, Func<DroneState, ResourceAmounts> capacity, Func<DroneState, ResourceAmounts> reserved)
    {
        var shown = drones.Take(MostDrones).Select(d => requests.ShortOn(capacity(d), reserved(d)).First() is var resource
            ? $"{d.Node.Name} {has} {resource.Amount(Math.Max(0, capacity(d).Of(resource) - reserved(d).Of(resource)))} {resource.Noun()}"
            : "");
        return string.Join(", ", shown) + (drones.Length > MostDrones ? string.Create(CultureInfo.InvariantCulture, $", and {drones.Length - MostDrones} more are the same") : "");
    }

    private static long Free(DroneState drone, Resource resource) => Math.Max(0, drone.Capacity!.Of(resource) - drone.Reserved.Of(resource));

    private static string Needs(ResourceAmounts requests) => string.Join(", ", ResourceExtensions.All.Where(r => requests.Of(r) != 0).Select(r => Need(requests, r)));

    private static string Need(ResourceAmounts requests, Resource resource) =>
        resource == Resource.Gpus && requests.Gpus == ResourceAmounts.AllGpus ? "all GPUs of a drone that has one" : resource.Need(requests.Of(resource));

    private static string Text(ExecutorKind kind) => kind.ToString().ToLowerInvariant();

    private static string Count(int drones) => drones == 1 ? "1 is" : $"{drones} are";
}
