using Microsoft.Data.Sqlite;

namespace Plane.Grains.Storage.Sqlite;

/// <summary>The one connection, for the writer thread alone: statements prepared once, the moment of the work at hand, and whether it wrote to the log.</summary>
internal sealed class SqliteSession(SqliteConnection connection) : IDisposable
{
    private readonly Dictionary<string, SqliteCommand> _commands = [];

    /// <summary>The moment on the lease clock.</summary>
    public long Lease { get; set; }

    /// <summary>The moment on the record clock.</summary>
    public long Record { get; set; }

    /// <summary>Whether anything was written to the change log since this was cleared.</summary>
    public bool Logged { get; set; }

    public int Execute(string sql, params ReadOnlySpan<object?> values) => Bind(sql, values).ExecuteNonQuery();

    public List<T> Query<T>(string sql, Func<SqliteDataReader, T> read, params ReadOnlySpan<object?> values)
    {
        var rows = new List<T>();
        using var reader = Bind(sql, values).ExecuteReader();
        while (reader.Read())
        {
            rows.Add(read(reader));
        }

        return rows;
    }

    public T? Single<T>(string sql, Func<SqliteDataReader, T> read, params ReadOnlySpan<object?> values)
        where T : class
    {
        using var reader = Bind(sql, values).ExecuteReader();
        return reader.Read() ? read(reader) : null;
    }

    public long? Scalar(string sql, params ReadOnlySpan<object?> values) => Bind(sql, values).ExecuteScalar() is long value ? value : null;

    public string? ScalarText(string sql, params ReadOnlySpan<object?> values) => Bind(sql, values).ExecuteScalar() as string;

    /// <summary>Appends to the change log.</summary>
    public void Log(
        ChangeKind kind,
        string cluster,
        string? backend = null,
        long? fencingToken = null,
        BackendStatus? status = null,
        string? tokenHash = null,
        string? drone = null)
    {
        Execute(
            """
            insert into changes (kind, cluster, backend_id, fencing_token, status, token_hash, drone, created_at) values ($1, $2, $3, $4, $5, $6, $7, $8)
            """,
            (int)kind,
            cluster,
            backend,
            fencingToken,
            (int?)status,
            tokenHash,
            drone,
            Record);
        Logged = true;
    }

    public void Dispose()
    {
        foreach (var command in _commands.Values)
        {
            command.Dispose();
        }

        connection.Dispose();
    }

    private SqliteCommand Bind(string sql, ReadOnlySpan<object?> values)
    {
        if (!_commands.TryGetValue(sql, out var command))
        {
            command = connection.CreateCommand();
            command.CommandText = sql;
            for (var i = 1; i <= values.Length; i++)
            {
                command.Parameters.Add(new SqliteParameter { ParameterName = string.Create(System.Globalization.CultureInfo.InvariantCulture, $"${i}") });
            }

            _commands.Add(sql, command);
        }

        for (var i = 0; i < values.Length; i++)
        {
            command.Parameters[i].Value = values[i] ?? DBNull.Value;
        }

        return command;
    }
}
