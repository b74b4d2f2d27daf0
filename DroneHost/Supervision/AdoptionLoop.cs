using Plane.DroneHost.State;

namespace Plane.DroneHost.Supervision;

/// <summary>Runs the <see cref="Adoption"/>: begun when the agent starts, ended once every runtime has answered.</summary>
internal sealed class AdoptionLoop(Adoption adoption, DroneReadiness readiness)
{
    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Func<CancellationToken, Task>? _rest;

    /// <summary>Completes when everything that ran before is supervised or gone.</summary>
    public Task WhenDone => _done.Task;

    public void Begin(IReadOnlyCollection<BackendRow> rows) => _rest = adoption.Begin(rows, readiness.SetAdopted);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await _rest!(cancellationToken);
        _done.TrySetResult();
    }
}
