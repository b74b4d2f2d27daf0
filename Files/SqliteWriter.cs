using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Plane.Files;

/// <summary>
/// One thread owns a SQLite file: SQLite has one writer at a time, and its calls block.
/// <list type="number">
/// <item>What is queued at a moment shares one transaction and so one sync of the disk, and is answered only after the common commit. Reads are queued too: they see
/// what was asked for before them.</item>
/// <item>Each piece of work that writes has a savepoint of its own: one that fails by a defect is undone and fails alone.</item>
/// <item>Where the file can't be written, all that write fail as the owner words it, and the reads among them are answered by what is stored.</item>
/// </list>
/// Callers own the repetition of what failed: only they know whether it still matters.
/// </summary>
internal abstract partial class SqliteWriter<TSession>(string thread, ILogger logger) : IAsyncDisposable
    where TSession : SqliteDatabase
{
    // A group is bounded so that the first in it does not wait for hundreds of others.
    private const int MaxGroup = 256;

    private readonly Channel<SqliteWork<TSession>> _queue =
        Channel.CreateBounded<SqliteWork<TSession>>(new BoundedChannelOptions(10_000) { SingleReader = true });

    private Task? _opened;
    private Task _ended = Task.CompletedTask;

    /// <summary>Opens the file on the writer's thread. One that failed may be tried again; after a success nothing is left to do.</summary>
    public Task OpenAsync()
    {
        if (_opened is not { IsFaulted: false })
        {
            var opened = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            (_opened, _ended) = (opened.Task, ended.Task);
            new Thread(() => Run(opened, ended)) { IsBackground = true, Name = thread }.Start();
        }

        return _opened;
    }

    /// <summary>Runs work that only reads.</summary>
    public Task<T> ReadAsync<T>(Func<TSession, T> work, CancellationToken cancellationToken = default) =>
        QueueAsync(new SqliteWork<TSession, T>(work, writes: false, durable: false, alone: false, cancellationToken), cancellationToken);

    /// <summary>Runs the work in a transaction, and answers when it is durable.</summary>
    public Task<T> WriteAsync<T>(Func<TSession, T> work, CancellationToken cancellationToken = default) =>
        QueueAsync(new SqliteWork<TSession, T>(work, writes: true, durable: true, alone: false, cancellationToken), cancellationToken);

    /// <summary>
    /// Runs the work in a transaction, and answers when it is committed, without a sync of the disk: it outlives this process however that ends, and a power failure once any later
    /// <see cref="WriteAsync"/> was answered. For what means nothing after a power failure.
    /// </summary>
    public Task<T> WriteSoonAsync<T>(Func<TSession, T> work, CancellationToken cancellationToken = default) =>
        QueueAsync(new SqliteWork<TSession, T>(work, writes: true, durable: false, alone: false, cancellationToken), cancellationToken);

    public virtual async ValueTask DisposeAsync()
    {
        _queue.Writer.TryComplete();
        await _ended;
        GC.SuppressFinalize(this);
    }

    /// <summary><see cref="WriteAsync"/> in a transaction of its own: what it needs beyond the others must not make them fail.</summary>
    protected Task<T> WriteAloneAsync<T>(Func<TSession, T> work, CancellationToken cancellationToken) =>
        QueueAsync(new SqliteWork<TSession, T>(work, writes: true, durable: true, alone: true, cancellationToken), cancellationToken);

    /// <summary>Takes and opens the file. All of these are called on the writer's thread.</summary>
    protected abstract TSession Open();

    /// <summary>Releases what <see cref="Open"/> took, after the session was disposed of.</summary>
    protected abstract void Close();

    /// <summary>Before a transaction.</summary>
    protected virtual void Begin(TSession session, bool writes)
    {
    }

    /// <summary>Before each piece of work.</summary>
    protected virtual void BeforeWork(TSession session)
    {
    }

    /// <summary>Before a transaction that writes is committed.</summary>
    protected virtual void BeforeCommit(TSession session)
    {
    }

    /// <summary>After a commit.</summary>
    protected virtual void Committed(TSession session, bool wrote)
    {
    }

    /// <summary>A transaction failed.</summary>
    /// <returns>How it fails for each caller.</returns>
    protected abstract Exception Failed(Exception cause, int count, bool wrote);

    /// <summary>How work fails when the file is closed.</summary>
    protected abstract Exception Closed(Exception cause);

    private async Task<T> QueueAsync<T>(SqliteWork<TSession, T> work, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        try
        {
            await _queue.Writer.WriteAsync(work, cancellationToken);
        }
        catch (ChannelClosedException e)
        {
            throw Closed(e);
        }

        return await work.Answer;
    }

    private void Run(TaskCompletionSource opened, TaskCompletionSource ended)
    {
        TSession? session = null;
        Exception? refusal = null;
        try
        {
            session = Open();
            opened.SetResult();
            Serve(session);
        }
        catch (Exception e) when (!opened.Task.IsCompleted)
        {
            LogNotOpened(logger, e.Message);
            refusal = e;
        }
        catch (Exception e)
        {
            // A defect: no request can be served any more.
            LogDied(logger, e);
            _queue.Writer.TryComplete();
            while (_queue.Reader.TryRead(out var work))
            {
                work.Fail(Closed(e));
                work.Complete();
            }
        }
        finally
        {
            session?.Dispose();
            Close();
            ended.SetResult();

            // The answer to the caller that opens it, which may try again at once: not before the file is released.
            if (refusal is not null)
            {
                opened.SetException(refusal);
            }
        }
    }

    private void Serve(TSession session)
    {
        var group = new List<SqliteWork<TSession>>(MaxGroup);
        while (_queue.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
        {
            group.Clear();
            while (group.Count < MaxGroup && _queue.Reader.TryPeek(out var next) && (group.Count == 0 || !(next.Alone || group[0].Alone)))
            {
                _queue.Reader.TryRead(out _);
                group.Add(next);
            }

            var writes = group.Exists(w => w.Writes);
            if (!TryRun(session, group, writes) && writes && group.FindAll(w => !w.Writes) is { Count: > 0 } reads)
            {
                // They are answered although nothing can be written; by what is stored, not by what the failed transaction did.
                TryRun(session, reads, writes: false);
            }

            group.ForEach(work => work.Complete());
        }
    }

    private bool TryRun(TSession session, List<SqliteWork<TSession>> group, bool writes)
    {
        try
        {
            Begin(session, writes);
            if (writes)
            {
                session.SyncCommits(group.Exists(w => w.Durable));
            }

            session.Execute(writes ? "begin immediate" : "begin");
            group.ForEach(work => Run(session, work));
            if (writes)
            {
                BeforeCommit(session);
            }

            session.Execute("commit");
            Committed(session, writes);
            return true;
        }
        catch (Exception e)
        {
            Abandon(session);
            var failure = Failed(e, group.Count, writes);
            group.ForEach(work => work.Fail(failure));
            return false;
        }
    }

    private void Run(TSession session, SqliteWork<TSession> work)
    {
        BeforeWork(session);
        if (work.Writes)
        {
            session.Execute("savepoint work");
        }

        try
        {
            work.Run(session);
        }
        catch (Exception e) when (!SqliteErrors.IsUnavailable(e))
        {
            work.Fail(e);
            if (work.Writes)
            {
                session.Execute("rollback to work");
            }
        }

        if (work.Writes)
        {
            session.Execute("release work");
        }
    }

    private void Abandon(TSession session)
    {
        try
        {
            session.Execute("rollback");
        }
        catch (Microsoft.Data.Sqlite.SqliteException e)
        {
            // SQLite itself rolls back after some errors (disk full, I/O), and nothing was begun where another has the lock.
            LogRolledBack(logger, e.SqliteErrorCode);
        }
    }

    [LoggerMessage(EventId = EventIds.SqliteWriterDied, Level = LogLevel.Critical, Message = "The thread of the database file died.")]
    private static partial void LogDied(ILogger logger, Exception error);

    [LoggerMessage(EventId = EventIds.SqliteWriterRolledBack, Level = LogLevel.Debug, Message = "There was no transaction to roll back (error {Code}).")]
    private static partial void LogRolledBack(ILogger logger, int code);

    [LoggerMessage(EventId = EventIds.SqliteWriterNotOpened, Level = LogLevel.Debug, Message = "The database file could not be opened: {Reason}")]
    private static partial void LogNotOpened(ILogger logger, string reason);
}
