using Orleans;
using Orleans.Runtime;
using Plane.Grains.Storage;

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
internal sealed class DroneOutput(IPlaneStore store, IGrainFactory grains)
{
    /// <summary>Asks once.</summary>
    /// <exception cref="OutputUnavailableException">No answer.</exception>
    public async Task<OutputPage> ReadAsync(BackendDetails backend, Func<OutputRequest, OutputRequest> with, CancellationToken cancellationToken)
    {
        var request = with(new OutputRequest { Backend = new BackendIdentity(backend.BackendId, backend.Key.FencingToken), Executor = backend.Executor });
        if (await store.FindInspectorAsync(backend.Cluster, backend.Drone, cancellationToken) is not { } address || !GrainId.TryParse(address, null, out var id))
        {
            throw new OutputUnavailableException($"drone {backend.Drone} has not said where it can be asked: it is not connected, or its version is older") { IsFinal = true };
        }

        try
        {
            var page = await grains.GetGrain<IDroneInspector>(id).ReadOutput(request).WaitAsync(cancellationToken);
            return page.Problem is { } problem ? throw new OutputUnavailableException($"drone {backend.Drone} could not read the output: {problem}") : page;
        }
        catch (Exception e) when (CallFailed.IsUnknownOutcome(e))
        {
            throw new OutputUnavailableException($"drone {backend.Drone} does not answer: {CallFailed.Reason(e)}", e);
        }
    }
}
