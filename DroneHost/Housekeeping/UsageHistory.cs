using System.Collections.Concurrent;
using Plane.DroneHost.Runtimes;

namespace Plane.DroneHost.Housekeeping;

/// <summary>
/// What each backend used in the last hour, for those who ask about it. In memory alone, some 3 kB a backend: an agent that restarts begins with nothing. Written by the loop that reads usage, read by any.
/// </summary>
internal sealed class UsageHistory(TimeProvider time)
{
    private static readonly TimeSpan s_kept = TimeSpan.FromHours(1);
    private static readonly TimeSpan s_between = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<BackendIdentity, Series> _series = new();

    /// <summary>Takes a reading of all that run now; what does not run any more is forgotten.</summary>
    public void Add(IReadOnlyList<BackendUsage> usage)
    {
        var (now, at) = (time.GetUtcNow(), time.GetTimestamp());
        foreach (var gone in _series.Keys.Except(usage.Select(u => u.Backend)).ToList())
        {
            _series.TryRemove(gone, out _);
        }

        foreach (var reading in usage)
        {
            var series = _series.GetOrAdd(reading.Backend, _ => new Series());
            if (series.LastAt is { } last && time.GetElapsedTime(last, at).TotalNanoseconds is > 0 and var nanoseconds)
            {
                var cpus = Math.Max(0, reading.CpuNanoseconds - series.LastCpu) / nanoseconds;
                var point = new UsagePoint { Time = now, Cpus = cpus, MemoryBytes = reading.MemoryBytes };

                // The last point is the latest reading, which the next one takes the place of until it is far enough from the one before.
                var before = series.Points is [.., { } end] && series.Points is [.., { } earlier, _] && end.Time - earlier.Time < s_between ? series.Points[..^1] : series.Points;
                series.Points = [.. before.Where(p => now - p.Time < s_kept), point];
            }

            (series.LastAt, series.LastCpu) = (at, reading.CpuNanoseconds);
        }
    }

    /// <summary>The points of a backend.</summary>
    public UsagePoint[] Of(BackendIdentity backend) => _series.TryGetValue(backend, out var series) ? series.Points : [];

    /// <summary>Those that used the most CPU at their latest reading.</summary>
    public BusyBackend[] Busiest(int most) =>
    [
        .. _series.Select(s => (s.Key.Backend, s.Value.Points)).Where(s => s.Points.Length > 0)
            .Select(s => new BusyBackend { BackendId = s.Backend, Cpus = s.Points[^1].Cpus, MemoryBytes = s.Points[^1].MemoryBytes })
            .OrderByDescending(b => b.Cpus).ThenByDescending(b => b.MemoryBytes).Take(most),
    ];

    private sealed class Series
    {
        private UsagePoint[] _points = [];

        // Replaced, never changed.
        public UsagePoint[] Points
        {
            get => Volatile.Read(ref _points);
            set => Volatile.Write(ref _points, value);
        }

        public long? LastAt { get; set; }

        public long LastCpu { get; set; }
    }
}
