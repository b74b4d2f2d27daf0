using System.Text;

namespace Plane.Hosting.Ready;

/// <summary>The line, written to a writer as a whole, so that roles of one process don't mix theirs.</summary>
/// <param name="output">Where to.</param>
public sealed class ReadyLine(TextWriter output) : IReadyLine
{
    private readonly Lock _lock = new();
    private readonly HashSet<string> _said = [];

    /// <inheritdoc/>
    public void Ready(string role, params IReadOnlyList<(string Key, string Value)> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        lock (_lock)
        {
            if (_said.Add(role))
            {
                output.WriteLine(Format(role, values));
                output.Flush();
            }
        }
    }

    /// <summary>The line's text. A value with white space, quotes or control characters is quoted, so that the line stays one line and splits at blanks.</summary>
    /// <param name="role">The role.</param>
    /// <param name="values">The values.</param>
    public static string Format(string role, IReadOnlyList<(string Key, string Value)> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        var line = new StringBuilder("ready ").Append(role);
        foreach (var (key, value) in values)
        {
            line.Append(' ').Append(key).Append('=');
            if (value.Any(c => char.IsWhiteSpace(c) || char.IsControl(c) || c == '"'))
            {
                line.Append('"').Append(Logging.LogText.Escape(value).Replace("\"", "\\\"", StringComparison.Ordinal)).Append('"');
            }
            else
            {
                line.Append(value);
            }
        }

        return line.ToString();
    }
}
