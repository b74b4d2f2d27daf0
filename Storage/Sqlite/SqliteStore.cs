using System.Diagnostics.CodeAnalysis;
using System.Net;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;

namespace Plane.Storage.Sqlite;

/// <summary>
/// The store in one file, for one controller without a server. Every decision is made by the thread that owns the file (<see cref="SqliteEngine"/>), one piece
/// of work after the other, so what PostgreSQL needs locks for is here plain order. Its time is <see cref="SqliteClock"/>.
/// </summary>
[SuppressMessage("Design", "CA1001:Types that own disposable fields should be disposable", Justification = "IStore.DisposeAsync says why it is not an IAsyncDisposable.")]
internal sealed partial class SqliteStore : IPlaneStore
{
    private readonly SqliteEngine _engine;
    private readonly LeaseOptions _numbers;
    private readonly LogSignal _signal;
    private readonly UnreadableRows _unreadable;
    private readonly long _expiry;
    private readonly long _fresh;
    private readonly long _silent;
    private string? _installationId;

    /// <param name="file">The file.</param>
    /// <param name="numbers">The times of a lease.</param>
    /// <param name="loggers">Where to log.</param>
    /// <param name="time">For waits and retries, and for the time that people read.</param>
    /// <param name="clock">What the store's time progresses by.</param>
    /// <param name="holder">Names this controller for another one that is refused the file.</param>
    public SqliteStore(string file, LeaseOptions numbers, ILoggerFactory loggers, TimeProvider time, ILeaseClock clock, string? holder = null)
    {
        _numbers = numbers;
        _expiry = (long)numbers.Expiry.TotalMilliseconds;
        _fresh = (long)numbers.HeartbeatFresh.TotalMilliseconds;
        _silent = (long)numbers.ProxySilent.TotalMilliseconds;
        _signal = new LogSignal(time);
        _unreadable = new UnreadableRows(loggers.CreateLogger<SqliteStore>());
        _engine = new SqliteEngine(
            file, StoreText.Clean(holder, 300) ?? $"process {Environment.ProcessId} on {Environment.MachineName}", time, clock, _signal, loggers.CreateLogger<SqliteStore>());
    }

    public string InstallationId => _installationId ?? throw new InvalidOperationException("the store is not initialised");

    public long UnreadableRows => _unreadable.Count;

    public async Task InitializeAsync(CancellationToken cancellationToken)
    {
        await _engine.OpenAsync();
        _installationId = await _engine.ReadAsync(static s => s.ScalarText("select id from installation")!, cancellationToken);
    }

    public StoreFault? Outage => _engine.Outage;

    // A file has one controller, so there is no other to ask.
    public bool Answers => true;

    public string? ClockProblem => null;

    public Task PingAsync(CancellationToken cancellationToken) => _engine.PingAsync(cancellationToken);

    // The file's lock admits one controller, whatever its cluster is called; and the file has no clock of its own to compare with.
    public Task<PinnedCluster> PinClusterAsync(string clusterId, string serviceId, IPEndPoint silo, CancellationToken cancellationToken) =>
        Task.FromResult(new PinnedCluster(clusterId, serviceId, Now: null));

    public Task<DateTimeOffset> HeartbeatControllerAsync(
        ControllerName controller, string version, string hash, CancellationToken cancellationToken) => _engine.WriteAsync(
        s =>
        {
            if (LastServed(s) is { } last && last < s.Lease - (_silent / 2))
            {
                // Several gaps in a row, each too short for the proxies to report between, are one.
                s.Execute(
                    "update server set away_since = case when $1 < served_since + $2 then coalesce(away_since, $1) else $1 end, served_since = $3",
                    last,
                    _silent,
                    s.Lease);
            }

            s.Execute(
                """
                insert into controllers (id, version, hash, heartbeat_at) values ($1, $2, $3, $4)
                on conflict (id) do update set version = excluded.version, hash = excluded.hash, heartbeat_at = excluded.heartbeat_at
                """,
                controller.Value,
                version,
                hash,
                s.Lease);
            return Time(s.Record);
        },
        cancellationToken);

    public ValueTask DisposeAsync() => _engine.DisposeAsync();

    // A row that can't be read is left out.
    private List<T> Readable<T>(SqliteSession s, string sql, Func<SqliteDataReader, T> read, params ReadOnlySpan<object?> values)
        where T : class =>
        [.. s.Query(sql, r => _unreadable.TryRead(r, read, out var row) ? row : null, values).OfType<T>()];

    private static long? LastServed(SqliteSession s) => s.Scalar("select max(heartbeat_at) from controllers");

    /// <summary>Whether a controller gave a sign of life lately; if none did, a gap is about to end, and nothing may be concluded from the silence of others.</summary>
    private bool IsServed(SqliteSession s) => LastServed(s) is not { } last || last >= s.Lease - (_silent / 2);

    /// <summary>How long a proxy that counts may have been silent: after a gap each that counted before it is given the time to report again.</summary>
    private long ProxySilence(SqliteSession s) =>
        s.Scalar("select away_since from server where $1 < served_since + $2", s.Lease, _silent) is { } away ? s.Lease - away + _silent : _silent;

    private static DateTimeOffset Time(long record) => DateTimeOffset.FromUnixTimeMilliseconds(record);
}
