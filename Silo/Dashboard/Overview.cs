using Microsoft.Extensions.Diagnostics.HealthChecks;
using Plane.Grains.Clusters;
using Plane.Storage;

namespace Plane.Silo.Dashboard;

/// <summary>Finds out what is wrong now and what happened lately.</summary>
internal sealed class Overview(IDroneStore store, IBackendStore backends, IChangeLog changes, DronePicker drones, HealthCheckService health, TimeProvider time)
{
    private const int MostEvents = 300;
    private const int MostFailures = 5;

    // Beyond that their number says no more than that there are many.
    private const int MostCounted = 100;

    // What a screen shows at a glance.
    private const int EventRows = 25;

    private static readonly TimeSpan s_lately = TimeSpan.FromMinutes(10);

    // A drone that ended on purpose stays in the list for days.
    private static readonly TimeSpan s_goneLately = TimeSpan.FromHours(1);

    public async Task<OverviewModel> ReadAsync(CancellationToken cancellationToken)
    {
        var problems = new List<Problem>();
        foreach (var (name, entry) in (await health.CheckHealthAsync(cancellationToken)).Entries.Where(e => e.Value.Status != HealthStatus.Healthy))
        {
            problems.Add(new Problem(entry.Description ?? entry.Exception?.Message ?? name, null, IsSevere: true));
        }

        var clusters = new List<ClusterView>();
        foreach (var name in await store.ListClustersAsync(cancellationToken))
        {
            var cluster = new ClusterView(name, await drones.ReadStateAsync(name, cancellationToken));
            clusters.Add(cluster);
            problems.AddRange(ProblemsOf(cluster));
        }

        var since = time.GetUtcNow() - s_lately;
        var events = (await changes.ReadEventsAsync(null, null, MostEvents, cancellationToken)).Events.Where(e => e.Time >= since).Reverse().ToArray();
        problems.AddRange(ProblemsOf(await backends.ListFailuresAsync(s_lately, MostCounted + 1, cancellationToken)));
        return new OverviewModel(problems, clusters, [.. events.Take(EventRows)], events.Length > EventRows);
    }

    // Not taken from the events: these are the last ones alone, and a failure is not wrong any less where many other things have happened since.
    private static IEnumerable<Problem> ProblemsOf(IReadOnlyList<BackendFailure> failures)
    {
        foreach (var failure in failures.Take(MostFailures))
        {
            yield return new Problem(
                $"Backend {failure.BackendId} (key {Words.Key(failure.Key)}) ended: {Words.Why(failure.Reason, failure.ExitError)}", $"/backends/{failure.BackendId}", IsSevere: false);
        }

        var others = Math.Min(failures.Count, MostCounted) - MostFailures;
        if (others > 0)
        {
            yield return new Problem(
                $"{(failures.Count > MostCounted ? "More than " : "")}{others} more {(others == 1 ? "backend" : "backends")} failed in the last ten minutes", "/events", IsSevere: false);
        }
    }

    private static IEnumerable<Problem> ProblemsOf(ClusterView cluster)
    {
        var link = $"/clusters/{cluster.Name}";
        var there = cluster.State.Drones.Where(d => d.Ready || TimeSpan.FromMilliseconds(d.LastHeartbeatAge) < s_goneLately).ToArray();
        if (there.Length > 0 && cluster.Ready == 0)
        {
            yield return new Problem($"No drone of {cluster.Name} takes new backends", link, IsSevere: true);
        }

        foreach (var drone in there)
        {
            if (drone is { Ready: false, Draining: false })
            {
                yield return new Problem(
                    $"Drone {drone.Node.Name} of {cluster.Name} is not ready; its last heartbeat was {Words.Span(TimeSpan.FromMilliseconds(drone.LastHeartbeatAge))} ago", link, IsSevere: true);
            }

            if (drone.UnavailableKinds.Length > 0)
            {
                yield return new Problem(
                    $"Drone {drone.Node.Name} of {cluster.Name} can't run {string.Join(", ", drone.UnavailableKinds.Select(Words.Kind))} now: the runtime does not answer", link, IsSevere: true);
            }

            if (drone.BackendCount >= drone.MaxBackends)
            {
                yield return new Problem($"Drone {drone.Node.Name} of {cluster.Name} is full", link, IsSevere: false);
            }
        }

        if (there.Length > 0 && cluster.State.Proxies.Length == 0)
        {
            yield return new Problem($"No proxy of {cluster.Name} is connected: its backends cannot be reached", link, IsSevere: true);
        }
    }
}
