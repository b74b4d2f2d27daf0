using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Npgsql;

namespace Plane.Grains.Storage;

/// <summary>Which engine keeps the truth.</summary>
internal enum StoreKind
{
    Postgres,
    Sqlite,
}

/// <summary>
/// A store's address, read by hand: <see cref="Uri"/> knows no list of hosts, and its errors would repeat the whole text with the password in it.
/// </summary>
internal sealed class StoreUrl
{
    private const string Forms = "a store is postgres://user:password@host:port/database, an Npgsql connection string, or sqlite:FILE";

    // libpq's names (PostgreSQL documentation, 34.1.2) where Npgsql calls the same thing otherwise; every Npgsql keyword is understood as well.
    private static readonly Dictionary<string, string> s_libpqNames = new(StringComparer.OrdinalIgnoreCase)
    {
        ["sslmode"] = "SSL Mode",
        ["sslrootcert"] = "Root Certificate",
        ["sslcert"] = "SSL Certificate",
        ["sslkey"] = "SSL Key",
        ["sslpassword"] = "SSL Password",
        ["application_name"] = "Application Name",
        ["connect_timeout"] = "Timeout",
        ["target_session_attrs"] = "Target Session Attributes",
        ["client_encoding"] = "Client Encoding",
        ["passfile"] = "Passfile",
        ["options"] = "Options",
        ["search_path"] = "Search Path",
        ["user"] = "Username",
        ["dbname"] = "Database",
    };

    private StoreUrl(StoreKind kind, string target)
    {
        Kind = kind;
        Target = target;
    }

    /// <summary>The engine.</summary>
    public StoreKind Kind { get; }

    /// <summary>The Npgsql connection string, or the file. May hold a password: never printed.</summary>
    public string Target { get; }

    public override string ToString() => Kind == StoreKind.Sqlite ? $"sqlite:{Target}" : "postgres";

    public static StoreUrl Parse(string? text) => TryParse(text, out var url, out var problem) ? url : throw new StoreUrlException(problem);

    public static bool TryParse(string? text, [NotNullWhen(true)] out StoreUrl? url, [NotNullWhen(false)] out string? problem)
    {
        url = null;
        problem = null;
        try
        {
            if (string.IsNullOrWhiteSpace(text) || text.Contains('\0', StringComparison.Ordinal))
            {
                problem = Forms;
            }
            else if (After(text, "sqlite:") is { } file)
            {
                file = file.StartsWith("//", StringComparison.Ordinal) ? file[2..] : file;
                problem = file.Length == 0 ? "sqlite: must be followed by a file"
                    : file.StartsWith(':') ? "a store must be a file: sqlite:FILE"
                    : null;
                url = problem is null ? new StoreUrl(StoreKind.Sqlite, Path.GetFullPath(file)) : null;
            }
            else if ((After(text, "postgres://") ?? After(text, "postgresql://")) is { } rest)
            {
                url = FromUrl(rest, out problem);
            }
            else if (text.Contains("://", StringComparison.Ordinal) || !text.Contains('=', StringComparison.Ordinal))
            {
                problem = Forms;
            }
            else
            {
                var builder = new NpgsqlConnectionStringBuilder(text);
                url = string.IsNullOrEmpty(builder.Host) ? null : new StoreUrl(StoreKind.Postgres, builder.ConnectionString);
                problem = url is null ? "the connection string names no Host" : null;
            }
        }
        catch (Exception e) when (e is ArgumentException or FormatException or InvalidCastException or OverflowException)
        {
            // The driver's text may quote the value that it did not like.
            problem = "the connection string has an unknown option, or a value that its option does not take";
        }

        return url is not null;
    }

    private static string? After(string text, string prefix) =>
        text.StartsWith(prefix, StringComparison.OrdinalIgnoreCase) ? text[prefix.Length..] : null;

    private static StoreUrl? FromUrl(string rest, out string? problem)
    {
        var query = "";
        if (rest.IndexOf('?', StringComparison.Ordinal) is >= 0 and var question)
        {
            query = rest[(question + 1)..];
            rest = rest[..question];
        }

        var path = "";
        if (rest.IndexOf('/', StringComparison.Ordinal) is >= 0 and var slash)
        {
            path = rest[(slash + 1)..];
            rest = rest[..slash];
        }

        var builder = new NpgsqlConnectionStringBuilder();
        if (rest.LastIndexOf('@') is >= 0 and var at)
        {
            var user = rest[..at];
            rest = rest[(at + 1)..];
            if (user.IndexOf(':', StringComparison.Ordinal) is >= 0 and var colon)
            {
                builder.Password = Uri.UnescapeDataString(user[(colon + 1)..]);
                user = user[..colon];
            }

            builder.Username = Uri.UnescapeDataString(user);
        }

        if (rest.Length == 0)
        {
            problem = "postgres:// names no host";
            return null;
        }

        var hosts = rest.Split(',');
        foreach (var host in hosts)
        {
            var end = host.StartsWith('[') ? host.IndexOf(']', StringComparison.Ordinal) + 1 : host.IndexOf(':', StringComparison.Ordinal);
            var port = end > 0 && end < host.Length ? host[(end + 1)..] : null;
            if (end == 0 || (port is not null && !(ushort.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out var p) && p > 0)))
            {
                problem = "postgres:// must name its host as host, host:port or [address]:port";
                return null;
            }
        }

        if (hosts is [var only])
        {
            var end = only.StartsWith('[') ? only.IndexOf(']', StringComparison.Ordinal) + 1 : only.IndexOf(':', StringComparison.Ordinal);
            builder.Host = Uri.UnescapeDataString((end > 0 ? only[..end] : only).Trim('[', ']'));
            builder.Port = end > 0 && end < only.Length ? int.Parse(only.AsSpan(end + 1), CultureInfo.InvariantCulture) : 5432;
        }
        else
        {
            builder.Host = rest;
        }

        if (path.Length > 0)
        {
            builder.Database = Uri.UnescapeDataString(path);
        }

        foreach (var pair in query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = pair.IndexOf('=', StringComparison.Ordinal);
            var name = Uri.UnescapeDataString(equals < 0 ? pair : pair[..equals]);
            var value = equals < 0 ? "" : Uri.UnescapeDataString(pair[(equals + 1)..].Replace('+', ' '));
            var keyword = s_libpqNames.GetValueOrDefault(name, name);
            try
            {
                builder[keyword] = keyword == "SSL Mode" ? value.Replace("-", "", StringComparison.Ordinal) : value;
            }
            catch (Exception e) when (e is ArgumentException or FormatException or InvalidCastException or OverflowException)
            {
                problem = $"postgres:// option '{(name.Length > 40 ? name[..40] : name)}' is unknown or its value is not valid";
                return null;
            }
        }

        problem = null;
        return new StoreUrl(StoreKind.Postgres, builder.ConnectionString);
    }
}
