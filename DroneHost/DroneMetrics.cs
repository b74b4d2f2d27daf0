using System.Diagnostics.Metrics;
using Plane.Drone.Runtimes;

namespace Plane.Drone;

/// <summary>What the drone counts and measures (meter <c>plane.drone</c>).</summary>
internal sealed class DroneMetrics
{
    private volatile IReadOnlyList<BackendUsage> _usage = [];
    private Func<int> _running = static () => 0;

    public DroneMetrics(IMeterFactory meters)
    {
        var meter = meters.Create("plane.drone");
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
        meter.CreateObservableUpDownCounter("plane.drone.backends", () => _running(), description: "Backends that have not ended");
        meter.CreateObservableCounter("plane.backend.cpu", ReadCpu, "s", "CPU time of a backend since its start");
        meter.CreateObservableGauge("plane.backend.memory", ReadMemory, "By", "Memory of a backend, without page cache");
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

    public void ObserveBackends(Func<int> running) => _running = running;

    public void SetUsage(IReadOnlyList<BackendUsage> usage) => _usage = usage;

    private IEnumerable<Measurement<double>> ReadCpu() => _usage.Select(u => new Measurement<double>(u.CpuNanoseconds / 1e9, Tag(u)));

    private IEnumerable<Measurement<long>> ReadMemory() => _usage.Select(u => new Measurement<long>(u.MemoryBytes, Tag(u)));

    private static KeyValuePair<string, object?> Tag(BackendUsage usage) => new("backend", usage.Backend.Backend.Value);
}
