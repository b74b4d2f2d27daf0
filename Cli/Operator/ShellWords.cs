using System.Text;

namespace Plane.Cli.Operator;

/// <summary>Splits a command line into words by the quoting rules of the POSIX shell (quotes and backslashes; nothing is expanded).</summary>
internal static class ShellWords
{
    /// <exception cref="FormatException">A quote is not closed.</exception>
    public static string[] Split(string text)
    {
        var words = new List<string>();
        for (var at = 0; at < text.Length;)
        {
            if (char.IsWhiteSpace(text[at]))
            {
                at++;
            }
            else
            {
                words.Add(ReadWord(text, ref at));
            }
        }

        return [.. words];
    }

    private static string ReadWord(string text, ref int at)
    {
        var word = new StringBuilder();
        while (at < text.Length && !char.IsWhiteSpace(text[at]))
        {
            if (text[at] is '\'' or '"')
            {
                ReadQuoted(text, ref at, word);
            }
            else
            {
                // A backslash at the end is one.
                at += text[at] == '\\' && at + 1 < text.Length ? 1 : 0;
                word.Append(text[at++]);
            }
        }

        return word.ToString();
    }

    private static void ReadQuoted(string text, ref int at, StringBuilder word)
    {
        for (var quote = text[at++]; at < text.Length; at++)
        {
            if (text[at] == quote)
            {
                at++;
                return;
            }

            // Inside double quotes a backslash escapes only what is special there.
            if (quote == '"' && text[at] == '\\' && at + 1 < text.Length && text[at + 1] is '"' or '\\' or '$' or '`')
            {
                at++;
            }

            word.Append(text[at]);
        }

        throw new FormatException("a quote is not closed");
    }
}
