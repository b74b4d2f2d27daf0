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
    private const int ApplicationId = 0x504C_4E45;

    private readonly string _file;
    private readonly TimeProvider _time;
    private readonly ILeaseClock _leaseClock;
    private readonly LogSignal _signal;
    private readonly ILogger _logger;
    private readonly Channel<Work> _queue = Channel.CreateBounded<Work>(new BoundedChannelOptions(10_000) { SingleReader = true });
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Not disposed: its token is out with whoever took the lock, and it has no timer.
    private readonly CancellationTokenSource _lost = new();
    private Task? _opened;

    public SqliteEngine(string file, TimeProvider time, ILeaseClock leaseClock, LogSignal signal, ILogger logger)
    {
        _file = file;
        _time = time;
        _leaseClock = leaseClock;
        _signal = signal;
        _logger = logger;
    }

    /// <summary>Known once it is open.</summary>
    public SqliteClock Clock { get; private set; } = null!;

    /// <summary>Cancelled when the file is no longer held.</summary>
    public CancellationToken Lost => _lost.Token;

    private string HolderFile => _file + ".holder";

    /// <summary>Opens and locks the file, brings its schema up to date; once, so that a failure stays one.</summary>
    public Task OpenAsync()
    {
        if (_opened is null)
        {
            var opened = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _opened = opened.Task;
            new Thread(() => Run(opened)) { IsBackground = true, Name = "plane-sqlite" }.Start();
        }

        return _opened;
    }

    /// <summary>Says in a file beside the store who holds it; the lock itself is SQLite's.</summary>
    public void TellHolder(string holder)
    {
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, Share = FileShare.ReadWrite };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        using var writer = new StreamWriter(HolderFile, options);
        writer.Write(holder);
    }

    public Task<T> ReadAsync<T>(Func<SqliteSession, T> work, CancellationToken cancellationToken) => QueueAsync(work, writes: false, cancellationToken);

    public Task<T> WriteAsync<T>(Func<SqliteSession, T> work, CancellationToken cancellationToken) => QueueAsync(work, writes: true, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        _queue.Writer.TryComplete();
        if (_opened is not null)
        {
            await _ended.Task;
        }
    }

    private static bool IsUnavailable(SqliteException e) => e.SqliteErrorCode is
        5 // SQLITE_BUSY
        or 6 // SQLITE_LOCKED
        or 7 // SQLITE_NOMEM
        or 8 // SQLITE_READONLY
        or 10 // SQLITE_IOERR
        or 13 // SQLITE_FULL
        or 14; // SQLITE_CANTOPEN

    private static Exception Translate(Exception error) => error is SqliteException e && IsUnavailable(e)
        ? new StoreUnavailableException($"the database file could not be used: {e.Message}", e)
        : error;

    private async Task<T> QueueAsync<T>(Func<SqliteSession, T> run, bool writes, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var work = new Work<T>(run, writes, cancellationToken);
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

    private void Run(TaskCompletionSource opened)
    {
        SqliteSession? session = null;
        try
        {
            session = Open();
            opened.SetResult();
            var group = new List<Work>(MaxGroup);
            while (_queue.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
            {
                group.Clear();
                while (group.Count < MaxGroup && _queue.Reader.TryRead(out var work))
                {
                    group.Add(work);
                }

                RunGroup(session, group);
            }
        }
        catch (Exception e)
        {
            // Before it is open this is the opener's answer; later it is a defect, and nobody can be served any more.
            if (!opened.TrySetException(e))
            {
                LogDied(e);
            }

            _queue.Writer.TryComplete();
            _lost.Cancel();
            while (_queue.Reader.TryRead(out var work))
            {
                work.Fail(new StoreUnavailableException("the store is closed", e));
                work.Complete();
            }
        }
        finally
        {
            if (session is not null)
            {
                session.Dispose();
                File.Delete(HolderFile);
            }

            _ended.SetResult();
        }
    }

    private void RunGroup(SqliteSession session, List<Work> group)
    {
        var writes = group.Exists(w => w.Writes);
        session.Logged = false;
        try
        {
            session.Execute(writes ? "begin immediate" : "begin");
            foreach (var work in group)
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
                catch (Exception e)
                {
                    work.Fail(Translate(e));
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

            if (writes)
            {
                // With every write, so that the next opening goes on no earlier than anything that was stored.
                session.Execute("update clock set lease_base = $1", Clock.Lease);
            }

            session.Execute("commit");
        }
        catch (Exception e)
        {
            LogGroupFailed(e, group.Count);
            session.Logged = false;
            foreach (var work in group)
            {
                work.Fail(new StoreUnavailableException("the database file could not be written", e));
            }

            Abandon(session);
        }

        foreach (var work in group)
        {
            work.Complete();
        }

        if (session.Logged)
        {
            _signal.Wake();
        }
    }

    private void Abandon(SqliteSession session)
    {
        try
        {
            session.Execute("rollback");
        }
        catch (SqliteException e)
        {
            // SQLite itself rolls back after some errors (disk full, I/O); then there is nothing left to roll back.
            LogRolledBack(e.SqliteErrorCode);
        }
    }

    private SqliteSession Open()
    {
        SQLitePCL.Batteries_V2.Init();
        CreateFile();

        // The time-out is how long the driver asks for a lock that another holds: a second program shall be told soon.
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = _file, Pooling = false, DefaultTimeout = 1 }.ConnectionString);
        var session = new SqliteSession(connection);
        try
        {
            connection.Open();
            session.Execute("pragma locking_mode = exclusive");
            session.Execute("pragma journal_mode = wal");
            session.Execute("pragma synchronous = full");
            session.Execute("pragma temp_store = memory");
            session.Execute("begin immediate");
            Migrate(session);
            session.Execute("commit");
            TellHolder($"process {Environment.ProcessId}");
            return session;
        }
        catch (SqliteException e) when (e.SqliteErrorCode is 5 or 6)
        {
            session.Dispose();
            throw new StoreRefusedException($"{_file} is held by {ReadHolder()}: a SQLite store serves one controller at a time", e);
        }
        catch (SqliteException e) when (e.SqliteErrorCode is 26 or 11)
        {
            session.Dispose();
            throw new StoreRefusedException($"{_file} is no SQLite database, or is damaged", e);
        }
        catch (Exception e)
        {
            session.Dispose();
            throw Translate(e);
        }
    }

    private void CreateFile()
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_file)!);
            if (!File.Exists(_file) && !OperatingSystem.IsWindows())
            {
                // It holds secrets; SQLite gives its log the same mode.
                using var created = new FileStream(_file, new FileStreamOptions
                {
                    Mode = FileMode.OpenOrCreate,
                    Access = FileAccess.Write,
                    Share = FileShare.ReadWrite,
                    UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
                });
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StoreRefusedException($"{_file} cannot be made: {e.Message}", e);
        }
    }

    private void Migrate(SqliteSession session)
    {
        var migrations = Migration.Of("Sqlite");
        var tables = session.Scalar("select count(*) from sqlite_master");
        if (tables > 0 && session.Scalar("pragma application_id") != ApplicationId)
        {
            throw new StoreRefusedException($"{_file} is the database of another program");
        }

        session.Execute($"pragma application_id = {ApplicationId}");
        session.Execute("create table if not exists migrations (version integer primary key, oldest integer not null)");
        var schema = (int)session.Scalar("select coalesce(max(version), 0) from migrations")!;
        var oldest = (int)session.Scalar("select coalesce(max(oldest), 0) from migrations")!;
        if (Migration.Refusal(schema, oldest, migrations[^1].Version) is { } refusal)
        {
            throw new StoreRefusedException(refusal);
        }

        foreach (var migration in migrations.Where(m => m.Version > schema))
        {
            session.Execute(migration.Sql);
            session.Execute("insert into migrations (version, oldest) values ($1, $2)", migration.Version, migration.Oldest);
            LogMigrated(migration.Version);
        }

        var saved = session.Query("select lease_base, record_offset from clock", static r => (r.GetInt64(0), r.GetInt64(1)));
        Clock = SqliteClock.Open(saved.Count == 0 ? null : saved[0], _time, _leaseClock);
        session.Execute(
            "insert into clock (single, lease_base, record_offset) values (1, $1, $2) on conflict (single) do update set record_offset = excluded.record_offset",
            Clock.Lease,
            Clock.RecordOffset);

        // The lease clock stood still while the file was closed, so every heartbeat looks as fresh as it was then. Who lives says so again within seconds.
        session.Execute("update drones set ready = 0");
    }

    private string ReadHolder()
    {
        try
        {
            var text = File.ReadAllText(HolderFile);
            return text.Length == 0 ? "another program" : text.Length > 300 ? text[..300] : text;
        }
        catch (IOException)
        {
            return "another program";
        }
        catch (UnauthorizedAccessException)
        {
            return "a program of another user";
        }
    }

    [LoggerMessage(EventId = 2301, Level = LogLevel.Information, Message = "the database file's schema is now at version {Version}")]
    private partial void LogMigrated(int version);

    [LoggerMessage(EventId = 2302, Level = LogLevel.Error, Message = "a transaction of {Count} requests failed; each is told that its outcome is unknown")]
    private partial void LogGroupFailed(Exception error, int count);

    [LoggerMessage(EventId = 2303, Level = LogLevel.Critical, Message = "the thread of the database file died")]
    private partial void LogDied(Exception error);

    [LoggerMessage(EventId = 2304, Level = LogLevel.Debug, Message = "the transaction was rolled back by SQLite already (error {Code})")]
    private partial void LogRolledBack(int code);

    private abstract class Work(bool writes)
    {
        public bool Writes { get; } = writes;

        public abstract void Run(SqliteSession session);

        public abstract void Fail(Exception error);

        public abstract void Complete();
    }

    private sealed class Work<T>(Func<SqliteSession, T> run, bool writes, CancellationToken cancellationToken) : Work(writes)
    {
        private readonly TaskCompletionSource<T> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private T _result = default!;
        private Exception? _error;

        public Task<T> Answer => _answer.Task;

        public override void Run(SqliteSession session)
        {
            cancellationToken.ThrowIfCancellationRequested();
            _result = run(session);
        }

        public override void Fail(Exception error) => _error ??= error;

        public override void Complete()
        {
            if (_error is OperationCanceledException canceled)
            {
                _answer.TrySetCanceled(canceled.CancellationToken);
            }
            else if (_error is not null)
            {
                _answer.TrySetException(_error);
            }
            else
            {
                _answer.TrySetResult(_result);
            }
        }
    }
}
