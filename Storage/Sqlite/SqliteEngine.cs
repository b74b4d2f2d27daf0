using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;
using Plane.Files;

namespace Plane.Storage.Sqlite;

/// <summary>The store's file and the thread that owns it: takes it, migrates it, keeps its clock, and notices when it can't be written.</summary>
internal sealed partial class SqliteEngine : SqliteWriter<SqliteSession>
{
    private const int ApplicationId = 0x504C_4E45;
    private const string What = "the database file";

    // The log is folded into the file from a thousand pages (4 MB) on, unless another program reads: then it grows for as long as that one does.
    private const long LargeLog = 64 * 1024 * 1024;

    // As much as a connect writes, with its indexes, and more.
    private const int ProbeBytes = 64 * 1024;

    private static readonly TimeSpan s_checkLogEvery = TimeSpan.FromSeconds(5);

    private readonly string _path;
    private readonly string _holder;
    private readonly TimeProvider _time;
    private readonly ILeaseClock _leaseClock;
    private readonly LogSignal _signal;
    private readonly ILogger _logger;
    private readonly StoreOutage _outage;
    private readonly PacedLog _largeLog;
    private SqliteFile? _file;
    private long _logCheckedAt;

    public SqliteEngine(string file, string holder, TimeProvider time, ILeaseClock leaseClock, LogSignal signal, ILogger logger)
        : base("plane-sqlite", logger)
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

    /// <summary>Answers if the file can be written.</summary>
    public Task PingAsync(CancellationToken cancellationToken)
    {
        _outage.ThrowIfUnavailable();

        // Every transaction that writes saves the clock.
        return WriteAsync(static _ => true, cancellationToken);
    }

    public override async ValueTask DisposeAsync()
    {
        await _outage.DisposeAsync();
        await base.DisposeAsync();
    }

    /// <exception cref="StoreRefusedException">Another controller has the file, or it is not a store's.</exception>
    /// <exception cref="StoreUnavailableException">It cannot be used for the moment.</exception>
    protected override SqliteSession Open()
    {
        _file = Take();
        if (_file.NameHolder() is { } problem)
        {
            throw new StoreUnavailableException(SqliteErrors.OfDisk(problem, What));
        }

        SqliteSession? session = null;
        try
        {
            session = new SqliteSession(_path);
            session.Execute("pragma journal_mode = wal");
            session.Execute("pragma synchronous = full");
            session.Execute("pragma temp_store = memory");
            session.Execute($"pragma journal_size_limit = {LargeLog}");
            session.Execute("begin immediate");
            Migrate(session);
            session.Execute("commit");
            return session;
        }
        catch (Exception e)
        {
            session?.Dispose();
            throw e switch
            {
                SqliteException s when SqliteErrors.IsDamaged(s) || SqliteErrors.IsForeign(s) =>
                    new StoreRefusedException($"{_path} is not a SQLite database, or is damaged: restore a backup, or name another file", e),
                SqliteException s when SqliteErrors.IsUnavailable(s) => new StoreUnavailableException(SqliteErrors.Reason(s, What, _file), e),
                _ => e,
            };
        }
    }

    protected override void Close()
    {
        _file?.Dispose();
        _file = null;
    }

    protected override void Begin(SqliteSession session, bool writes)
    {
        session.Logged = false;
        if (writes && _file!.IsMisplaced)
        {
            throw new StoreUnavailableException(
                "the database file was removed or renamed while the controller has it open: put that very file back, or restart the controller with the right one");
        }
    }

    protected override void BeforeWork(SqliteSession session)
    {
        session.Lease = Clock.Lease;
        session.Record = session.Lease + Clock.RecordOffset;
    }

    // With every write, so that the next opening continues no earlier than anything that was stored.
    protected override void BeforeCommit(SqliteSession session) => session.Execute("update clock set lease_base = $1", Clock.Lease);

    protected override void Committed(SqliteSession session, bool wrote)
    {
        if (session.Logged)
        {
            _signal.Wake();
        }

        CheckLog();
    }

    protected override Exception Failed(Exception cause, int count, bool wrote)
    {
        if (cause is not StoreUnavailableException failure)
        {
            if (cause is SqliteException error && SqliteErrors.IsUnavailable(error))
            {
                failure = new StoreUnavailableException(SqliteErrors.Reason(error, What, _file!), error);
            }
            else
            {
                LogGroupFailed(cause, count);
                failure = new StoreUnavailableException("a transaction failed for a reason that was not foreseen; the controller's log has more", cause);
            }
        }

        _outage.Suspect(new StoreFault(failure.Message, IsTotal: false));
        return failure;
    }

    protected override Exception Closed(Exception cause) => new StoreUnavailableException("the store is closed", cause);

    /// <summary>Writes as much as a connect.</summary>
    private async Task<StoreFault?> ProbeAsync(CancellationToken cancellationToken)
    {
        try
        {
            await WriteAloneAsync(
                static s => s.Execute("insert into probe (single, filler) values (1, randomblob($1)) on conflict (single) do update set filler = excluded.filler", ProbeBytes),
                cancellationToken);
            return null;
        }
        catch (StoreUnavailableException e)
        {
            // What only reads may still be answered.
            return new StoreFault(e.Message, IsTotal: false);
        }
    }

    private SqliteFile Take()
    {
        try
        {
            if (SqliteFile.TryTake(_path, _holder) is { } file)
            {
                return file;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StoreRefusedException($"{_path} cannot be opened: {e.Message}", e);
        }

        var other = SqliteFile.ReadHolder(_path);
        throw new StoreRefusedException($"{_path} is held by {other}: a SQLite store serves one controller at a time; stop that one first") { Holder = other };
    }

    private void Migrate(SqliteSession session)
    {
        var migrations = Migration.Of("Sqlite");
        var tables = session.Scalar("select count(*) from sqlite_master");
        if (tables > 0 && session.Scalar("pragma application_id") != ApplicationId)
        {
            throw new StoreRefusedException($"{_path} is the database of another program");
        }

        // What builds from before version 0.1.0 counted their steps in.
        if (session.Scalar("select count(*) from sqlite_master where name = 'migrations'") > 0)
        {
            throw new StoreRefusedException($"{_path}: {Migration.RefusalOfOlderBuild("move the file away, with its -wal and -shm, or name another in --db")}");
        }

        session.Execute($"pragma application_id = {ApplicationId}");
        session.Execute("create table if not exists schema_versions (version integer primary key, oldest integer not null) strict");
        var schema = (int)session.Scalar("select coalesce(max(version), 0) from schema_versions")!;
        var oldest = (int)session.Scalar("select coalesce(max(oldest), 0) from schema_versions")!;
        if (Migration.Refusal(schema, oldest, migrations[^1].Version) is { } refusal)
        {
            throw new StoreRefusedException(refusal);
        }

        foreach (var migration in migrations.Where(m => m.Version > schema))
        {
            session.Execute(migration.Sql);
            session.Execute("insert into schema_versions (version, oldest) values ($1, $2)", migration.Version, migration.Oldest);
            LogMigrated(migration.Version);
        }

        var saved = session.Query("select lease_base, record_offset from clock", static r => (r.GetInt64(0), r.GetInt64(1)));
        Clock = SqliteClock.Open(saved.Count == 0 ? null : saved[0], _time, _leaseClock);
        session.Execute(
            "insert into clock (single, lease_base, record_offset) values (1, $1, $2) on conflict (single) do update set record_offset = excluded.record_offset",
            Clock.Lease,
            Clock.RecordOffset);

        // The lease clock did not run while the file was closed, so every heartbeat looks as fresh as it was then. Live drones report within seconds.
        session.Execute("update drones set ready = 0");
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

    [LoggerMessage(EventId = EventIds.SqliteEngineMigrated, Level = LogLevel.Information, Message = "The database file's schema is now at version {Version}.")]
    private partial void LogMigrated(int version);

    [LoggerMessage(EventId = EventIds.SqliteEngineGroupFailed, Level = LogLevel.Error, Message = "A transaction of {Count} requests failed; the outcome of each is unknown to its caller.")]
    private partial void LogGroupFailed(Exception error, int count);

    [LoggerMessage(EventId = EventIds.SqliteEngineLarge, Level = LogLevel.Warning, Message = "{File} has grown to {Megabytes} MB, since another program has been reading the database for long: end it (fuser -v names it) before the disk is full.")]
    private partial void LogLarge(string file, long megabytes);

    [LoggerMessage(EventId = EventIds.SqliteEngineSmall, Level = LogLevel.Information, Message = "{File} is small again.")]
    private partial void LogSmall(string file);
}
