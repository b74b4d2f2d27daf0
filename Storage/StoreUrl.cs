using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.WebUtilities;
using Npgsql;

namespace Plane.Storage;

/// <summary>Which database it is.</summary>
public enum StoreKind
{
    /// <summary>PostgreSQL.</summary>
    Postgres,

    /// <summary>One SQLite file.</summary>
    Sqlite,
}

/// <summary>
/// A store's address. A <c>postgres://</c> URL is translated for Npgsql, which knows connection strings alone; <see cref="Uri"/> knows no list of hosts, and its errors
/// would repeat the whole text with the password in it.
/// </summary>
public sealed partial class StoreUrl
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
        ["gssencmode"] = "GSS Encryption Mode",
        ["application_name"] = "Application Name",
        ["connect_timeout"] = "Timeout",
        ["target_session_attrs"] = "Target Session Attributes",
        ["client_encoding"] = "Client Encoding",
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

    /// <summary>The file, or that it is PostgreSQL: no password.</summary>
    public override string ToString() => Kind == StoreKind.Sqlite ? $"sqlite:{Target}" : "postgres";

    /// <summary>Reads a store's address.</summary>
    /// <exception cref="StoreUrlException">The text is not a store's address.</exception>
    public static StoreUrl Parse(string? text)
    {
        try
        {
            return string.IsNullOrWhiteSpace(text) || text.Contains('\0', StringComparison.Ordinal) ? throw new StoreUrlException(Forms)
                : text.StartsWith("sqlite:", StringComparison.OrdinalIgnoreCase) ? OfFile(text["sqlite:".Length..])
                : PostgresUrl().Match(text) is { Success: true } url ? OfUrl(url.Groups)
                : text.Contains("://", StringComparison.Ordinal) || !text.Contains('=', StringComparison.Ordinal) ? throw new StoreUrlException(Forms)
                : new NpgsqlConnectionStringBuilder(text) is { Host.Length: > 0 } builder ? OfServer(builder)
                : throw new StoreUrlException("the connection string names no Host");
        }
        catch (Exception e) when (IsRefusal(e))
        {
            // The driver's text may quote the value that it did not like.
            throw new StoreUrlException("the connection string has an unknown option, or a value that its option does not take");
        }
    }

    /// <summary>Reads a store's address, or says what is wrong with it.</summary>
    public static bool TryParse(string? text, [NotNullWhen(true)] out StoreUrl? url, [NotNullWhen(false)] out string? problem)
    {
        try
        {
            (url, problem) = (Parse(text), null);
        }
        catch (StoreUrlException e)
        {
            (url, problem) = (null, e.Message);
        }

        return url is not null;
    }

    private static StoreUrl OfFile(string file)
    {
        file = file.StartsWith("//", StringComparison.Ordinal) ? file[2..] : file;
        return file.Length == 0 ? throw new StoreUrlException("sqlite: must be followed by a file")
            : file.StartsWith(':') ? throw new StoreUrlException("a store must be a file: sqlite:FILE")
            : new StoreUrl(StoreKind.Sqlite, Path.GetFullPath(file));
    }

    private static StoreUrl OfServer(NpgsqlConnectionStringBuilder builder)
    {
        if (!builder.Keys.Cast<string>().Contains("GSS Encryption Mode", StringComparer.OrdinalIgnoreCase) && Environment.GetEnvironmentVariable("PGGSSENCMODE") is null)
        {
            // By default the driver tries Kerberos first. Where its library is installed, each new connection looks a realm up in the DNS, and its thread
            // waits for the answer: seconds, where no resolver answers.
            builder.GssEncryptionMode = GssEncryptionMode.Disable;
        }

        return new StoreUrl(StoreKind.Postgres, builder.ConnectionString);
    }

    private static StoreUrl OfUrl(GroupCollection url)
    {
        string? Text(string group) => url[group] is { Success: true, Length: > 0 } part ? Uri.UnescapeDataString(part.Value) : null;
        var builder = new NpgsqlConnectionStringBuilder { Username = Text("user"), Password = Text("password"), Database = Text("database") };
        var hosts = url["hosts"].Value;
        if (hosts.Length == 0)
        {
            throw new StoreUrlException("postgres:// names no host");
        }

        foreach (var host in hosts.Split(','))
        {
            var one = HostAndPort().Match(host);
            var port = one.Groups["port"];
            ushort number = 5432;
            if (!one.Success || (port.Success && !(ushort.TryParse(port.ValueSpan, CultureInfo.InvariantCulture, out number) && number > 0)))
            {
                throw new StoreUrlException("postgres:// must name its host as host, host:port or [address]:port");
            }

            if (host.Length == hosts.Length)
            {
                (builder.Host, builder.Port) = (Uri.UnescapeDataString(one.Groups["host"].Value.Trim('[', ']')), number);
            }
            else
            {
                builder.Host = hosts;
            }
        }

        foreach (var (name, values) in QueryHelpers.ParseQuery(url["query"].Value))
        {
            var keyword = s_libpqNames.GetValueOrDefault(name, name);
            try
            {
                builder[keyword] = keyword == "SSL Mode" ? values[^1]!.Replace("-", "", StringComparison.Ordinal) : values[^1];
            }
            catch (Exception e) when (IsRefusal(e))
            {
                throw new StoreUrlException($"postgres:// option '{(name.Length > 40 ? name[..40] : name)}' is unknown or its value is not valid");
            }
        }

        return OfServer(builder);
    }

    private static bool IsRefusal(Exception e) => e is ArgumentException or FormatException or InvalidCastException or OverflowException;

    [GeneratedRegex(
        @"^postgres(ql)?://((?<user>[^:/?]*)(:(?<password>[^/?]*))?@)?(?<hosts>[^/?]*)(/(?<database>[^?]*))?(\?(?<query>.*))?$",
        RegexOptions.IgnoreCase | RegexOptions.ExplicitCapture | RegexOptions.Singleline | RegexOptions.CultureInvariant)]
    private static partial Regex PostgresUrl();

    [GeneratedRegex(@"^(?<host>\[[^\[\]]+\]|[^:\[\]]+)(:(?<port>[0-9]+))?$", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex HostAndPort();
}

/// <summary>The text is not a store's address; the message says what is wrong with it and never repeats a password.</summary>
/// <param name="message">What is wrong; no password.</param>
public sealed class StoreUrlException(string message) : Exception(message);
