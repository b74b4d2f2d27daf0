namespace Plane.Testing;

/// <summary>A database of one test's own; dropped, connections and all, when disposed.</summary>
public sealed class TestDatabase : IAsyncDisposable
{
    internal TestDatabase(PostgresServer server, string name, string connectionString)
    {
        Server = server;
        Name = name;
        ConnectionString = connectionString;
    }

    /// <summary>The server it is on.</summary>
    public PostgresServer Server { get; }

    /// <summary>Its name.</summary>
    public string Name { get; }

    /// <summary>For Npgsql.</summary>
    public string ConnectionString { get; }

    /// <summary>For the command line (<c>--db</c>).</summary>
    public string Url
    {
        get
        {
            var parts = new Npgsql.NpgsqlConnectionStringBuilder(ConnectionString);
            var login = string.IsNullOrEmpty(parts.Password)
                ? Uri.EscapeDataString(parts.Username ?? "postgres")
                : $"{Uri.EscapeDataString(parts.Username ?? "postgres")}:{Uri.EscapeDataString(parts.Password)}";
            return $"postgres://{login}@{parts.Host}:{parts.Port}/{Name}";
        }
    }

    public async ValueTask DisposeAsync() => await Server.DropAsync(Name);
}
