using System.Globalization;
using System.Text;

namespace Plane.Bench;

/// <summary>The one table.</summary>
internal sealed class Report
{
    private readonly List<string[]> _rows = [];
    private readonly Lock _lock = new();

    public bool HasFailures { get; private set; }

    /// <summary>A ratio of medians with its goal; <paramref name="atLeast"/> says on which side of the goal it should be.</summary>
    public void Ratio(string bench, string unit, Measured ours, Measured peer, double goal, bool atLeast = true)
    {
        var ratio = ours.Median / peer.Median;
        Add(bench, $"{ours} {unit}", $"{peer} {unit}", Number(ratio), $"{(atLeast ? "≥" : "≤")} {Number(goal)}", atLeast ? ratio >= goal : ratio <= goal);
    }

    /// <summary>A figure that stands for itself.</summary>
    public void Value(string bench, string ours, string against, double value, string unit, double? goal = null, bool atLeast = false) =>
        Add(
            bench,
            ours,
            against,
            $"{Number(value)} {unit}",
            goal is { } g ? $"{(atLeast ? "≥" : "≤")} {Number(g)} {unit}" : "–",
            goal is { } limit ? (atLeast ? value >= limit : value <= limit) : null);

    public void Failed(string bench, string reason)
    {
        HasFailures = true;
        Add(bench, "failed: " + reason.ReplaceLineEndings(" ")[..Math.Min(120, reason.Length)], "", "", "", false);
    }

    public string ToMarkdown()
    {
        var text = new StringBuilder();
        text.AppendLine("| bench | ours: median (least–greatest) | against | figure | goal | holds |");
        text.AppendLine("| --- | --- | --- | --- | --- | --- |");
        foreach (var row in _rows)
        {
            text.AppendLine("| " + string.Join(" | ", row.Select(c => c.Replace('|', '/'))) + " |");
        }

        text.AppendLine();
        text.AppendLine("Machine: " + Machine());
        return text.ToString();
    }

    public static string Number(double value) => Math.Abs(value) switch
    {
        >= 1000 => value.ToString("N0", CultureInfo.InvariantCulture),
        >= 10 => value.ToString("F1", CultureInfo.InvariantCulture),
        _ => value.ToString("F2", CultureInfo.InvariantCulture),
    };

    private void Add(string bench, string ours, string against, string figure, string goal, bool? holds)
    {
        lock (_lock)
        {
            _rows.Add([bench, ours, against, figure, goal, holds is null ? "" : holds.Value ? "yes" : "**no**"]);
        }
    }

    private static string Machine()
    {
        var cpu = File.ReadLines("/proc/cpuinfo").FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[1].Trim() ?? "unknown";
        var memory = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (1024 * 1024 * 1024);
        return $"{Environment.ProcessorCount} cores of {cpu}, {memory} GiB, Linux {Environment.OSVersion.Version}, .NET {Environment.Version}; everything that takes part ran on it.";
    }
}
