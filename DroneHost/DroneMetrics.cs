using System.Diagnostics.Metrics;
using Plane.DroneHost.Runtimes;

namespace Plane.DroneHost;

/// <summary>
/// What the drone counts and measures (meter <c>plane.drone</c>). No instrument has a label that names a backend: their number grows forever, and an exporter keeps
/// each label's series for as long as the drone runs, or drops all beyond some 2,000. What backends use is reported as a sum of those that run now, and as a
/// distribution over them.
/// </summary>
internal sealed class DroneMetrics
{
    private static readonly InstrumentAdvice<double> Cores = new() { HistogramBucketBoundaries = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32] };
    private static readonly InstrumentAdvice<long> Bytes = new()
    {
        HistogramBucketBoundaries = [1L << 20, 1L << 22, 1L << 24, 1L << 26, 1L << 28, 1L << 29, 1L << 30, 1L << 31, 1L << 32, 1L << 34, 1L << 36],
    };

    private readonly TimeProvider _time;
    private readonly Histogram<double> _cpu;
    private readonly Histogram<long> _memory;
    private Dictionary<BackendIdentity, long> _before = [];
    private long _beforeAt;
    private double _cores;
    private long _bytes;
    private readonly Meter _meter;
    private readonly Counter<long> _imagePulls;
    private Func<int> _running = static () => 0;

    public DroneMetrics(IMeterFactory meters, TimeProvider time)
    {
        _time = time;
        var meter = _meter = meters.Create("plane.drone");
        _imagePulls = meter.CreateCounter<long>("plane.drone.image_pulls", description: "Images pulled before they were needed, by outcome");
        Renewals = meter.CreateCounter<long>("plane.drone.renewals", description: "Leases renewed");
        RenewalsRefused = meter.CreateCounter<long>("plane.drone.renewals_refused", description: "Renewals refused by the controller");
        RenewalCallsFailed = meter.CreateCounter<long>("plane.drone.renewal_calls_failed", description: "Renewal calls without an answer");
        LeaseWritesFailed = meter.CreateCounter<long>("plane.drone.lease_writes_failed", description: "Renewed deadlines that could not be written to the state file");
        Registrations = meter.CreateCounter<long>("plane.drone.registrations", description: "Sessions obtained");
        Actions = meter.CreateCounter<long>("plane.drone.actions", description: "Actions applied");
        StatesReported = meter.CreateCounter<long>("plane.drone.states_reported", description: "State events applied by the controller");
        StatesRefused = meter.CreateCounter<long>("plane.drone.states_refused", description: "State events refused by the controller");
        LoopRestarts = meter.CreateCounter<long>("plane.drone.loop_restarts", description: "Loops started again after a failure");
        RemovalsRepeated = meter.CreateCounter<long>("plane.drone.removals_repeated", description: "Times that a runtime had to be asked again whether a backend is gone");
        DirectKills = meter.CreateCounter<long>("plane.drone.direct_kills", description: "Processes killed without their runtime");
        Pruned = meter.CreateCounter<long>("plane.drone.pruned", description: "Left-overs of ended backends removed");
        UnsupervisedEnded = meter.CreateCounter<long>("plane.drone.unsupervised_ended", description: "Containers and processes of this drone that were ended because they ran unsupervised");
        meter.CreateObservableUpDownCounter("plane.drone.backends", () => _running(), description: "Backends that have not ended");
        meter.CreateObservableGauge("plane.drone.backends.cpu", () => Volatile.Read(ref _cores), "{cpu}", "CPUs that all backends together used between the last two readings");
        meter.CreateObservableUpDownCounter("plane.drone.backends.memory", () => Volatile.Read(ref _bytes), "By", "Memory of all backends together, without page cache");
        _cpu = meter.CreateHistogram("plane.backend.cpu", "{cpu}", "CPUs that each backend used between two readings", advice: Cores);
        _memory = meter.CreateHistogram("plane.backend.memory", "By", "Memory of each backend at each reading, without page cache", advice: Bytes);
    }

    public Counter<long> Renewals { get; }

    public Counter<long> RenewalsRefused { get; }

    public Counter<long> RenewalCallsFailed { get; }

    public Counter<long> LeaseWritesFailed { get; }

    public Counter<long> Registrations { get; }

    public Counter<long> Actions { get; }

    public Counter<long> StatesReported { get; }

    public Counter<long> StatesRefused { get; }

    public Counter<long> LoopRestarts { get; }

    public Counter<long> RemovalsRepeated { get; }

    public Counter<long> DirectKills { get; }

    public Counter<long> Pruned { get; }

    public Counter<long> UnsupervisedEnded { get; }

    public void ObserveBackends(Func<int> running) => _running = running;

    public void ImagePulled(string outcome) => _imagePulls.Add(1, new KeyValuePair<string, object?>("outcome", outcome));

    /// <summary>Has the images observed that it is to have.</summary>
    public void ObserveImages(Func<IReadOnlyCollection<ImageState>> images) => _meter.CreateObservableUpDownCounter(
        "plane.drone.images",
        () => Enum.GetValues<ImageStatus>().Select(s => new Measurement<int>(
            images().Count(i => i.Status == s), new KeyValuePair<string, object?>("status", s.ToString().ToLowerInvariant()))),
        "{image}",
        "Images that it is to have before they are needed, by status");

    /// <summary>Has observed what backends may reserve and have reserved.</summary>
    public void ObserveResources(Func<ResourceAmounts> capacity, Func<ResourceAmounts> reserved)
    {
        _meter.CreateObservableGauge("plane.drone.capacity.cpu", () => capacity().CpuMillis / 1000.0, "{cpu}", "CPUs that backends may reserve");
        _meter.CreateObservableUpDownCounter("plane.drone.capacity.memory", () => capacity().MemoryBytes, "By", "Memory that backends may reserve");
        _meter.CreateObservableUpDownCounter("plane.drone.capacity.disk", () => capacity().DiskBytes, "By", "Disk that backends may reserve");
        _meter.CreateObservableUpDownCounter("plane.drone.capacity.gpus", () => capacity().Gpus, "{gpu}", "GPUs that backends may reserve");
        _meter.CreateObservableGauge("plane.drone.reserved.cpu", () => reserved().CpuMillis / 1000.0, "{cpu}", "CPUs that backends have reserved");
        _meter.CreateObservableUpDownCounter("plane.drone.reserved.memory", () => reserved().MemoryBytes, "By", "Memory that backends have reserved");
        _meter.CreateObservableUpDownCounter("plane.drone.reserved.disk", () => reserved().DiskBytes, "By", "Disk that backends have reserved");
        _meter.CreateObservableUpDownCounter("plane.drone.reserved.gpus", () => reserved().Gpus, "{gpu}", "GPUs that backends have reserved");
    }

    /// <summary>Takes a reading of all that run now. Called by one loop alone.</summary>
    public void SetUsage(IReadOnlyList<BackendUsage> usage)
    {
        var now = _time.GetTimestamp();
        var nanoseconds = _time.GetElapsedTime(_beforeAt, now).TotalNanoseconds;
        var cores = 0.0;
        var bytes = 0L;
        var current = new Dictionary<BackendIdentity, long>(usage.Count);
        foreach (var backend in usage)
        {
            // A backend's first reading says nothing of an interval.
            if (_before.TryGetValue(backend.Backend, out var before) && nanoseconds > 0)
            {
                var used = Math.Max(0, backend.CpuNanoseconds - before) / nanoseconds;
                cores += used;
                _cpu.Record(used);
            }

            bytes += backend.MemoryBytes;
            _memory.Record(backend.MemoryBytes);
            current[backend.Backend] = backend.CpuNanoseconds;
        }

        (_before, _beforeAt) = (current, now);
        Volatile.Write(ref _cores, cores);
        Volatile.Write(ref _bytes, bytes);
    }
}
