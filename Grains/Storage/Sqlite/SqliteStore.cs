using Microsoft.Extensions.Logging;

namespace Plane.Grains.Storage.Sqlite;

/// <summary>
/// The store in one file, for one controller without a server. Every decision is made by the thread that owns the file (<see cref="SqliteEngine"/>), one piece
/// of work after the other, so what PostgreSQL needs locks for is here plain order. Its time is <see cref="SqliteClock"/>.
/// </summary>
internal sealed partial class SqliteStore : IPlaneStore
{
    private readonly SqliteEngine _engine;
    private readonly LeaseNumbers _numbers;
    private readonly LogSignal _signal;
    private readonly Lock _lockLock = new();
    private readonly long _expiry;
    private readonly long _fresh;
    private readonly long _silent;
    private string? _installationId;
    private string? _holder;

    public SqliteStore(string file, LeaseNumbers numbers, ILoggerFactory loggers, TimeProvider time, ILeaseClock clock)
    {
        _numbers = numbers;
        _expiry = (long)numbers.Expiry.TotalMilliseconds;
        _fresh = (long)numbers.HeartbeatFresh.TotalMilliseconds;
        _silent = (long)numbers.ProxySilent.TotalMilliseconds;
        _signal = new LogSignal(time);
        _engine = new SqliteEngine(file, time, clock, _signal, loggers.CreateLogger<SqliteStore>());
    }

    public string InstallationId => _installationId ?? throw new InvalidOperationException("the store is not initialised");

    public async Task InitializeAsync(CancellationToken cancellationToken)
    {
        await _engine.OpenAsync();
        _installationId = await _engine.ReadAsync(static s => s.ScalarText("select id from installation")!, cancellationToken);
    }

    public Task PingAsync(CancellationToken cancellationToken) => _engine.ReadAsync(static s => s.Scalar("select 1"), cancellationToken);

    // Whoever has the file open holds the lock; here remains to tell two holders within this program apart.
    public Task<StoreLockResult> TryLockAsync(string holder, CancellationToken cancellationToken)
    {
        lock (_lockLock)
        {
            if (_holder is not null)
            {
                return Task.FromResult(new StoreLockResult(null, _holder));
            }

            _holder = StoreText.Clean(holder, 300);
            _engine.TellHolder(_holder);
            return Task.FromResult(new StoreLockResult(new FileLock(this), null));
        }
    }

    public Task<StoreLockResult> TryJoinAsync(string clusterId, string serviceId, string holder, CancellationToken cancellationToken) =>
        TryLockAsync(holder, cancellationToken);

    public Task HeartbeatControllerAsync(ControllerName controller, string version, string hash, CancellationToken cancellationToken) => _engine.WriteAsync(
        s => s.Execute(
            """
            insert into controllers (id, version, hash, heartbeat_lease) values ($1, $2, $3, $4)
            on conflict (id) do update set version = excluded.version, hash = excluded.hash, heartbeat_lease = excluded.heartbeat_lease
            """,
            controller.Value,
            StoreText.Clean(version, 255),
            StoreText.Clean(hash, 255),
            s.Lease),
        cancellationToken);

    public ValueTask DisposeAsync() => _engine.DisposeAsync();

    private static DateTimeOffset Time(long record) => DateTimeOffset.FromUnixTimeMilliseconds(record);

    private sealed class FileLock(SqliteStore store) : IStoreLock
    {
        public CancellationToken Lost => store._engine.Lost;

        public ValueTask DisposeAsync()
        {
            lock (store._lockLock)
            {
                store._holder = null;
            }

            return ValueTask.CompletedTask;
        }
    }
}
