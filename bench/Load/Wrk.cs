using System.Globalization;
using System.Text.RegularExpressions;
using Plane.Testing;

namespace Plane.Bench.Load;

/// <summary>Drives HTTP load by <c>wrk</c> (Debian package) and reads its report.</summary>
internal static partial class Wrk
{
    /// <summary>Requests a second. A run with an answer that was no success, or with socket errors, counts for nothing: it throws.</summary>
    public static async Task<Outcome> RunAsync(Uri url, int connections, TimeSpan duration, string? script = null, string[]? headers = null)
    {
        string[] arguments =
        [
            "-t1", $"-c{connections}", $"-d{(int)duration.TotalSeconds}s", "--latency", "--timeout", "10s", .. script is null ? (string[])[] : ["-s", script],
            .. (headers ?? []).SelectMany(h => new[] { "-H", h }), url.AbsoluteUri,
        ];
        var (code, lines) = await RunningProgram.RunAsync("wrk", arguments, deadline: duration + TimeSpan.FromSeconds(30));
        var text = string.Join('\n', lines);
        if (code != 0 || text.Contains("Non-2xx", StringComparison.Ordinal) || text.Contains("Socket errors", StringComparison.Ordinal))
        {
            throw new InvalidOperationException($"wrk against {url}: {text}");
        }

        return new Outcome(
            double.Parse(Requests().Match(text).Groups[1].Value, CultureInfo.InvariantCulture),
            Milliseconds(Half().Match(text)),
            Milliseconds(Most().Match(text)));
    }

    private static double Milliseconds(Match match)
    {
        var value = double.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture);
        return match.Groups[2].Value switch { "us" => value / 1000, "ms" => value, "s" => value * 1000, _ => value * 60_000 };
    }

    [GeneratedRegex(@"Requests/sec:\s+([\d.]+)")]
    private static partial Regex Requests();

    [GeneratedRegex(@"50%\s+([\d.]+)(us|ms|s|m)")]
    private static partial Regex Half();

    [GeneratedRegex(@"99%\s+([\d.]+)(us|ms|s|m)")]
    private static partial Regex Most();

    /// <summary>What wrk said: requests a second, and latencies in milliseconds.</summary>
    internal sealed record Outcome(double RequestsPerSecond, double Median, double P99);
}
