using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Plane.Storage;
using Plane.Storage.Postgres;
using Plane.Storage.Sqlite;
using Plane.Testing;

namespace Plane.Tests.Storage;

/// <summary>One engine under the suite: stores on one database, and a way to let time pass without waiting for it.</summary>
public interface IStoreHarness : IAsyncDisposable
{
    /// <summary>Controllers' stores on the same database; one for SQLite, two for PostgreSQL.</summary>
    IReadOnlyList<IPlaneStore> Stores { get; }

    /// <summary>The database's time continues by so much.</summary>
    Task AdvanceAsync(TimeSpan time);
}

/// <summary>A clock that tests set.</summary>
public sealed class ManualLeaseClock : ILeaseClock
{
    private long _milliseconds = 1_000_000;

    public long Milliseconds => Interlocked.Read(ref _milliseconds);

    public string BootId => "boot";

    public void Advance(TimeSpan time) => Interlocked.Add(ref _milliseconds, (long)time.TotalMilliseconds);
}

internal sealed class SqliteHarness : IStoreHarness
{
    private readonly TempDirectory _directory = new();
    private readonly ManualLeaseClock _clock = new();

    private SqliteHarness(LeaseOptions numbers) =>
        Stores = [new SqliteStore(_directory["plane.db"], numbers, NullLoggerFactory.Instance, TimeProvider.System, _clock)];

    public IReadOnlyList<IPlaneStore> Stores { get; }

    public static async Task<IStoreHarness> OpenAsync(LeaseOptions numbers)
    {
        var harness = new SqliteHarness(numbers);
        await harness.Stores[0].InitializeAsync(default);
        return harness;
    }

    public Task AdvanceAsync(TimeSpan time)
    {
        _clock.Advance(time);
        return Task.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await Stores[0].DisposeAsync();
        _directory.Dispose();
    }
}

internal sealed class PostgresHarness : IStoreHarness
{
    private PostgresHarness(TestDatabase database, LeaseOptions numbers)
    {
        Database = database;
        Stores = [New(database, numbers), New(database, numbers)];
    }

    public TestDatabase Database { get; }

    public IReadOnlyList<IPlaneStore> Stores { get; }

    public static async Task<PostgresHarness> OpenAsync(LeaseOptions numbers)
    {
        var server = await PostgresServer.SharedAsync();
        var database = await server.CreateDatabaseAsync("plane-store", PrepareAsync);
        var harness = new PostgresHarness(database, numbers);
        foreach (var store in harness.Stores)
        {
            await store.InitializeAsync(default);
        }

        return harness;
    }

    /// <summary>Makes the schema, and leaves no connection behind.</summary>
    public static async Task PrepareAsync(string connectionString)
    {
        await using var store = new PostgresStore(connectionString + ";Pooling=false", new LeaseOptions(), NullLoggerFactory.Instance, TimeProvider.System);
        await store.InitializeAsync(default);
    }

    public static PostgresStore New(TestDatabase database, LeaseOptions? numbers = null) => new(
        database.ConnectionString, numbers ?? new LeaseOptions(), NullLoggerFactory.Instance, TimeProvider.System);

    // Everything that is stored becomes older.
    public async Task AdvanceAsync(TimeSpan time)
    {
        await using var connection = new NpgsqlConnection(Database.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(
            """
            do $$
            declare
                c record;
            begin
                for c in
                    select table_name, string_agg(format('%I = %I - interval ''%s seconds''', column_name, column_name, current_setting('test.seconds')), ', ') as sets
                    from information_schema.columns
                    where table_schema = 'plane' and data_type = 'timestamp with time zone' and table_name not in ('schema_versions', 'schema_functions')
                    group by table_name
                loop
                    execute format('update plane.%I set %s', c.table_name, c.sets);
                end loop;
            end $$
            """,
            connection);
        await using var set = new NpgsqlCommand("select set_config('test.seconds', $1, false)", connection)
        {
            Parameters = { new NpgsqlParameter { Value = time.TotalSeconds.ToString(System.Globalization.CultureInfo.InvariantCulture) } },
        };
        await set.ExecuteNonQueryAsync();
        await command.ExecuteNonQueryAsync();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var store in Stores)
        {
            await store.DisposeAsync();
        }

        await Database.DisposeAsync();
    }
}
