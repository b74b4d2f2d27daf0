using Microsoft.Extensions.Logging;
using Plane.DroneHost.Guard;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.State;
using Polly;

namespace Plane.DroneHost.Supervision;

/// <summary>
/// The agent's first step: what the state file knows is supervised again from its recorded state, what runs under our instance and isn't in the file is ended. Supervisors begin
/// before their runtime answers, so deadlines hold while an engine is unavailable.
/// </summary>
internal sealed partial class Adoption(BackendSet backends, RuntimeSet runtimes, LeaseDirectory leases, DroneMetrics metrics, TimeProvider time, ILogger<Adoption> logger)
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(2);

    /// <summary>Leads everything that has not ended; the result completes once every runtime has answered and everything else of ours is gone.</summary>
    /// <param name="rows">What the state file knows.</param>
    /// <param name="adopted">Called for each runtime once that holds of it.</param>
    public Func<CancellationToken, Task> Begin(IReadOnlyCollection<BackendRow> rows, Action<ExecutorKind> adopted)
    {
        var known = new Dictionary<BackendIdentity, TaskCompletionSource<FoundBackend?>>();
        foreach (var row in rows.Where(r => r.Order is not null))
        {
            known[row.Identity] = new TaskCompletionSource<FoundBackend?>(TaskCreationOptions.RunContinuationsAsynchronously);
            backends.Start(row, known[row.Identity].Task);
        }

        return async cancellationToken =>
        {
            await Task.WhenAll(runtimes.All.Select(async r =>
            {
                await AdoptAsync(r, known, rows, cancellationToken);
                adopted(r.Kind);
            }));
            leases.RemoveLeftovers(known.Keys);
        };
    }

    private async Task AdoptAsync(
        IContainerRuntime runtime,
        Dictionary<BackendIdentity, TaskCompletionSource<FoundBackend?>> known,
        IReadOnlyCollection<BackendRow> rows,
        CancellationToken cancellationToken)
    {
        var listed = await UntilItAnswersAsync(() => runtime.ListAsync(cancellationToken), cancellationToken);
        var found = listed.DistinctBy(f => f.Backend).ToDictionary(f => f.Backend);
        foreach (var row in rows.Where(r => r.Order?.Executable.Kind == runtime.Kind))
        {
            known[row.Identity].TrySetResult(found.GetValueOrDefault(row.Identity));
        }

        var strangers = await UntilItAnswersAsync(() => runtime.EndUnsupervisedAsync(b => backends.Find(b) is not null, cancellationToken), cancellationToken);
        foreach (var stranger in strangers)
        {
            LogStranger(stranger.Backend, stranger.Token);
            metrics.UnsupervisedEnded.Add(1);
        }
    }

    private async Task<T> UntilItAnswersAsync<T>(Func<Task<T>> call, CancellationToken cancellationToken)
    {
        var outage = new Outage(time);
        return await Retries.Until<T>(FirstPause, LongestPause, time, answer => answer.Exception is not null, OnFailure)
            .ExecuteAsync(async _ => await call(), cancellationToken);

        void OnFailure(Outcome<T> answer)
        {
            if (outage.ShouldLog(answer.Exception!.Message))
            {
                LogAway(answer.Exception.Message);
            }
        }
    }

    [LoggerMessage(EventIds.AdoptionStranger, LogLevel.Warning, "A running backend {Backend} (fencing token {Token}) has this drone's label but is not in the state file. It was ended")]
    private partial void LogStranger(BackendName backend, FencingToken token);

    [LoggerMessage(EventIds.AdoptionAway, LogLevel.Warning, "What runs cannot be adopted yet: {Reason}")]
    private partial void LogAway(string reason);
}
