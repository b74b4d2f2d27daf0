using System.Threading.Channels;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;

namespace Plane.Drone.State;

/// <summary>
/// The one thread that touches the state file.
/// <para>
/// 1. What queued up while the last commit was written is one transaction: its cost is one fsync, however many backends moved.
/// 2. Where a piece of the transaction fails, everything is rolled back and each piece is done again in a transaction of its own, so that a piece fails alone.
/// 3. Where the file cannot be written at all, every piece fails with <see cref="StateUnavailableException"/>, <see cref="IsWritable"/> turns false, and the thread
///    tries a write of its own each second until one succeeds. It needs room for a good many states, so that a disk that is full by a hair doesn't flap.
/// </para>
/// Callers own the repetition of what failed: only they know whether it still matters.
/// </summary>
internal sealed partial class StateWriter : IAsyncDisposable
{
    private const int MaxCommit = 1_024;
    private const int ProbeBytes = 256 * 1024;

    private readonly SqliteConnection _connection;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Channel<Work> _queue = Channel.CreateBounded<Work>(new BoundedChannelOptions(16_384) { SingleReader = true });
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool _isWritable = true;

    public StateWriter(SqliteConnection connection, TimeProvider time, ILogger logger)
    {
        _connection = connection;
        _time = time;
        _logger = logger;
        new Thread(Run) { IsBackground = true, Name = "plane drone state" }.Start();
    }

    /// <summary>Raised on the writer's thread when <see cref="IsWritable"/> changes.</summary>
    public event Action? WritableChanged;

    /// <summary>Whether the last write succeeded.</summary>
    public bool IsWritable => _isWritable;

    /// <summary>Commits so far.</summary>
    public long Commits { get; private set; }

    /// <summary>Called before each commit; a test throws from it what a failing disk would.</summary>
    internal Action? Fault { get; set; }

    /// <summary>Runs the work in a transaction and completes when it is durable.</summary>
    /// <exception cref="StateUnavailableException">The file cannot be written; nothing was changed.</exception>
    public Task<T> DoAsync<T>(Func<SqliteConnection, SqliteTransaction, T> work, CancellationToken cancellationToken = default) =>
        EnqueueAsync(new Work<T>(work, writes: true), cancellationToken);

    /// <summary>Runs work that only reads. It succeeds on a full disk too, and says nothing about whether the file can be written.</summary>
    public Task<T> ReadAsync<T>(Func<SqliteConnection, SqliteTransaction, T> work, CancellationToken cancellationToken = default) =>
        EnqueueAsync(new Work<T>(work, writes: false), cancellationToken);

    public async ValueTask DisposeAsync()
    {
        _queue.Writer.TryComplete();
        await _ended.Task;
    }

    private async Task<T> EnqueueAsync<T>(Work<T> work, CancellationToken cancellationToken)
    {
        try
        {
            await _queue.Writer.WriteAsync(work, cancellationToken);
        }
        catch (ChannelClosedException e)
        {
            throw new StateUnavailableException("the state file is closed", e);
        }

        return await work.Task;
    }

    private void Run()
    {
        try
        {
            var batch = new List<Work>();
            while (true)
            {
                var open = WaitForWork();
                while (batch.Count < MaxCommit && _queue.Reader.TryRead(out var work))
                {
                    batch.Add(work);
                }

                if (batch.Count > 0)
                {
                    Commit(batch);
                    batch.Clear();
                }
                else if (!open)
                {
                    return;
                }
                else
                {
                    Probe();
                }
            }
        }
        finally
        {
            _connection.Dispose();
            _ended.TrySetResult();
        }
    }

    /// <summary>False where the queue is closed and empty. Comes back by itself each second while the file cannot be written.</summary>
    private bool WaitForWork()
    {
        var available = _queue.Reader.WaitToReadAsync().AsTask();
        if (_isWritable)
        {
            return available.GetAwaiter().GetResult();
        }

        using var stop = new CancellationTokenSource();
        Task.WaitAny(available, Task.Delay(TimeSpan.FromSeconds(1), _time, stop.Token));
        stop.Cancel();
        return !available.IsCompleted || available.GetAwaiter().GetResult();
    }

    private void Commit(List<Work> batch)
    {
        var writes = batch.Exists(w => w.Writes);
        try
        {
            using (var transaction = _connection.BeginTransaction(deferred: !writes))
            {
                foreach (var work in batch)
                {
                    work.Run(_connection, transaction);
                }

                if (writes)
                {
                    Fault?.Invoke();
                }

                transaction.Commit();
            }

            if (writes)
            {
                Commits++;
                SetWritable(null);
            }

            batch.ForEach(w => w.Complete());
        }
        catch (Exception e) when (batch.Count > 1)
        {
            LogRepeating(e, batch.Count);
            foreach (var work in batch)
            {
                Commit([work]);
            }
        }
        catch (Exception e) when (e is SqliteException or IOException)
        {
            if (writes)
            {
                SetWritable(e);
            }

            batch[0].Fail(new StateUnavailableException($"the state file cannot be written: {e.Message}", e));
        }
        catch (Exception e)
        {
            batch[0].Fail(e);
        }
    }

    private void Probe()
    {
        if (_isWritable)
        {
            return;
        }

        var probe = new Work<bool>(static (connection, transaction) =>
        {
            using var command = connection.CreateCommand();
            command.Transaction = transaction;
            command.CommandText = "insert or replace into probe values (1, zeroblob($bytes)); delete from probe";
            command.Parameters.AddWithValue("$bytes", ProbeBytes);
            return command.ExecuteNonQuery() > 0;
        }, writes: true);
        Commit([probe]);

        // Its failure was logged when the file became unwritable; nobody else waits for it.
        _ = probe.Task.Exception;
    }

    private void SetWritable(Exception? failure)
    {
        var writable = failure is null;
        if (writable == _isWritable)
        {
            return;
        }

        _isWritable = writable;
        if (writable)
        {
            LogWritable();
        }
        else
        {
            LogUnwritable(failure!);
        }

        WritableChanged?.Invoke();
    }

    [LoggerMessage(EventIds.StateWriterUnwritable, LogLevel.Error, "The state file cannot be written: no actions are taken until it can; what runs is supervised and renewed")]
    private partial void LogUnwritable(Exception failure);

    [LoggerMessage(EventIds.StateWriterWritable, LogLevel.Information, "The state file can be written again")]
    private partial void LogWritable();

    [LoggerMessage(EventIds.StateWriterRepeating, LogLevel.Warning, "A commit of {Count} writes failed; each is repeated alone")]
    private partial void LogRepeating(Exception failure, int count);

    private abstract class Work(bool writes)
    {
        public bool Writes { get; } = writes;

        public abstract void Run(SqliteConnection connection, SqliteTransaction transaction);

        public abstract void Complete();

        public abstract void Fail(Exception failure);
    }

    private sealed class Work<T>(Func<SqliteConnection, SqliteTransaction, T> work, bool writes) : Work(writes)
    {
        private readonly TaskCompletionSource<T> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private T _result = default!;

        public Task<T> Task => _done.Task;

        public override void Run(SqliteConnection connection, SqliteTransaction transaction) => _result = work(connection, transaction);

        public override void Complete() => _done.TrySetResult(_result);

        public override void Fail(Exception failure) => _done.TrySetException(failure);
    }
}
