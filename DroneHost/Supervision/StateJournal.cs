using System.Threading.Channels;
using Plane.DroneHost.State;

namespace Plane.DroneHost.Supervision;

/// <summary>
/// Writes one backend's steps in their order, each again until it is stored: supervision continues while a disk is full, the record follows. What must be durable
/// before the next deed is waited for; of the others no sync of the disk is.
/// </summary>
internal sealed class StateJournal(DurableState state, BackendStatus last, TimeProvider time)
{
    private readonly Channel<Entry> _entries = Channel.CreateUnbounded<Entry>(new UnboundedChannelOptions { SingleReader = true });
    private BackendStatus _last = last;

    /// <summary>Puts a step behind those before it, if it leads forward. At most one a state, and few notes, so the queue is bounded by their number.</summary>
    public void Post(StateChange change) => Enqueue(change, durable: false);

    /// <summary>Puts what is to be read of a backend that stays in its state behind the steps before it.</summary>
    public void Note(StateChange change) => Append(change, durable: false);

    /// <summary>The same as <see cref="Post"/>; completes when it is durable.</summary>
    public Task RecordAsync(StateChange change) => Enqueue(change, durable: true);

    /// <summary>No more steps follow.</summary>
    public void Complete() => _entries.Writer.TryComplete();

    /// <summary>Writes until it is complete, or the agent stops and a step can't be stored: the next agent finds out by looking at what runs.</summary>
    public async Task WriteAsync(CancellationToken stopping)
    {
        var backoff = new Backoff(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(2), time);
        await foreach (var entry in _entries.Reader.ReadAllAsync(CancellationToken.None))
        {
            while (!entry.Done.Task.IsCompleted)
            {
                try
                {
                    await state.RecordAsync(entry.Change, entry.Durable);
                    backoff.Reset();
                    entry.Done.TrySetResult();
                }
                catch (StateUnavailableException e) when (stopping.IsCancellationRequested)
                {
                    entry.Fail(e);
                }
                catch (StateUnavailableException)
                {
                    await Task.WhenAny(backoff.WaitAsync(stopping));
                }
                catch (Exception e)
                {
                    entry.Fail(e);
                    throw;
                }
            }
        }
    }

    private Task Enqueue(StateChange change, bool durable)
    {
        if (change.Status <= _last)
        {
            return Task.CompletedTask;
        }

        _last = change.Status;
        return Append(change, durable);
    }

    private Task Append(StateChange change, bool durable)
    {
        var entry = new Entry(change, durable);
        _entries.Writer.TryWrite(entry);
        return entry.Done.Task;
    }

    private sealed class Entry(StateChange change, bool durable)
    {
        public StateChange Change { get; } = change;

        public bool Durable { get; } = durable;

        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Fail(Exception e)
        {
            Done.TrySetException(e);

            // No code waits for most steps.
            _ = Done.Task.Exception;
        }
    }
}
