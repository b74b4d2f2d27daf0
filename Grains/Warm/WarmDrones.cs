using Plane.Grains.Storage;

namespace Plane.Grains.Warm;

/// <summary>The drones of a cluster while a pool is filled: each one that is picked counts.</summary>
internal sealed class WarmDrones
{
    private readonly Lock _lock = new();
    private readonly IReadOnlyList<DroneCandidate> _candidates;
    private readonly SpawnConfig _spawn;
    private readonly Dictionary<DroneName, int> _placed;
    private readonly Dictionary<DroneName, int> _picked = [];
    private readonly HashSet<DroneName> _unfit = [];

    public WarmDrones(IReadOnlyList<DroneCandidate> candidates, IEnumerable<WarmBackend> pool, SpawnConfig spawn)
    {
        _candidates = candidates;
        _spawn = spawn;
        _placed = pool.Where(b => !b.IsEnding).CountBy(b => b.Drone).ToDictionary();
    }

    /// <summary>The drone for the next backend, or null where none takes it.</summary>
    public DroneName? Pick()
    {
        lock (_lock)
        {
            DroneCandidate[] now = [.. _candidates.Select(c => c with { Backends = c.Backends + _picked.GetValueOrDefault(c.Drone) })];
            if (WarmPlan.Pick(now, _spawn, _placed, _unfit) is not { Drone: var drone })
            {
                return null;
            }

            _placed[drone] = _placed.GetValueOrDefault(drone) + 1;
            _picked[drone] = _picked.GetValueOrDefault(drone) + 1;
            return drone;
        }
    }

    /// <summary>A drone that was picked does not take it.</summary>
    public void IsUnfit(DroneName drone)
    {
        lock (_lock)
        {
            _unfit.Add(drone);
            _placed[drone]--;
            _picked[drone]--;
        }
    }
}
