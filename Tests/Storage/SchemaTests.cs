using Microsoft.Data.Sqlite;
using Npgsql;
using Plane.Storage;
using Plane.Testing;

namespace Plane.Tests.Storage;

/// <summary>The two schemas, and what their files say of them.</summary>
public sealed class SchemaTests
{
    // Sequences are tables there; the rest is PostgreSQL's way to let many wait for each other, or a server's.
    private static readonly HashSet<string> s_differs =
    [
        "clock", "fencing_tokens", "service_versions", "schema_functions", "orleansquery", "orleansmembershiptable", "orleansmembershipversiontable", "orleans_cluster",
        "installation.created_at", "schema_versions.applied_at", "server.system_identifier", "server.timeline", "server.hold_until",
        "drone_counters.room", "drone_counters.room_of", "drone_counters.cpu_room", "drone_counters.memory_room", "drone_counters.disk_room", "drone_counters.gpu_room",
        "backends.last_used_lease", "changes.transaction_id", "changes_cleaned.transaction_id", "txt_values.items", "txt_values.item", "probe.single",
    ];

    [Fact]
    public async Task Both_databases_have_the_same_tables_with_the_same_columns()
    {
        await using var database = await (await PostgresServer.SharedAsync()).CreateDatabaseAsync();
        await using (var store = PostgresHarness.New(database))
        {
            await store.InitializeAsync(default);
        }

        using var directory = new TempDirectory();
        await using (var store = StoreFactory.Create($"sqlite:{directory["plane.db"]}", new LeaseOptions()))
        {
            await store.InitializeAsync(default);
        }

        await using var postgres = new NpgsqlConnection(database.ConnectionString);
        await using var sqlite = new SqliteConnection($"Data Source={directory["plane.db"]};Pooling=false");
        var here = await ReadAsync(postgres, "select table_name || '.' || column_name from information_schema.columns where table_schema = 'plane'");
        var there = await ReadAsync(
            sqlite, "select m.name || '.' || c.name from sqlite_master m, pragma_table_xinfo(m.name) c where m.type = 'table' and m.name not like 'sqlite_%'");
        Assert.Equal(here.Where(IsCompared).Order(), there.Where(IsCompared).Order());
    }

    [Fact]
    public async Task Every_table_of_PostgreSQL_has_a_comment_and_so_has_every_function_a_file()
    {
        await using var database = await (await PostgresServer.SharedAsync()).CreateDatabaseAsync();
        await using (var store = PostgresHarness.New(database))
        {
            await store.InitializeAsync(default);
        }

        await using var connection = new NpgsqlConnection(database.ConnectionString);
        Assert.Empty(await ReadAsync(
            connection,
            """
            select relname::text from pg_class
            where relnamespace = 'plane'::regnamespace and relkind in ('r', 'S') and obj_description(oid) is null and relname not like 'orleansm%' and relname <> 'orleansquery'
                and not exists (select 1 from pg_depend d where d.objid = pg_class.oid and d.deptype = 'i')
            """));
        var functions = await ReadAsync(connection, "select distinct proname::text from pg_proc where pronamespace = 'plane'::regnamespace");
        Assert.Equal(
            functions.Except(["is_text", "is_cluster", "is_service"]).Order(StringComparer.Ordinal),
            SchemaFiles.In("Postgres/Functions/").Select(f => Path.GetFileNameWithoutExtension(f.Name)).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task The_names_of_each_enumeration_are_those_of_its_type()
    {
        await using var database = await (await PostgresServer.SharedAsync()).CreateDatabaseAsync();
        await using (var store = PostgresHarness.New(database))
        {
            await store.InitializeAsync(default);
        }

        await using var connection = new NpgsqlConnection(database.ConnectionString);
        async Task AssertSame<T>(string type)
            where T : struct, Enum =>
            Assert.Equal(
                Enum.GetValues<T>().Order().Select(v => v.Name()),
                await ReadAsync(connection, $"select enumlabel::text from pg_enum where enumtypid = 'plane.{type}'::regtype order by enumsortorder"));

        await AssertSame<BackendStatus>("backend_status");
        await AssertSame<TerminationReason>("termination_reason");
        await AssertSame<TerminationKind>("termination_kind");
        await AssertSame<ExecutorKind>("executor_kind");
        await AssertSame<DroneActionKind>("action_kind");
        await AssertSame<ChangeKind>("change_kind");
        await AssertSame<ServiceAccessKind>("access_kind");
        await AssertSame<SigningAlgorithm>("signing_algorithm");
        await AssertSame<SessionState>("session_state");
        await AssertSame<TokenOutcome>("token_outcome");
        await AssertSame<AcquireOutcome>("acquire_outcome");
        await AssertSame<ServiceWriteOutcome>("service_write_outcome");
        await AssertSame<SigningKeyOutcome>("signing_key_outcome");
    }

    [Fact]
    public async Task Each_advisory_lock_has_a_number_of_its_own()
    {
        await using var database = await (await PostgresServer.SharedAsync()).CreateDatabaseAsync();
        await using (var store = PostgresHarness.New(database))
        {
            await store.InitializeAsync(default);
        }

        await using var connection = new NpgsqlConnection(database.ConnectionString);
        var numbers = await ReadAsync(
            connection, "select coalesce(plane.lock_id(l), plane.lock_id(l, 'key'))::text from unnest(enum_range(null::plane.advisory_lock)) l");
        Assert.Equal(numbers.Count, numbers.Distinct().Count());
        Assert.Equal(9, numbers.Count);
    }

    private static bool IsCompared(string column) => !s_differs.Contains(column) && !s_differs.Contains(column.Split('.')[0]);

    private static async Task<List<string>> ReadAsync(System.Data.Common.DbConnection connection, string sql)
    {
        if (connection.State != System.Data.ConnectionState.Open)
        {
            await connection.OpenAsync();
        }

        await using var command = connection.CreateCommand();
        command.CommandText = sql;
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new List<string>();
        while (await reader.ReadAsync())
        {
            rows.Add(reader.GetString(0));
        }

        return rows;
    }
}
