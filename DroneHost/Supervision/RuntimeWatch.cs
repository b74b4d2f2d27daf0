using Microsoft.Extensions.Logging;
using Plane.DroneHost.Runtimes;

namespace Plane.DroneHost.Supervision;

/// <summary>
/// Hears of exits, and of a runtime that goes away and comes back. The runtime's stream of exits is the fast way; a listing after each time it was opened, and
/// every half minute, is the sure one. What runs without being supervised is ended: as soon as the runtime notices that something was started elsewhere, and at
/// every check. So is a ready backend whose address another program has taken.
/// </summary>
internal sealed partial class RuntimeWatch(
    IContainerRuntime runtime,
    BackendSet backends,
    Action<ExecutorKind, bool> answers,
    TimeSpan checkEvery,
    DroneMetrics metrics,
    TimeProvider time,
    ILogger<RuntimeWatch> logger)
{
    private static readonly TimeSpan AwayCheckEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan CheckLimit = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(15);
    private const int ChecksPerListing = 6;

    private readonly Signal _checkNow = new();
    private volatile bool _isListingDue = true;

    /// <summary>Passes exits on, until it is cancelled.</summary>
    public async Task WatchExitsAsync(CancellationToken cancellationToken)
    {
        var backoff = new Backoff(TimeSpan.FromMilliseconds(50), TimeSpan.FromSeconds(1), time);
        var outage = new Outage(time);
        while (true)
        {
            _isListingDue = true;
            _checkNow.Set();
            try
            {
                await foreach (var exit in runtime.WatchExitsAsync(cancellationToken))
                {
                    backoff.Reset();
                    outage.End();
                    if (backends.Find(exit.Backend) is { } backend)
                    {
                        LogExited(exit.Backend.Backend, exit.ExitCode is { } code ? $"exited with {code}" : "is found ended");
                        backend.OnExited(exit);
                    }
                }
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                if (outage.ShouldLog(e.Message))
                {
                    LogStreamBroke(runtime.Kind, e.Message);
                }
            }

            await backoff.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Asks whether the runtime answers, until it is cancelled, and compares what it knows with what should run.</summary>
    public async Task CheckAsync(CancellationToken cancellationToken)
    {
        runtime.StartedElsewhere += _checkNow.Set;
        try
        {
            await CheckForEverAsync(cancellationToken);
        }
        finally
        {
            runtime.StartedElsewhere -= _checkNow.Set;
        }
    }

    private async Task CheckForEverAsync(CancellationToken cancellationToken)
    {
        var answered = false;
        var outage = new Outage(time);
        for (var round = 0; ; round++)
        {
            try
            {
                await TimeLimit.WithinAsync(runtime.CheckAsync, CheckLimit, time, cancellationToken);
                await TimeLimit.WithinAsync(EndUnsupervisedAsync, EndLimit, time, cancellationToken);
                await TimeLimit.WithinAsync(EndDisplacedAsync, EndLimit, time, cancellationToken);
                if (_isListingDue || !answered || round % ChecksPerListing == 0)
                {
                    _isListingDue = false;
                    await CompareAsync(cancellationToken);
                }

                answered = true;
                if (outage.End())
                {
                    LogBack(runtime.Kind);
                }
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                if (outage.ShouldLog(e.Message))
                {
                    LogAway(runtime.Kind, e.Message);
                }

                answered = false;
            }

            answers(runtime.Kind, answered);
            await _checkNow.WaitAsync(answered || checkEvery < AwayCheckEvery ? checkEvery : AwayCheckEvery, time, cancellationToken);
        }
    }

    private async Task EndUnsupervisedAsync(CancellationToken cancellationToken)
    {
        foreach (var backend in await runtime.EndUnsupervisedAsync(b => backends.Find(b) is not null, cancellationToken))
        {
            LogUnsupervised(backend.Backend, backend.Token);
            metrics.UnsupervisedEnded.Add(1);
        }
    }

    private async Task EndDisplacedAsync(CancellationToken cancellationToken)
    {
        var ready = new Dictionary<BackendIdentity, string>();
        foreach (var backend in backends.All.Where(b => b.Kind == runtime.Kind))
        {
            if (backend.ReadyAddress is { } address)
            {
                ready[backend.Identity] = address;
            }
        }

        if (ready.Count > 0)
        {
            foreach (var displaced in await runtime.FindDisplacedAsync(ready, cancellationToken))
            {
                backends.Find(displaced)?.Displaced();
            }
        }
    }

    private async Task CompareAsync(CancellationToken cancellationToken)
    {
        // Who ran before the question: what started since may be missing from the answer.
        var running = backends.All.Where(b => b.Kind == runtime.Kind && b.IsRunning).ToList();
        var found = (await runtime.ListAsync(cancellationToken)).DistinctBy(f => f.Backend).ToDictionary(f => f.Backend);
        foreach (var backend in running)
        {
            switch (found.GetValueOrDefault(backend.Identity))
            {
                case null or { State: FoundState.Created }:
                    backend.OnMissing("the runtime does not know it any more");
                    break;
                case { State: FoundState.Exited } exited:
                    backend.OnExited(exited.Exit ?? new BackendExit(backend.Identity, null, null));
                    break;
            }
        }
    }

    [LoggerMessage(EventIds.RuntimeWatchExited, LogLevel.Debug, "{Backend} {How}")]
    private partial void LogExited(BackendName backend, string how);

    [LoggerMessage(EventIds.RuntimeWatchStreamBroke, LogLevel.Warning, "The stream of exits of the {Kind} runtime broke: {Reason}")]
    private partial void LogStreamBroke(ExecutorKind kind, string reason);

    [LoggerMessage(EventIds.RuntimeWatchAway, LogLevel.Warning, "The {Kind} runtime does not answer: {Reason}")]
    private partial void LogAway(ExecutorKind kind, string reason);

    [LoggerMessage(EventIds.RuntimeWatchUnsupervised, LogLevel.Warning, "{Backend} (fencing token {Token}) was not supervised by this agent: what was there of it is ended and removed")]
    private partial void LogUnsupervised(BackendName backend, FencingToken token);

    [LoggerMessage(EventIds.RuntimeWatchBack, LogLevel.Information, "The {Kind} runtime answers again")]
    private partial void LogBack(ExecutorKind kind);
}
