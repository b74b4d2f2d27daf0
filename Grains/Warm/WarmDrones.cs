using Plane.Grains.Clusters;
using Plane.Storage;

namespace Plane.Grains.Warm;

/// <summary>The drones of a cluster while a pool is filled: each one that is picked counts.</summary>
internal sealed class WarmDrones
{
    private readonly Lock _lock = new();
    private readonly DroneCandidate[] _candidates;
    private readonly SpawnConfig _spawn;
    private readonly Dictionary<DroneName, int> _placed;
    private readonly HashSet<DroneName> _unfit = [];

    public WarmDrones(IReadOnlyList<DroneCandidate> candidates, IEnumerable<WarmBackend> pool, SpawnConfig spawn)
    {
        _candidates = [.. candidates];
        _spawn = spawn;
        _placed = pool.Where(b => !b.IsEnding).CountBy(b => b.Drone).ToDictionary();
    }

    /// <summary>The drone for the next backend, or null where none takes it.</summary>
    public DroneName? Pick()
    {
        lock (_lock)
        {
            if (WarmPlan.Pick(_candidates, _spawn, _placed, _unfit) is not { } candidate)
            {
                return null;
            }

            _candidates[Array.IndexOf(_candidates, candidate)] = Placement.With(candidate, ResourceAmounts.Of(_spawn.Executable));
            _placed[candidate.Drone] = _placed.GetValueOrDefault(candidate.Drone) + 1;
            return candidate.Drone;
        }
    }

    /// <summary>A drone that was picked does not take it.</summary>
    public void IsUnfit(DroneName drone)
    {
        lock (_lock)
        {
            _unfit.Add(drone);
            _placed[drone]--;
        }
    }
}
