using System.Threading.Channels;
using Plane.Drone.Session;
using Plane.Drone.State;

namespace Plane.Drone.Supervision;

/// <summary>
/// Writes one backend's steps in their order, each again until it is stored: supervision goes on while a disk is full, the record follows. What must be durable
/// before the next deed is waited for.
/// </summary>
internal sealed class StateJournal : IAsyncDisposable
{
    private readonly Channel<Entry> _entries = Channel.CreateUnbounded<Entry>(new UnboundedChannelOptions { SingleReader = true });
    private readonly CancellationTokenSource _stop = new();
    private readonly DroneState _state;
    private readonly TimeProvider _time;
    private readonly Task _writing;
    private BackendStatus _last;

    public StateJournal(DroneState state, BackendStatus last, TimeProvider time)
    {
        _state = state;
        _last = last;
        _time = time;
        _writing = WriteAsync();
    }

    /// <summary>Puts a step behind those before it, if it leads forward. At most one a state, so the queue is bounded by their number.</summary>
    /// <returns>Completes when it is durable.</returns>
    public Task Record(StateChange change)
    {
        if (change.Status <= _last)
        {
            return Task.CompletedTask;
        }

        _last = change.Status;
        var entry = new Entry(change);
        _entries.Writer.TryWrite(entry);
        return entry.Done.Task;
    }

    public async ValueTask DisposeAsync()
    {
        _entries.Writer.TryComplete();
        await _stop.CancelAsync();
        await _writing;
        _stop.Dispose();
    }

    private async Task WriteAsync()
    {
        var backoff = new Backoff(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(2), _time);
        await foreach (var entry in _entries.Reader.ReadAllAsync())
        {
            while (!entry.Done.Task.IsCompleted)
            {
                try
                {
                    await _state.RecordAsync(entry.Change);
                    backoff.Reset();
                    entry.Done.TrySetResult();
                }
                catch (StateUnavailableException e)
                {
                    try
                    {
                        await backoff.WaitAsync(_stop.Token);
                    }
                    catch (OperationCanceledException)
                    {
                        // The agent stops: the next one finds out by looking at what runs.
                        entry.Done.TrySetException(e);
                        _ = entry.Done.Task.Exception;
                    }
                }
                catch (Exception e)
                {
                    entry.Done.TrySetException(e);
                    _ = entry.Done.Task.Exception;
                }
            }
        }
    }

    private sealed class Entry(StateChange change)
    {
        public StateChange Change { get; } = change;

        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
