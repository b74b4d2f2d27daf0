using Plane.Storage;

namespace Plane.Grains.Clusters;

/// <summary>
/// Picks drones for new backends. Of each cluster it remembers a picture of the drones, which is read at most every <see cref="s_fresh"/> and by concurrent picks
/// together; between two reads each pick counts as load. The picture is a hint: the acquisition checks the drone again, and what says "none" is always a read that
/// began after the question. Each controller has pictures of its own.
/// </summary>
internal sealed class DronePicker(IDroneStore store, TimeProvider time)
{
    /// <summary>The most clusters that are remembered.</summary>
    internal const int MaxClusters = 1_024;

    // Long enough that a burst of connects reads once, short enough that a drone's load is close to what it is.
    private static readonly TimeSpan s_fresh = TimeSpan.FromMilliseconds(250);

    private readonly Lock _lock = new();
    private readonly Dictionary<ClusterName, Cluster> _clusters = [];

    /// <summary>
    /// A drone for a new backend: the less loaded of two chosen at random among those that are ready, not draining, able to run it and have room for it; null where
    /// there is none.
    /// </summary>
    public async Task<DroneName?> PickAsync(ClusterName cluster, PlacementQuery query, CancellationToken cancellationToken)
    {
        var asked = time.GetTimestamp();
        var known = Of(cluster);

        // A drone that was tried turned out unfit: the picture is wrong somewhere, so it isn't used again.
        if (query.Exclude.Length == 0 && known.Latest is { } latest && time.GetElapsedTime(latest.ReadAt) < s_fresh && latest.Pick(query) is { } picked)
        {
            return picked;
        }

        // A read that is under way serves all that come meanwhile, as long as it finds one.
        if (known.Snapshots.Running is { } running && (await running.WaitAsync(cancellationToken)).Pick(query) is { } joined)
        {
            return joined;
        }

        return (await known.Snapshots.ReadSince(asked).WaitAsync(cancellationToken)).Pick(query);
    }

    /// <summary>The cluster's drones and proxies, read after the call.</summary>
    public Task<ClusterState> ReadStateAsync(ClusterName cluster, CancellationToken cancellationToken) => Of(cluster).States.ReadAsync(cancellationToken);

    private Cluster Of(ClusterName cluster)
    {
        lock (_lock)
        {
            if (!_clusters.TryGetValue(cluster, out var known))
            {
                if (_clusters.Count >= MaxClusters)
                {
                    // A quarter of a second's worth: to forget all costs one read for each cluster that is asked for again.
                    _clusters.Clear();
                }

                known = new Cluster(cluster, store, time);
                _clusters.Add(cluster, known);
            }

            return known;
        }
    }

    private sealed class Cluster
    {
        private CandidateSnapshot? _latest;

        public Cluster(ClusterName name, IDroneStore store, TimeProvider time)
        {
            States = new SharedRead<ClusterState>(() => store.ReadClusterAsync(name, CancellationToken.None), time);
            Snapshots = new SharedRead<CandidateSnapshot>(
                async () =>
                {
                    var begun = time.GetTimestamp();
                    var picture = new CandidateSnapshot(begun, await store.ListCandidatesAsync(name, CancellationToken.None));
                    if (_latest is not { } latest || latest.ReadAt <= begun)
                    {
                        _latest = picture;
                    }

                    return picture;
                },
                time);
        }

        public CandidateSnapshot? Latest => Volatile.Read(ref _latest);

        public SharedRead<CandidateSnapshot> Snapshots { get; }

        public SharedRead<ClusterState> States { get; }
    }

    private sealed class CandidateSnapshot(long readAt, IEnumerable<DroneCandidate> candidates)
    {
        // As they were read, with what was picked since.
        private readonly DroneCandidate[] _candidates = [.. candidates];

        public long ReadAt { get; } = readAt;

        public DroneName? Pick(PlacementQuery query)
        {
            lock (_candidates)
            {
                if (Placement.Pick(_candidates, query, Random.Shared) is not { } candidate)
                {
                    return null;
                }

                _candidates[Array.IndexOf(_candidates, candidate)] = Placement.With(candidate, query.Requests);
                return candidate.Drone;
            }
        }
    }
}
