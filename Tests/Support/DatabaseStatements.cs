using Npgsql;

namespace Plane.Testing;

/// <summary>Statements of a test's own, over a connection of its own.</summary>
public static class DatabaseStatements
{
    /// <summary>A connection that nobody else has had or gets.</summary>
    /// <param name="database">Where to.</param>
    public static async Task<NpgsqlConnection> OpenAsync(TestDatabase database)
    {
        var connection = new NpgsqlConnection(database.ConnectionString + ";Pooling=false");
        await connection.OpenAsync();
        return connection;
    }

    /// <summary>The first value that a statement gives.</summary>
    /// <param name="connection">An open one.</param>
    /// <param name="sql">The statement.</param>
    public static async Task<object?> ScalarAsync(NpgsqlConnection connection, string sql)
    {
#pragma warning disable CA2100 // A test's own words.
        await using var command = new NpgsqlCommand(sql, connection);
#pragma warning restore CA2100
        return await command.ExecuteScalarAsync();
    }
}
