using System.Globalization;
using System.Reflection;

namespace Plane.Grains.Storage;

/// <summary>
/// One numbered step of a schema, an embedded <c>.sql</c> file whose first line <c>-- oldest: N</c> states the oldest version of the program (the number of its
/// newest migration) that works with the schema after this step. So a roll-back and a rolling upgrade work until a step says otherwise.
/// </summary>
/// <param name="Version">The number in the file's name.</param>
/// <param name="Oldest">The oldest program version that works with the result.</param>
/// <param name="Sql">The statements.</param>
internal sealed record Migration(int Version, int Oldest, string Sql)
{
    private const string Header = "-- oldest: ";

    /// <summary>The steps of an engine, in order.</summary>
    /// <param name="engine">The engine's folder, <c>Postgres</c> or <c>Sqlite</c>.</param>
    public static IReadOnlyList<Migration> Of(string engine)
    {
        var assembly = typeof(Migration).Assembly;
        var prefix = $"{engine}/Migrations/";
        Migration[] all =
        [
            .. from name in assembly.GetManifestResourceNames()
               where name.StartsWith(prefix, StringComparison.Ordinal)
               orderby name
               select Read(assembly, name, prefix),
        ];
        // Gaps are allowed: numbers are given out before the work is done.
        for (var i = 0; i < all.Length; i++)
        {
            if (all[i].Version <= (i == 0 ? 0 : all[i - 1].Version))
            {
                throw new InvalidOperationException($"there are two migrations {all[i].Version} of {engine}");
            }
        }

        return all;
    }

    /// <summary>Why this program must not work with a schema, or null.</summary>
    /// <param name="schema">The schema's version.</param>
    /// <param name="oldest">The oldest program version that works with it.</param>
    /// <param name="own">This program's version.</param>
    public static string? Refusal(int schema, int oldest, int own) =>
        oldest > own
            ? $"the database's schema is at version {schema} and works with programs from version {oldest}; this one is at {own}: install a newer one"
            : null;

    internal static Migration Parse(int version, string sql)
    {
        var end = sql.IndexOf('\n', StringComparison.Ordinal);
        var first = end < 0 ? sql : sql[..end];
        return first.StartsWith(Header, StringComparison.Ordinal)
            && int.TryParse(first.AsSpan(Header.Length).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var oldest)
            && oldest >= 1
            && oldest <= version
                ? new Migration(version, oldest, sql)
                : throw new InvalidOperationException($"migration {version} must begin with '{Header}N'");
    }

    private static Migration Read(Assembly assembly, string name, string prefix)
    {
        using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
        var version = int.Parse(name.AsSpan(prefix.Length, 4), NumberStyles.None, CultureInfo.InvariantCulture);
        return Parse(version, reader.ReadToEnd());
    }
}
