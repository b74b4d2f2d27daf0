using System.Globalization;
using System.Text.RegularExpressions;
using Npgsql;
using Plane.Testing;

namespace Plane.Bench.Load;

/// <summary>Runs a script by PostgreSQL's own <c>pgbench</c>: the limit of what the same server does without anything in front of it.</summary>
internal static partial class PgBench
{
    public static async Task<double> TransactionsPerSecondAsync(string connectionString, string script, int clients, TimeSpan duration)
    {
        var to = new NpgsqlConnectionStringBuilder(connectionString);
        using var directory = new TempDirectory();
        await File.WriteAllTextAsync(directory["script.sql"], script);
        var (code, lines) = await RunningProgram.RunAsync(
            Directory.GetFiles("/usr/lib/postgresql", "pgbench", new EnumerationOptions { RecurseSubdirectories = true }).Order().Last(),
            [
                "-n", "-M", "prepared", "-c", $"{clients}", "-j", "1", "-T", $"{(int)duration.TotalSeconds}", "-f", directory["script.sql"],
                "-h", to.Host!, "-p", $"{to.Port}", "-U", to.Username ?? "postgres", to.Database!,
            ],
            deadline: duration + TimeSpan.FromSeconds(30));
        var text = string.Join('\n', lines);
        return code == 0 && Rate().Match(text) is { Success: true } rate
            ? double.Parse(rate.Groups[1].Value, CultureInfo.InvariantCulture)
            : throw new InvalidOperationException("pgbench: " + text);
    }

    [GeneratedRegex(@"tps = ([\d.]+) \(without")]
    private static partial Regex Rate();
}
