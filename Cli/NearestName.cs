namespace Plane.Cli;

/// <summary>Finds the name that somebody who mistyped one may have meant.</summary>
internal static class NearestName
{
    /// <summary>The nearest of the names, or <see langword="null"/> where none is near: more than a third of the word would have to change.</summary>
    public static string? Of(string word, IEnumerable<string> names)
    {
        var nearest = names.Select(n => (Name: n, Distance: Distance(word, n))).DefaultIfEmpty((Name: "", Distance: int.MaxValue)).MinBy(n => n.Distance);
        return nearest.Distance <= Math.Max(1, word.TrimStart('-').Length / 3) ? nearest.Name : null;
    }

    // Letters left out, added, changed, or swapped with their neighbour (optimal string alignment).
    private static int Distance(string a, string b)
    {
        var steps = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++)
        {
            for (var j = 0; j <= b.Length; j++)
            {
                steps[i, j] = i == 0 ? j : j == 0 ? i : Math.Min(
                    Math.Min(steps[i - 1, j], steps[i, j - 1]) + 1, steps[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                {
                    steps[i, j] = Math.Min(steps[i, j], steps[i - 2, j - 2] + 1);
                }
            }
        }

        return steps[a.Length, b.Length];
    }
}
