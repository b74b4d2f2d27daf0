using System.Text;

namespace Plane.Cli.Operator;

/// <summary>Splits a command line into words by the quoting rules of the POSIX shell (quotes and backslashes; nothing is expanded).</summary>
internal static class ShellWords
{
    /// <exception cref="FormatException">A quote is not closed.</exception>
    public static string[] Split(string text)
    {
        var words = new List<string>();
        var word = new StringBuilder();
        var inWord = false;
        var quote = '\0';
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (quote == '\'')
            {
                if (c == '\'')
                {
                    quote = '\0';
                }
                else
                {
                    word.Append(c);
                }
            }
            else if (c == '\\' && i + 1 < text.Length)
            {
                var next = text[++i];

                // Inside double quotes a backslash escapes only what is special there.
                if (quote == '"' && next is not ('"' or '\\' or '$' or '`'))
                {
                    word.Append(c);
                }

                word.Append(next);
                inWord = true;
            }
            else if (quote == '"')
            {
                if (c == '"')
                {
                    quote = '\0';
                }
                else
                {
                    word.Append(c);
                }
            }
            else if (c is '\'' or '"')
            {
                quote = c;
                inWord = true;
            }
            else if (char.IsWhiteSpace(c))
            {
                if (inWord)
                {
                    words.Add(word.ToString());
                    word.Clear();
                    inWord = false;
                }
            }
            else
            {
                word.Append(c);
                inWord = true;
            }
        }

        if (quote != '\0')
        {
            throw new FormatException("a quote is not closed");
        }

        if (inWord)
        {
            words.Add(word.ToString());
        }

        return [.. words];
    }
}
