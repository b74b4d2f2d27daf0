using System.Text.Json;
using System.Text.RegularExpressions;
using Plane.Testing;

namespace Plane.Tests.Deploy;

/// <summary>The files that operators copy, and what they ask <c>plane</c> to do.</summary>
internal static partial class DeployFiles
{
    private static readonly string[] s_kinds = [".service", ".yaml", ".md", ".sh", ""];

    public static IEnumerable<string> All { get; } =
    [
        .. Directory.EnumerateFiles(Checkout.File("deploy"), "*", SearchOption.AllDirectories)
            .Where(f => s_kinds.Contains(Path.GetExtension(f)) && !f.Contains("/secrets/", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal),
        Checkout.File("docs/deploy.md"),
    ];

    public static IEnumerable<string> Units => All.Where(f => Path.GetExtension(f) == ".service");

    /// <summary>Every command line in the files, without the program itself.</summary>
    public static IEnumerable<(string Where, string[] Arguments)> CommandLines =>
        from file in All
        from line in Lists(File.ReadAllLines(file)).Concat(Exec(File.ReadAllText(file))).Concat(Typed(File.ReadAllLines(file)))
        where line.Length > 0 && line[0] is not "postgres"
        select (Path.GetRelativePath(Checkout.Root, file), line);

    // Of YAML this much: a block list under command: or args:, one item a line.
    private static IEnumerable<string[]> Lists(string[] lines)
    {
        for (var i = 0; i < lines.Length; i++)
        {
            if (lines[i].Trim() is not ("command:" or "args:"))
            {
                continue;
            }

            yield return
            [
                .. lines.Skip(i + 1)
                    .Select(l => l.Trim())
                    .Where(l => !l.StartsWith('#'))
                    .TakeWhile(l => l.StartsWith("- ", StringComparison.Ordinal))
                    .Select(l => l[2..].Trim('"')),
            ];
        }
    }

    private static IEnumerable<string[]> Exec(string text) =>
        from Match match in ExecForm().Matches(text)
        select JsonSerializer.Deserialize<string[]>(match.Value)!.SkipWhile(w => !w.EndsWith("plane.dll", StringComparison.Ordinal)).Skip(1).ToArray();

    private static IEnumerable<string[]> Typed(string[] lines) =>
        from line in lines
        let match = TypedForm().Match(line)
        where match.Success
        select match.Groups[1].Value.Split(' ', StringSplitOptions.RemoveEmptyEntries);

    [GeneratedRegex("""\[[^\]]*plane\.dll"[^\]]*\]""")]
    private static partial Regex ExecForm();

    [GeneratedRegex("""(?:plane\.dll |^\$ (?:\./)?plane )([a-z][^#|<>]*)""")]
    private static partial Regex TypedForm();
}
