using System.Globalization;
using System.Text;
using Plane.Grains.Storage;

namespace Plane.Grains.Clusters;

/// <summary>Which drone gets a new backend, and why none does.</summary>
internal static class Placement
{
    /// <summary>
    /// The less loaded of two fit drones chosen at random, or null where none is fit. Two random choices keep the loads close together without
    /// the herd that "the least loaded" sends to one drone while the picture is stale (Mitzenmacher, "The Power of Two Choices in Randomized
    /// Load Balancing", 2001).
    /// </summary>
    /// <param name="candidates">Drones that take backends.</param>
    /// <param name="query">What is needed.</param>
    /// <param name="picked">Backends that were placed on a drone since the candidates were read.</param>
    /// <param name="random">Chooses.</param>
    public static DroneCandidate? Pick(
        IReadOnlyList<DroneCandidate> candidates, PlacementQuery query, IReadOnlyDictionary<DroneName, int> picked, Random random)
    {
        var fit = candidates.Where(c => IsFit(c, query, picked)).ToArray();
        if (fit.Length < 2)
        {
            return fit.Length == 0 ? null : fit[0];
        }

        var first = random.Next(fit.Length);
        var second = random.Next(fit.Length - 1);
        second += second >= first ? 1 : 0;
        var (a, b) = (fit[first], fit[second]);
        return Load(a, picked) <= Load(b, picked) ? a : b;
    }

    /// <summary>Why no drone was found, for the caller: the first condition that leaves none.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="state">Its state, read after the pick.</param>
    /// <param name="query">What was needed.</param>
    public static string ExplainNone(ClusterName cluster, ClusterState state, PlacementQuery query)
    {
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
        var able = inPool.Where(d => d.Kinds.Contains(query.Kind) || d.UnavailableKinds.Contains(query.Kind)).ToArray();
        if (able.Length == 0)
        {
            var offered = string.Join(" and ", inPool.SelectMany(d => d.Kinds).Distinct().Order().Select(Text));
            var (given, other) = query.Kind == ExecutorKind.Process ? ("a command without an image", "an image") : ("an image", "a command without an image");
            return $"no drone of {pool} in cluster {cluster} runs {kind} executables ({given}); they run {(offered.Length > 0 ? offered : "none")}: "
                + $"give {other}, or start a drone with --runtime {kind} (--runtime docker,process for both)";
        }

        // Each drone is counted once, by what would have to end first for it to take backends.
        var draining = able.Count(d => d.Draining);
        var silent = able.Count(d => !d.Draining && !d.Ready);
        var without = able.Count(d => d is { Draining: false, Ready: true } && !d.Kinds.Contains(query.Kind));
        var full = able.Count(d => d is { Draining: false, Ready: true } && d.Kinds.Contains(query.Kind) && d.BackendCount >= d.MaxBackends);
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"no drone of {pool} in cluster {cluster} that runs {kind} executables takes backends now: ");
        var taken = able.Length - full - draining - silent - without;
        var reasons = new[]
        {
            (full, "full"), (draining, "draining"), (silent, "silent or not ready"), (without, $"whose {kind} runtime does not answer"), (taken, "just taken"),
        };
        text.AppendJoin(", ", reasons.Where(r => r.Item1 > 0).Select(r => $"{r.Item1} {r.Item2}"));
        return text.ToString();
    }

    private static string Text(ExecutorKind kind) => kind.ToString().ToLowerInvariant();

    private static string Count(int drones) => drones == 1 ? "1 is" : $"{drones} are";

    private static bool IsFit(DroneCandidate candidate, PlacementQuery query, IReadOnlyDictionary<DroneName, int> picked) =>
        candidate.Pool == query.Pool
        && candidate.Kinds.Contains(query.Kind)
        && candidate.Backends + picked.GetValueOrDefault(candidate.Drone) < candidate.MaxBackends
        && !query.Exclude.Contains(candidate.Drone);

    // By share of capacity, so that a large drone beside small ones fills evenly.
    private static double Load(DroneCandidate candidate, IReadOnlyDictionary<DroneName, int> picked) =>
        (double)(candidate.Backends + picked.GetValueOrDefault(candidate.Drone)) / candidate.MaxBackends;
}
