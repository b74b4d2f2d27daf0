using System.Globalization;
using System.Text.Json;
using Spectre.Console;

namespace Plane.Cli.Output;

/// <summary>
/// What a command prints: JSON where asked for, tables and colour on a terminal, plain tab-separated lines in a pipe. Results go to standard output,
/// everything else to standard error.
/// </summary>
internal sealed class Printer(TextWriter output, TextWriter error, bool json, bool isTerminal)
{
    private static readonly JsonSerializerOptions s_indented = new(PlaneJson.Http) { WriteIndented = true };

    private readonly IAnsiConsole _console = AnsiConsole.Create(new AnsiConsoleSettings
    {
        Out = new AnsiConsoleOutput(output),
        Ansi = isTerminal ? AnsiSupport.Detect : AnsiSupport.No,
        ColorSystem = isTerminal ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
        Interactive = InteractionSupport.No,
    });

    public bool IsJson => json;

    public bool IsTerminal => isTerminal;

    public void Json<T>(T value) => output.WriteLine(JsonSerializer.Serialize(value, isTerminal ? s_indented : PlaneJson.Http));

    /// <summary>Names and values, one pair a line.</summary>
    public void Facts(params ReadOnlySpan<(string Name, string? Value)> facts)
    {
        var grid = new Grid().AddColumn(new GridColumn().NoWrap().PadRight(2)).AddColumn(new GridColumn());
        foreach (var (name, value) in facts)
        {
            if (value is null)
            {
                continue;
            }

            if (isTerminal)
            {
                grid.AddRow(new Text(name, new Style(Color.Grey)), Styled(name, Plain(value)));
            }
            else
            {
                output.WriteLine($"{name}\t{Plain(value)}");
            }
        }

        if (isTerminal)
        {
            _console.Write(grid);
        }
    }

    public void Table(string[] columns, IReadOnlyList<string[]> rows, string whenEmpty)
    {
        if (!isTerminal)
        {
            foreach (var row in rows)
            {
                output.WriteLine(string.Join('\t', row.Select(Plain)));
            }

            return;
        }

        if (rows.Count == 0)
        {
            _console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"[grey]{whenEmpty}[/]");
            return;
        }

        var table = new Table().Border(TableBorder.None);
        foreach (var column in columns)
        {
            table.AddColumn(new TableColumn(new Text(column.ToUpperInvariant(), new Style(Color.Grey))).NoWrap().PadRight(2));
        }

        foreach (var row in rows)
        {
            table.AddRow(row.Select((cell, i) => Styled(columns[i], Plain(cell))));
        }

        _console.Write(table);
    }

    /// <summary>One step of a backend's life, as it is reached. In a pipe it has no time: scripts compare the state.</summary>
    public void Step(StatusEntry entry) => Step(entry, timeInPipe: false);

    /// <summary>The steps of a backend's life, looked back at: each with its time.</summary>
    public void History(IEnumerable<StatusEntry> entries)
    {
        foreach (var entry in entries)
        {
            Step(entry, timeInPipe: true);
        }
    }

    private void Step(StatusEntry entry, bool timeInPipe)
    {
        if (json)
        {
            output.WriteLine(JsonSerializer.Serialize(entry, PlaneJson.Http));
            return;
        }

        var why = Why(entry);
        if (isTerminal)
        {
            _console.Write(new Text(entry.Time.UtcDateTime.ToString("HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture) + "  ", new Style(Color.Grey)));
            _console.Write(new Text(entry.Status.WireName(), StatusStyle(entry.Status.WireName())));
            _console.WriteLine(why.Length > 0 ? "  " + why : "");
        }
        else
        {
            string?[] fields = [timeInPipe ? Time(entry.Time) : null, entry.Status.WireName(), why.Length > 0 ? why : null];
            output.WriteLine(string.Join('\t', fields.OfType<string>()));
        }
    }

    public void Note(string text) => error.WriteLine(text);

    public void Problem(string text)
    {
        if (isTerminal)
        {
            error.Write("\u001b[31mplane:\u001b[0m ");
            error.WriteLine(text);
        }
        else
        {
            error.WriteLine("plane: " + text);
        }
    }

    public static string Why(StatusEntry entry)
    {
        var parts = new List<string>();
        if (entry.TerminationReason is { } reason)
        {
            parts.Add(reason.ToString().ToLowerInvariant());
        }

        if (entry.TerminationKind is { } kind)
        {
            parts.Add(kind.ToString().ToLowerInvariant());
        }

        if (entry.ExitError == true)
        {
            parts.Add("exited with an error");
        }

        // No reason at all means that nobody ended it.
        return parts.Count == 0 && entry.Status == BackendStatus.Terminated ? "exited by itself" : string.Join(", ", parts);
    }

    /// <summary>What others chose (key names, messages) must not move the cursor or forge lines.</summary>
    public static string Plain(string text) => string.Concat(text.Select(c => char.IsControl(c) ? '\uFFFD' : c));

    /// <summary>A time in UTC, as the logs have it.</summary>
    public static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    public static string Age(long milliseconds) => milliseconds switch
    {
        < 1_000 => string.Create(CultureInfo.InvariantCulture, $"{milliseconds} ms"),
        < 120_000 => string.Create(CultureInfo.InvariantCulture, $"{milliseconds / 1000.0:0.#} s"),
        < 7_200_000 => string.Create(CultureInfo.InvariantCulture, $"{milliseconds / 60_000} min"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{milliseconds / 3_600_000} h"),
    };

    private static Text Styled(string column, string value) =>
        new(value, column is "status" or "state" ? StatusStyle(value) : column is "url" ? new Style(Color.Blue, decoration: Decoration.Underline) : Style.Plain);

    private static Style StatusStyle(string status) => status switch
    {
        "ready" => new Style(Color.Green),
        "terminated" => new Style(Color.Grey),
        "terminating" or "hard-terminating" or "draining" => new Style(Color.Yellow),
        "not ready" => new Style(Color.Red),
        _ => new Style(Color.Blue),
    };
}
