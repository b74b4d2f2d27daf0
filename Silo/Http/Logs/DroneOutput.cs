using Microsoft.Extensions.Logging;
using Orleans;
using Orleans.Runtime;
using Plane.Storage;

namespace Plane.Silo.Http.Logs;

/// <summary>A drone did not answer, or can't read the output now.</summary>
/// <param name="message">Why.</param>
/// <param name="innerException">The cause, or null.</param>
internal sealed class OutputUnavailableException(string message, Exception? innerException = null) : Exception(message, innerException)
{
    /// <summary>Whether asking again within seconds does not help.</summary>
    public bool IsFinal { get; init; }
}

/// <summary>Asks a backend's drone for its output, over whichever gateway the drone is connected to.</summary>
internal sealed partial class DroneOutput(IDroneStore store, IGrainFactory grains, TimeProvider time, ILogger<DroneOutput> logger)
{
    private static readonly TimeSpan s_usage = TimeSpan.FromSeconds(1);

    /// <summary>What the backend used in the last hour; null where its drone does not say so within a second: the page it is for has more to show.</summary>
    public async Task<UsagePage?> TryReadUsageAsync(BackendDetails backend, CancellationToken cancellationToken)
    {
        if (await FindAsync(backend, cancellationToken) is not { } inspector)
        {
            return null;
        }

        try
        {
            return (await inspector.ReadUsage(backend.AsStarted).WaitAsync(s_usage, time, cancellationToken))?.Cleaned();
        }
        catch (Exception e) when (CallFailed.IsUnknownOutcome(e))
        {
            LogNoUsage(backend.Drone, CallFailed.Reason(e));
            return null;
        }
    }

    /// <summary>The busiest backends of drones that answer within a second, the busiest first.</summary>
    public async Task<BusyBackend[]> ReadBusiestAsync(ClusterName cluster, IEnumerable<DroneName> drones, int most, CancellationToken cancellationToken)
    {
        var all = await Task.WhenAll(drones.Select(async drone =>
        {
            if (await FindAsync(cluster, drone, cancellationToken) is not { } inspector)
            {
                return [];
            }

            try
            {
                return (await inspector.ReadBusiest(most).WaitAsync(s_usage, time, cancellationToken)).Where(b => b is { MemoryBytes: >= 0 } && b.BackendId != default && double.IsFinite(b.Cpus)).Take(most).Select(b => b with { Drone = drone });
            }
            catch (Exception e) when (CallFailed.IsUnknownOutcome(e))
            {
                LogNoUsage(drone, CallFailed.Reason(e));
                return Enumerable.Empty<BusyBackend>();
            }
        }));
        return [.. all.SelectMany(b => b).OrderByDescending(b => b.Cpus).ThenByDescending(b => b.MemoryBytes).Take(most)];
    }

    /// <summary>Asks once.</summary>
    /// <exception cref="OutputUnavailableException">No answer.</exception>
    public async Task<OutputPage> ReadAsync(BackendDetails backend, Func<OutputRequest, OutputRequest> with, CancellationToken cancellationToken)
    {
        var request = with(new OutputRequest { Backend = backend.AsStarted, Executor = backend.Executor });
        if (await FindAsync(backend, cancellationToken) is not { } inspector)
        {
            throw new OutputUnavailableException($"drone {backend.Drone} has not said where it can be asked: it is not connected, or its version is older") { IsFinal = true };
        }

        try
        {
            var page = (await inspector.ReadOutput(request).WaitAsync(cancellationToken))?.Cleaned() ?? new OutputPage { IsKnown = false };
            return page.Problem is { } problem ? throw new OutputUnavailableException($"drone {backend.Drone} could not read the output: {problem}") : page;
        }
        catch (Exception e) when (CallFailed.IsUnknownOutcome(e))
        {
            throw new OutputUnavailableException($"drone {backend.Drone} does not answer: {CallFailed.Reason(e)}", e);
        }
    }

    private Task<IDroneInspector?> FindAsync(BackendDetails backend, CancellationToken cancellationToken) => FindAsync(backend.Cluster, backend.Drone, cancellationToken);

    private async Task<IDroneInspector?> FindAsync(ClusterName cluster, DroneName drone, CancellationToken cancellationToken) =>
        await store.FindInspectorAsync(cluster, drone, cancellationToken) is { } address && GrainId.TryParse(address, null, out var id)
            ? grains.GetGrain<IDroneInspector>(id)
            : null;

    [LoggerMessage(EventIds.DroneOutputNoUsage, LogLevel.Debug, "Drone {Drone} did not say what a backend uses: {Reason}")]
    private partial void LogNoUsage(DroneName drone, string reason);
}
