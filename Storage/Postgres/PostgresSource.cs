using Npgsql;

namespace Plane.Storage.Postgres;

/// <summary>Makes connections: to one server, or of several to the one that takes writes.</summary>
internal sealed class PostgresSource : IAsyncDisposable
{
    private readonly NpgsqlDataSource _owner;

    /// <param name="connectionString">As <see cref="Complete"/> made it.</param>
    /// <param name="met">Called with each new connection before it is used.</param>
    public PostgresSource(string connectionString, Func<NpgsqlConnection, Task>? met = null)
    {
        var text = new NpgsqlConnectionStringBuilder(connectionString);
        var attributes = text.TargetSessionAttributes;

        // The driver's data sources take the wish for a primary by code, not by the string.
        text.Remove("Target Session Attributes");
        var builder = new NpgsqlDataSourceBuilder(text.ConnectionString);
        if (met is not null)
        {
            builder.UsePhysicalConnectionInitializer(
                static _ => throw new NotSupportedException("connections of the store are opened asynchronously"), met);
        }

        if (text.Host!.Contains(',', StringComparison.Ordinal))
        {
            var many = builder.BuildMultiHost();
            _owner = many;
            Source = many.WithTargetSession(TargetOf(attributes));
        }
        else
        {
            _owner = Source = builder.Build();
        }
    }

    /// <summary>Where connections come from.</summary>
    public NpgsqlDataSource Source { get; }

    /// <summary>What an operator did not decide: prepared statements, and time-outs short enough for callers that retry.</summary>
    public static string Complete(string connectionString)
    {
        var builder = new NpgsqlConnectionStringBuilder(connectionString);
        var given = new HashSet<string>(builder.Keys.Cast<string>(), StringComparer.OrdinalIgnoreCase);
        if (!given.Contains("Max Auto Prepare"))
        {
            builder.MaxAutoPrepare = 100;
            builder.AutoPrepareMinUsages = 2;
        }

        if (!given.Contains("Timeout"))
        {
            builder.Timeout = 5;
        }

        if (!given.Contains("Command Timeout"))
        {
            builder.CommandTimeout = 10;
        }

        if (!given.Contains("Maximum Pool Size"))
        {
            // More would only queue in the server: PostgreSQL's own default is 100 connections for everybody.
            builder.MaxPoolSize = 40;
        }

        if (!given.Contains("Application Name"))
        {
            builder.ApplicationName = "plane";
        }

        if (builder.Host!.Contains(',', StringComparison.Ordinal))
        {
            if (!given.Contains("Target Session Attributes"))
            {
                // Of several servers the one that takes writes.
                builder.TargetSessionAttributes = "primary";
            }

            if (!given.Contains("Host Recheck Seconds"))
            {
                // How long the driver believes that a server is a standby, or down, since it last looked: part of every failover.
                builder.HostRecheckSeconds = 1;
            }
        }

        if (!given.Contains("No Reset On Close"))
        {
            // By default the driver has a session reset, by statements of their own in a transaction of their own, before its next user's first one. Every
            // statement of the store is whole by itself and sets nothing on its session; what one that broke off may leave, PostgresStore takes from it.
            builder.NoResetOnClose = true;
        }

        // PostgreSQL's text is UTF-8 here whatever the environment says.
        builder.ClientEncoding = "UTF8";
        return builder.ConnectionString;
    }

    public ValueTask DisposeAsync() => _owner.DisposeAsync();

    // Only a server that takes writes is of use; "any" and the like would be a mistake of the string's author.
    private static TargetSessionAttributes TargetOf(string? attributes) =>
        string.Equals(attributes, "read-write", StringComparison.OrdinalIgnoreCase) ? TargetSessionAttributes.ReadWrite : TargetSessionAttributes.Primary;
}
