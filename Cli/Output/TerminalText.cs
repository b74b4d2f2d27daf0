using System.Buffers;
using System.Text;

namespace Plane.Cli.Output;

/// <summary>
/// Text that a backend wrote, made harmless for a terminal: colours and styles (ECMA-48 SGR) stay where the text goes to a terminal; any other escape sequence and control character goes, so that a
/// backend can neither move the cursor nor retitle the window nor forge lines.
/// </summary>
internal static class TerminalText
{
    private const string Reset = "\e[0m";

    private static readonly SearchValues<char> s_parameters = SearchValues.Create("0123456789;:");

    /// <summary>The text without what a terminal would act on.</summary>
    /// <param name="text">One line.</param>
    /// <param name="keepColours">Whether colours stay; then they end with the line.</param>
    public static string Of(string text, bool keepColours)
    {
        if (!text.Any(char.IsControl))
        {
            return text;
        }

        var clean = new StringBuilder(text.Length);
        var isStyled = false;
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] is '\e' or '\u009b')
            {
                var end = EndOfSequence(text, i);
                if (keepColours && IsStyle(text.AsSpan(i, end - i + 1)))
                {
                    clean.Append(text, i, end - i + 1);
                    isStyled = true;
                }

                i = end;
            }
            else if (text[i] == '\t' || !char.IsControl(text[i]))
            {
                clean.Append(text[i]);
            }
        }

        return isStyled ? clean.Append(Reset).ToString() : clean.ToString();
    }

    private static bool IsStyle(ReadOnlySpan<char> sequence) =>
        sequence is ['\e', '[', .., 'm'] && !sequence[2..^1].ContainsAnyExcept(s_parameters);

    /// <summary>The index of the last character of an escape sequence: of a command (CSI), a string (OSC, DCS and their like) or any other of two characters.</summary>
    private static int EndOfSequence(string text, int at)
    {
        var kind = text[at] == '\u009b' ? '[' : at + 1 < text.Length ? text[++at] : '\0';
        if (kind is not ('[' or ']' or 'P' or 'X' or '^' or '_'))
        {
            return at;
        }

        for (at++; at < text.Length; at++)
        {
            if (kind == '[' ? text[at] is >= '@' and <= '~' : text[at] is '\a' or '\\')
            {
                return at;
            }
        }

        return text.Length - 1;
    }
}
