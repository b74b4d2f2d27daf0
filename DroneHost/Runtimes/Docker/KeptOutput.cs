using System.Globalization;
using System.Text;

namespace Plane.DroneHost.Runtimes.Docker;

/// <summary>The last of what a container wrote: its text, and for each line of it a mark of when and where it was written.</summary>
/// <param name="Text">The text; it may begin within a line.</param>
/// <param name="Marks">A line for each: position and stream. They belong to the last lines of the text.</param>
internal sealed record KeptOutput(byte[] Text, byte[] Marks)
{
    /// <summary>The most lines that are read of an output; of these the last bytes are kept.</summary>
    public const int MaxLines = 20_000;

    /// <summary>Makes one.</summary>
    /// <param name="lines">The lines.</param>
    /// <param name="limit">The most bytes of text.</param>
    /// <param name="stopped">Called where the reading ends early; what was read is kept.</param>
    /// <param name="isStop">Whether an exception ends the reading early.</param>
    public static async Task<KeptOutput> ReadAsync(IAsyncEnumerable<OutputLine> lines, int limit, Action<Exception> stopped, Func<Exception, bool> isStop)
    {
        var text = new TailBuffer(limit);
        var marks = new Queue<string>();
        await using var reader = lines.GetAsyncEnumerator();
        try
        {
            while (await reader.MoveNextAsync())
            {
                var line = reader.Current;
                text.Add(Encoding.UTF8.GetBytes(line.Text + '\n'));
                marks.Enqueue(string.Create(CultureInfo.InvariantCulture, $"{(line.Time is null ? 0 : line.Position)} {(int)line.Stream}\n"));
                if (marks.Count > MaxLines)
                {
                    marks.Dequeue();
                }
            }
        }
        catch (Exception e) when (isStop(e))
        {
            stopped(e);
        }

        return new KeptOutput(text.ToArray(), Encoding.ASCII.GetBytes(string.Concat(marks)));
    }

    /// <summary>The lines of what was kept.</summary>
    public static IReadOnlyList<OutputLine> Lines(byte[] text, byte[] marks)
    {
        var texts = Encoding.UTF8.GetString(text).Split('\n');
        var known = Encoding.ASCII.GetString(marks).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        var count = texts is [.., ""] ? texts.Length - 1 : texts.Length;
        var lines = new OutputLine[count];
        var last = 0L;
        for (var i = 0; i < count; i++)
        {
            var (position, stream) = i + known.Length - count is >= 0 and var mark ? ReadMark(known[mark]) : (0, OutputStream.Stdout);
            last = Math.Max(position, last + 1);
            lines[i] = new OutputLine
            {
                Position = last,
                Time = position > 0 ? DateTimeOffset.UnixEpoch.AddTicks(position / 100) : null,
                Stream = stream,
                Text = texts[i],
            };
        }

        return lines;
    }

    private static (long Position, OutputStream Stream) ReadMark(string mark) =>
        mark.Split(' ') is [var position, var stream]
        && long.TryParse(position, NumberStyles.None, CultureInfo.InvariantCulture, out var at)
            ? (at, stream == "2" ? OutputStream.Stderr : OutputStream.Stdout)
            : (0, OutputStream.Stdout);
}
