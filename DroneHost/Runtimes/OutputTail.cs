using System.Text;

namespace Plane.DroneHost.Runtimes;

/// <summary>The last lines of a backend's output, bounded and harmless on a terminal.</summary>
public static class OutputTail
{
    /// <summary>The most lines.</summary>
    public const int MaxLines = 50;

    /// <summary>The most bytes, as UTF-8.</summary>
    public const int MaxBytes = 8 * 1024;

    /// <summary>
    /// Makes one of the end of an output: the last <see cref="MaxLines"/> lines within <see cref="MaxBytes"/>, without control characters but the newlines between them, escape
    /// sequences of terminals included.
    /// </summary>
    /// <param name="output">The end of it, in UTF-8; what isn't is replaced.</param>
    /// <returns>The lines, or null where there is none.</returns>
    public static string? Of(ReadOnlySpan<byte> output)
    {
        var lines = new List<string>();
        var left = MaxBytes;
        foreach (var line in Encoding.UTF8.GetString(output).Split('\n').Select(Printable).Reverse().SkipWhile(l => l.Length == 0).Take(MaxLines))
        {
            var size = Encoding.UTF8.GetByteCount(line) + 1;
            if (size > left)
            {
                if (lines.Count == 0)
                {
                    // One line that is longer than all of it: its end.
                    lines.Add(Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(line)[^(MaxBytes / 2)..]).TrimStart('\uFFFD'));
                }

                break;
            }

            left -= size;
            lines.Add(line);
        }

        lines.Reverse();
        return lines.Count == 0 ? null : string.Join('\n', lines);
    }

    /// <summary>A line without escape sequences (ECMA-48: CSI with its parameters, OSC with its text, any other of two characters) and control characters; a tab is a blank.</summary>
    private static string Printable(string line)
    {
        var text = new StringBuilder(line.Length);
        for (var i = 0; i < line.Length; i++)
        {
            if (line[i] == '\e')
            {
                i = EndOfEscape(line, i + 1);
            }
            else if (line[i] == '\t')
            {
                text.Append(' ');
            }
            else if (!char.IsControl(line[i]))
            {
                text.Append(line[i]);
            }
        }

        return text.ToString().TrimEnd();
    }

    private static int EndOfEscape(string line, int at)
    {
        if (at >= line.Length || line[at] is not ('[' or ']'))
        {
            return at;
        }

        var isCommand = line[at] == '[';
        for (at++; at < line.Length; at++)
        {
            if (isCommand ? line[at] is >= '@' and <= '~' : line[at] is '\a' or '\\')
            {
                return at;
            }
        }

        return at;
    }
}
