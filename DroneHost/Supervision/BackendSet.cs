using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.State;

namespace Plane.DroneHost.Supervision;

/// <summary>The backends that this drone leads, each by a task of its own, which this set owns.</summary>
internal sealed partial class BackendSet(SupervisionParts parts, Action<Exception> fail, ILogger<BackendSet> logger) : IAsyncDisposable
{
    private readonly ConcurrentDictionary<BackendIdentity, (BackendSupervisor Supervisor, Task Life)> _backends = [];
    private readonly CancellationTokenSource _leave = new();
    private readonly Lock _gate = new();
    private TaskCompletionSource? _empty;
    private TimeSpan? _endGrace;

    /// <summary>All of them, without a lock.</summary>
    public IEnumerable<BackendSupervisor> All => _backends.Select(p => p.Value.Supervisor);

    public int Count => _backends.Count;

    /// <summary>Raised for each backend that is led from now on, once <see cref="All"/> holds it.</summary>
    public event Action? Started;

    public BackendSupervisor? Find(BackendIdentity identity) => _backends.TryGetValue(identity, out var entry) ? entry.Supervisor : null;

    /// <summary>Why a spawn can't be carried out here, or null.</summary>
    public string? Refusal(SpawnOrder order) =>
        parts.Runtimes.Has(order.Executable.Kind) ? null : $"this drone does not run {order.Executable.Kind.ToString().ToLowerInvariant()} backends";

    /// <summary>Leads a backend: a new one, or one that the state file knew when the agent started.</summary>
    public void Start(BackendRow row, Task<FoundBackend?>? adoption = null)
    {
        lock (_gate)
        {
            if (_leave.IsCancellationRequested || _backends.ContainsKey(row.Identity))
            {
                return;
            }

            var supervisor = new BackendSupervisor(row, parts);

            // In the set before its life begins, so that its first exit or deadline finds it.
            var begin = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _backends[row.Identity] = (supervisor, LeadAsync(supervisor, begin.Task, adoption));
            if (_endGrace is { } graceCap)
            {
                supervisor.RequestTermination(TerminationKind.Soft, TerminationReason.External, graceCap);
            }

            begin.SetResult();
        }

        Started?.Invoke();
    }

    /// <summary>Completes once none is left.</summary>
    public Task WhenEmptyAsync()
    {
        lock (_gate)
        {
            if (_backends.IsEmpty)
            {
                return Task.CompletedTask;
            }

            _empty ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _empty.Task;
        }
    }

    /// <summary>Asks all to end, with at most so much grace; those too that are started from now on.</summary>
    public void EndAll(TimeSpan graceCap)
    {
        lock (_gate)
        {
            _endGrace = graceCap;
        }

        foreach (var backend in All)
        {
            backend.RequestTermination(TerminationKind.Soft, TerminationReason.External, graceCap);
        }
    }

    /// <summary>Lets go of all, as they are.</summary>
    public async ValueTask DisposeAsync()
    {
        await _leave.CancelAsync();
        await Task.WhenAll(_backends.Select(p => p.Value.Life));
    }

    private async Task LeadAsync(BackendSupervisor supervisor, Task begin, Task<FoundBackend?>? adoption)
    {
        await begin;
        try
        {
            await supervisor.RunAsync(adoption, _leave.Token);
        }
        catch (Exception e)
        {
            // A backend that no supervisor has would outlive its key: the agent starts again and adopts it.
            LogDied(e, supervisor.Identity.Backend);
            fail(e);
            return;
        }

        if (!_leave.IsCancellationRequested)
        {
            lock (_gate)
            {
                _backends.TryRemove(supervisor.Identity, out _);
                if (_backends.IsEmpty)
                {
                    _empty?.TrySetResult();
                    _empty = null;
                }
            }
        }
    }

    [LoggerMessage(EventIds.BackendSetDied, LogLevel.Critical, "The supervision of {Backend} failed")]
    private partial void LogDied(Exception e, BackendName backend);
}
