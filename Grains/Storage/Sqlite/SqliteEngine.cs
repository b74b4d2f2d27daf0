using System.Threading.Channels;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;

namespace Plane.Grains.Storage.Sqlite;

/// <summary>
/// One thread owns the file (SQLite has one writer at a time, and its calls block). What is queued at a moment shares one transaction and so one sync of the
/// disk; each piece of work has a savepoint of its own, and is answered only after the common commit. Reads go the same way: they see what was asked before them.
/// </summary>
internal sealed partial class SqliteEngine : IAsyncDisposable
{
    // A group is bounded so that the first in it does not wait for hundreds of others.
    private const int MaxGroup = 256;

    // The log is folded into the file from a thousand pages (4 MB) on, unless another program reads: then it grows for as long as that one does.
    private const long LargeLog = 64 * 1024 * 1024;

    // As much as a connect writes, with its indexes, and more.
    private const int ProbeBytes = 64 * 1024;

    private static readonly TimeSpan s_checkLogEvery = TimeSpan.FromSeconds(5);

    private readonly string _path;
    private readonly TimeProvider _time;
    private readonly ILeaseClock _leaseClock;
    private readonly LogSignal _signal;
    private readonly ILogger _logger;
    private readonly StoreOutage _outage;
    private readonly PacedLog _largeLog;
    private readonly Channel<SqliteWork> _queue = Channel.CreateBounded<SqliteWork>(new BoundedChannelOptions(10_000) { SingleReader = true });

    private Task? _opened;
    private Task _ended = Task.CompletedTask;
    private readonly string _holder;
    private SqliteFile? _file;
    private long _logCheckedAt;

    public SqliteEngine(string file, string holder, TimeProvider time, ILeaseClock leaseClock, LogSignal signal, ILogger logger)
    {
        _path = file;
        _holder = holder;
        _time = time;
        _leaseClock = leaseClock;
        _signal = signal;
        _logger = logger;
        _outage = new StoreOutage(ProbeAsync, time, logger);
        _largeLog = new PacedLog(time);
    }

    /// <summary>Known once it is open.</summary>
    public SqliteClock Clock { get; private set; } = null!;

    /// <summary>What keeps the file from being written, or null.</summary>
    public StoreFault? Outage => _outage.Current;

    /// <summary>Takes and opens the file, brings its schema up to date. One that failed may be tried again; after a success nothing is left to do.</summary>
    /// <exception cref="StoreRefusedException">Another controller has the file, or it is not a store's.</exception>
    /// <exception cref="StoreUnavailableException">It cannot be used for the moment.</exception>
    public Task OpenAsync()
    {
        if (_opened is not { IsFaulted: false })
        {
            var opened = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            (_opened, _ended) = (opened.Task, ended.Task);
            new Thread(() => Run(opened, ended)) { IsBackground = true, Name = "plane-sqlite" }.Start();
        }

        return _opened;
    }

    public Task<T> ReadAsync<T>(Func<SqliteSession, T> work, CancellationToken cancellationToken) =>
        QueueAsync(new SqliteWork<T>(work, writes: false, alone: false, cancellationToken), cancellationToken);

    public Task<T> WriteAsync<T>(Func<SqliteSession, T> work, CancellationToken cancellationToken) =>
        QueueAsync(new SqliteWork<T>(work, writes: true, alone: false, cancellationToken), cancellationToken);

    /// <summary>Answers if the file can be written.</summary>
    public Task PingAsync(CancellationToken cancellationToken)
    {
        _outage.ThrowIfUnavailable();

        // Every transaction that writes saves the clock.
        return WriteAsync(static _ => true, cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await _outage.DisposeAsync();
        _queue.Writer.TryComplete();
        await _ended;
    }

    /// <summary>Writes as much as a connect. In a transaction of its own: what it needs beyond the others must not make them fail.</summary>
    private async Task<StoreFault?> ProbeAsync(CancellationToken cancellationToken)
    {
        try
        {
            var probe = new SqliteWork<int>(
                static s => s.Execute("insert into probe (single, filler) values (1, randomblob($1)) on conflict (single) do update set filler = excluded.filler", ProbeBytes),
                writes: true,
                alone: true,
                cancellationToken);
            await QueueAsync(probe, cancellationToken);
            return null;
        }
        catch (StoreUnavailableException e)
        {
            // What only reads may still be answered.
            return new StoreFault(e.Message, IsTotal: false);
        }
    }

    private async Task<T> QueueAsync<T>(SqliteWork<T> work, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        try
        {
            await _queue.Writer.WriteAsync(work, cancellationToken);
        }
        catch (ChannelClosedException e)
        {
            throw new StoreUnavailableException("the store is closed", e);
        }

        return await work.Answer;
    }

    private void Run(TaskCompletionSource opened, TaskCompletionSource ended)
    {
        SqliteSession? session = null;
        Exception? refusal = null;
        try
        {
            session = Open();
            opened.SetResult();
            Serve(session);
        }
        catch (Exception e) when (!opened.Task.IsCompleted)
        {
            LogNotOpened(e.Message);
            refusal = e;
        }
        catch (Exception e)
        {
            // A defect: no request can be served any more.
            LogDied(e);
            _queue.Writer.TryComplete();
            while (_queue.Reader.TryRead(out var work))
            {
                work.Fail(new StoreUnavailableException("the store is closed", e));
                work.Complete();
            }
        }
        finally
        {
            session?.Dispose();
            _file?.Dispose();
            _file = null;
            ended.SetResult();

            // The answer to the caller that opens it, which may try again at once: not before the file is released.
            if (refusal is not null)
            {
                opened.SetException(refusal);
            }
        }
    }

    private void Serve(SqliteSession session)
    {
        var group = new List<SqliteWork>(MaxGroup);
        while (_queue.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
        {
            group.Clear();
            while (group.Count < MaxGroup && _queue.Reader.TryPeek(out var next) && (group.Count == 0 || !(next.Alone || group[0].Alone)))
            {
                _queue.Reader.TryRead(out _);
                group.Add(next);
            }

            RunGroup(session, group);
        }
    }

    private void RunGroup(SqliteSession session, List<SqliteWork> group)
    {
        var writes = group.Exists(w => w.Writes);
        if (!TryRun(session, group, writes) && writes && group.FindAll(w => !w.Writes) is { Count: > 0 } reads)
        {
            // They are answered although nothing can be written; by what is stored, not by what the failed transaction did.
            TryRun(session, reads, writes: false);
        }

        foreach (var work in group)
        {
            work.Complete();
        }

        if (session.Logged)
        {
            _signal.Wake();
        }

        CheckLog();
    }

    private bool TryRun(SqliteSession session, List<SqliteWork> group, bool writes)
    {
        session.Logged = false;
        try
        {
            if (writes && _file!.Misplaced is { } misplaced)
            {
                throw new StoreUnavailableException(misplaced);
            }

            session.Execute(writes ? "begin immediate" : "begin");
            foreach (var work in group)
            {
                Run(session, work);
            }

            if (writes)
            {
                // With every write, so that the next opening goes on no earlier than anything that was stored.
                session.Execute("update clock set lease_base = $1", Clock.Lease);
            }

            session.Execute("commit");
            return true;
        }
        catch (Exception e)
        {
            var failure = Unavailable(e, group.Count);
            session.Logged = false;
            group.ForEach(work => work.Fail(failure));
            Abandon(session);
            _outage.Suspect(new StoreFault(failure.Message, IsTotal: false));
            return false;
        }
    }

    private void Run(SqliteSession session, SqliteWork work)
    {
        session.Lease = Clock.Lease;
        session.Record = session.Lease + Clock.RecordOffset;
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

    private StoreUnavailableException Unavailable(Exception e, int count)
    {
        if (e is StoreUnavailableException unavailable)
        {
            return unavailable;
        }

        if (e is SqliteException error && SqliteErrors.IsUnavailable(error))
        {
            return new StoreUnavailableException(SqliteErrors.Reason(error, _file!), error);
        }

        LogGroupFailed(e, count);
        return new StoreUnavailableException("a transaction failed for a reason that was not foreseen; the controller's log has more", e);
    }

    private void Abandon(SqliteSession session)
    {
        try
        {
            session.Execute("rollback");
        }
        catch (SqliteException e)
        {
            // SQLite itself rolls back after some errors (disk full, I/O), and nothing was begun where another has the lock.
            LogRolledBack(e.SqliteErrorCode);
        }
    }

    private void CheckLog()
    {
        if (_time.GetElapsedTime(_logCheckedAt) < s_checkLogEvery)
        {
            return;
        }

        _logCheckedAt = _time.GetTimestamp();
        var log = new FileInfo(_path + "-wal");
        if (log is { Exists: true, Length: > LargeLog })
        {
            if (_largeLog.IsDue())
            {
                LogLarge(log.Name, log.Length / (1024 * 1024));
            }
        }
        else if (_largeLog.End())
        {
            LogSmall(log.Name);
        }
    }

    [LoggerMessage(EventId = EventIds.SqliteEngineGroupFailed, Level = LogLevel.Error, Message = "A transaction of {Count} requests failed; the outcome of each is unknown to its caller.")]
    private partial void LogGroupFailed(Exception error, int count);

    [LoggerMessage(EventId = EventIds.SqliteEngineDied, Level = LogLevel.Critical, Message = "The thread of the database file died.")]
    private partial void LogDied(Exception error);

    [LoggerMessage(EventId = EventIds.SqliteEngineRolledBack, Level = LogLevel.Debug, Message = "There was no transaction to roll back (error {Code}).")]
    private partial void LogRolledBack(int code);

    [LoggerMessage(EventId = EventIds.SqliteEngineNotOpened, Level = LogLevel.Debug, Message = "The database file could not be opened: {Reason}")]
    private partial void LogNotOpened(string reason);

    [LoggerMessage(EventId = EventIds.SqliteEngineLarge, Level = LogLevel.Warning, Message = "{File} has grown to {Megabytes} MB, since another program has been reading the database for long: end it (fuser -v names it) before the disk is full.")]
    private partial void LogLarge(string file, long megabytes);

    [LoggerMessage(EventId = EventIds.SqliteEngineSmall, Level = LogLevel.Information, Message = "{File} is small again.")]
    private partial void LogSmall(string file);
}
