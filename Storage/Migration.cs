using System.Globalization;

namespace Plane.Storage;

/// <summary>
/// One numbered step of a schema, forward only: the files <c>Schema/NNNN-*.sql</c> of an engine, in the order of their names. Version 1 is the whole schema, a later change is a
/// step of its own. A file's first line <c>-- oldest: N</c> states the oldest version of the program (the number of its newest step) that works with the schema after the step. So
/// a roll-back and a rolling upgrade work until a step says otherwise.
/// </summary>
/// <param name="Version">The number in the files' names.</param>
/// <param name="Oldest">The oldest program version that works with the result.</param>
/// <param name="Sql">The statements.</param>
internal sealed record Migration(int Version, int Oldest, string Sql)
{
    private const string Header = "-- oldest: ";

    /// <summary>The steps of an engine, in order.</summary>
    /// <param name="engine">The engine's folder, <c>Postgres</c> or <c>Sqlite</c>.</param>
    public static IReadOnlyList<Migration> Of(string engine) =>
    [
        .. from file in SchemaFiles.In($"{engine}/Schema/")
           let version = int.Parse(file.Name.AsSpan(0, 4), NumberStyles.None, CultureInfo.InvariantCulture)
           group Parse(version, file.Sql) by version into step
           select new Migration(step.Key, step.Max(m => m.Oldest), string.Join('\n', step.Select(m => m.Sql))),
    ];

    /// <summary>Why this program must not work with a schema, or null.</summary>
    /// <param name="schema">The schema's version.</param>
    /// <param name="oldest">The oldest program version that works with it.</param>
    /// <param name="own">This program's version.</param>
    public static string? Refusal(int schema, int oldest, int own) =>
        oldest > own
            ? $"the database's schema is at version {schema} and works with programs from version {oldest}; this one is at {own}: install a newer one"
            : null;

    /// <summary>Why this program must not work with a database that a build from before version 0.1.0 has made.</summary>
    /// <param name="remedy">How to start afresh.</param>
    public static string RefusalOfOlderBuild(string remedy) =>
        "the database was made by a build from before version 0.1.0, whose schema this program cannot read and does not convert: "
        + $"write down its services with that build (plane service list, plane service show), stop its controllers, then {remedy}; sessions of the old one are not carried over";

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
}
