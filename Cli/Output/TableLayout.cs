using Spectre.Console.Rendering;

namespace Plane.Cli.Output;

/// <summary>A column of a table.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Leaves">Where the terminal is too narrow: in which order the column is left out, 1 first; 0 stays.</param>
/// <param name="Shortens">Whether its values may be cut, with an ellipsis, once nothing more can be left out: names that people choose, never an id.</param>
internal sealed record Column(string Name, int Leaves = 0, bool Shortens = false);

/// <summary>A column that is shown.</summary>
/// <param name="Index">Which one.</param>
/// <param name="Width">Its width in a terminal's cells.</param>
internal sealed record FittingColumn(int Index, int Width);

/// <summary>Which columns of a table fit on a terminal, and how wide they are.</summary>
internal static class TableLayout
{
    private const int LeastShortened = 8;

    public static IReadOnlyList<FittingColumn> Fit(IReadOnlyList<Column> columns, IReadOnlyList<string[]> rows, int width, int gap)
    {
        var fitting = columns
            .Select((c, i) => new FittingColumn(i, Math.Max(c.Name.Length, rows.Select(r => CellsOf(r[i])).DefaultIfEmpty().Max())))
            .ToList();
        int Excess() => fitting.Sum(f => f.Width) + (gap * (fitting.Count - 1)) - width;

        // A long name alone should not cost a column: as if it were short already.
        int ExcessWhenShortened() => Excess() - fitting.Where(f => columns[f.Index].Shortens).Sum(f => f.Width - Math.Min(f.Width, 2 * LeastShortened));
        while (ExcessWhenShortened() > 0 && fitting.Where(f => columns[f.Index].Leaves > 0).MinBy(f => columns[f.Index].Leaves) is { } first)
        {
            fitting.Remove(first);
        }

        for (var i = 0; i < fitting.Count && Excess() > 0; i++)
        {
            if (columns[fitting[i].Index].Shortens)
            {
                fitting[i] = fitting[i] with { Width = Math.Max(Math.Min(fitting[i].Width, LeastShortened), fitting[i].Width - Excess()) };
            }
        }

        return fitting;
    }

    /// <summary>How many cells of a terminal the text takes: some characters take two.</summary>
    public static int CellsOf(string text) => text.All(char.IsAscii) ? text.Length : new Segment(text).CellCount();

    /// <summary>The text, or as much of it as fits before an ellipsis.</summary>
    public static string Cut(string text, int width)
    {
        if (CellsOf(text) <= width)
        {
            return text;
        }

        var end = Math.Min(text.Length, width - 1);
        while (end > 0 && (CellsOf(text[..end]) > width - 1 || char.IsHighSurrogate(text[end - 1])))
        {
            end--;
        }

        return text[..end] + "\u2026";
    }
}
