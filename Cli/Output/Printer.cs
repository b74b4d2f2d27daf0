using System.Globalization;
using System.Text.Json;
using Spectre.Console;

namespace Plane.Cli.Output;

/// <summary>
/// What a command prints: JSON where asked for, tables and colour on a terminal, plain tab-separated lines in a pipe. Results go to standard output,
/// everything else to standard error.
/// </summary>
internal sealed class Printer
{
    private const int Gap = 2;
    private static readonly JsonSerializerOptions s_indented = new(PlaneJson.Http) { WriteIndented = true };

    private readonly TextWriter _output;
    private readonly TextWriter _error;
    private readonly bool _isWide;
    private readonly int _width;
    private readonly IAnsiConsole _console;

    /// <summary>Makes one.</summary>
    /// <param name="output">Results.</param>
    /// <param name="error">Everything else.</param>
    /// <param name="json">Whether results are JSON.</param>
    /// <param name="isTerminal">Whether results go to a terminal.</param>
    /// <param name="isWide">Whether tables have all their columns, however narrow the terminal is.</param>
    /// <param name="width">The terminal's width; where not given, as the terminal says.</param>
    public Printer(TextWriter output, TextWriter error, bool json, bool isTerminal, bool isWide = false, int? width = null)
    {
        (_output, _error, IsJson, IsTerminal, _isWide) = (output, error, json, isTerminal, isWide);
        _console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(output),
            Ansi = isTerminal ? AnsiSupport.Detect : AnsiSupport.No,
            ColorSystem = isTerminal ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.No,
        });
        _width = width ?? _console.Profile.Width;

        // It would break lines in the middle of an id or a URL, which can then not be copied: the terminal itself wraps what is too long.
        _console.Profile.Width = int.MaxValue / 4;
    }

    public bool IsJson { get; }

    public bool IsTerminal { get; }

    public void Json<T>(T value) => _output.WriteLine(JsonSerializer.Serialize(value, IsTerminal ? s_indented : PlaneJson.Http));

    /// <summary>Begins a new screen: what was printed before is gone from a terminal.</summary>
    public void Clear()
    {
        if (IsTerminal)
        {
            _output.Write("\e[H\e[2J\e[3J");
        }
    }

    /// <summary>Shows a terminal's cursor, which a live line hides.</summary>
    public void ShowCursor()
    {
        if (IsTerminal)
        {
            _output.Write("\e[?25h");
        }
    }

    /// <summary>JSON on one line, for what goes on.</summary>
    public void JsonLine<T>(T value) => _output.WriteLine(JsonSerializer.Serialize(value, PlaneJson.Http));

    /// <summary>A line as it is: its text must be harmless already.</summary>
    public void Raw(string text) => _output.WriteLine(text);

    /// <summary>Names and values, one pair per line. A long value continues past the terminal's edge: it can be copied whole.</summary>
    public void Facts(params ReadOnlySpan<(string Name, string? Value)> facts)
    {
        var known = facts.ToArray().Where(f => f.Value is not null).ToArray();
        var longest = known.Select(f => f.Name.Length).DefaultIfEmpty().Max();
        foreach (var (name, value) in known)
        {
            if (IsTerminal)
            {
                Write(name.PadRight(longest + Gap), new Style(Color.Grey));
                WriteLine(Plain(value!), StyleOf(name, value!));
            }
            else
            {
                _output.WriteLine($"{name}\t{Plain(value!)}");
            }
        }
    }

    /// <summary>A table: in a pipe all columns, a tab between them; on a terminal those that fit, with their names.</summary>
    public void Table(IReadOnlyList<Column> columns, IReadOnlyList<string[]> rows, string whenEmpty)
    {
        var cells = rows.Select(r => r.Select(Plain).ToArray()).ToList();
        if (!IsTerminal)
        {
            cells.ForEach(row => _output.WriteLine(string.Join('\t', row)));
            return;
        }

        if (rows.Count == 0)
        {
            WriteLine(whenEmpty, new Style(Color.Grey));
            return;
        }

        var fitting = TableLayout.Fit(columns, cells, _isWide ? int.MaxValue : _width, Gap);
        WriteRow(fitting, column => (columns[column].Name.ToUpperInvariant(), new Style(Color.Grey)));
        foreach (var row in cells)
        {
            WriteRow(fitting, column => (row[column], StyleOf(columns[column].Name, row[column])));
        }

        if (fitting.Count < columns.Count)
        {
            var left = columns.Where((_, i) => fitting.All(f => f.Index != i)).Select(c => c.Name);
            Note($"not shown: {string.Join(", ", left)} (--wide shows all columns)");
        }
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
        if (IsJson)
        {
            _output.WriteLine(JsonSerializer.Serialize(entry, PlaneJson.Http));
            return;
        }

        var why = Why(entry);
        if (IsTerminal)
        {
            _console.Write(new Text(entry.Time.UtcDateTime.ToString("HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture) + "  ", new Style(Color.Grey)));
            _console.Write(new Text(entry.Status.WireName(), StatusStyle(entry.Status.WireName())));
            _console.WriteLine(why.Length > 0 ? "  " + why : "");
        }
        else
        {
            string?[] fields = [timeInPipe ? Time(entry.Time) : null, entry.Status.WireName(), why.Length > 0 ? why : null];
            _output.WriteLine(string.Join('\t', fields.OfType<string>()));
        }
    }

    public void Note(string text) => _error.WriteLine(text);

    public void Problem(string text)
    {
        if (IsTerminal)
        {
            _error.Write("\u001b[31mplane:\u001b[0m ");
            _error.WriteLine(text);
        }
        else
        {
            _error.WriteLine("plane: " + text);
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

        // No reason at all means that it ended by itself.
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
        >= 172_800_000 => string.Create(CultureInfo.InvariantCulture, $"{milliseconds / 86_400_000} d"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{milliseconds / 3_600_000} h"),
    };

    private void WriteRow(IReadOnlyList<FittingColumn> columns, Func<int, (string Text, Style Style)> cell)
    {
        for (var i = 0; i < columns.Count; i++)
        {
            var (text, style) = cell(columns[i].Index);
            var shown = TableLayout.Cut(text, columns[i].Width);
            Write(shown, style);

            // Nothing behind the last: blanks there would wrap on a terminal that is narrower than the longest cell.
            if (i < columns.Count - 1)
            {
                Write(new string(' ', columns[i].Width - TableLayout.CellsOf(shown) + Gap), Style.Plain);
            }
        }

        _output.WriteLine();
    }

    private void WriteLine(string text, Style style)
    {
        Write(text, style);
        _output.WriteLine();
    }

    private void Write(string text, Style style)
    {
        if (text.Length > 0)
        {
            _console.Write(new Text(text, style));
        }
    }

    private static Style StyleOf(string column, string value) =>
        column is "status" or "state" ? StatusStyle(value) : column is "url" ? new Style(Color.Blue, decoration: Decoration.Underline) : Style.Plain;

    private static Style StatusStyle(string status) => status switch
    {
        "ready" => new Style(Color.Green),
        "terminated" => new Style(Color.Grey),
        "terminating" or "hard-terminating" => new Style(Color.Yellow),
        _ when status.StartsWith("not ready", StringComparison.Ordinal) => new Style(Color.Red),
        _ when status.StartsWith("draining", StringComparison.Ordinal) => new Style(Color.Yellow),
        _ => new Style(Color.Blue),
    };
}
