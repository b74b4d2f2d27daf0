using Plane.DroneHost.Guard;
using Plane.DroneHost.Housekeeping;
using Plane.DroneHost.Leases;
using Plane.DroneHost.Session;
using Plane.DroneHost.State;
using Plane.DroneHost.Supervision;
using Plane.Hosting.Running;

namespace Plane.DroneHost;

/// <summary>Which part hears of which: the only place that connects parts that do not call each other.</summary>
internal sealed class DroneSignals(
    DurableState state,
    LeaseDirectory files,
    BackendSet backends,
    DroneReadiness readiness,
    DroneCapacity capacity,
    DescriptorWatch descriptors,
    GuardMonitor guard,
    ControllerSession sessions,
    LeaseRenewer leases,
    HeartbeatLoop heartbeat,
    ActionPuller puller,
    StateReporter reporter,
    DroneMetrics metrics)
{
    public void Connect()
    {
        sessions.Registered += leases.RenewEverything;
        backends.Started += leases.BackendStarted;
        state.OutboxGrew += reporter.OutboxGrew;

        // What keeps the drone from taking actions or backends.
        state.Writer.WritableChanged += readiness.Notify;
        files.WritableChanged += () => readiness.SetLeasesWritten(files.IsWritable);
        readiness.SetLeasesWritten(files.IsWritable);
        descriptors.Changed += () => readiness.SetShortOfDescriptors(descriptors.AreFew);
        guard.Changed += () => readiness.SetGuarded(guard.IsGuarded);

        capacity.Changed += heartbeat.BeatNow;
        readiness.Changed += heartbeat.BeatNow;
        readiness.Changed += puller.ReadinessChanged;

        metrics.ObserveBackends(() => backends.Count);
        metrics.ObserveResources(() => capacity.Current, () => ReservedOf(backends, capacity.Current));
    }

    private static ResourceAmounts ReservedOf(BackendSet backends, ResourceAmounts capacity) => backends.All.Aggregate(
        ResourceAmounts.None, (sum, b) => sum.Plus(b.Reserves.Gpus == ResourceAmounts.AllGpus ? b.Reserves with { Gpus = capacity.Gpus } : b.Reserves));
}
