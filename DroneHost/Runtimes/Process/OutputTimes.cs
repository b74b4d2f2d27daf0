using System.Globalization;
using System.Text;
using Plane.Files;

namespace Plane.DroneHost.Runtimes.Process;

/// <summary>
/// When a backend had written how much: a file with a line for each look of the agent at which there was more, position and Unix time in milliseconds. A process writes to its file without the agent, so no
/// line has a time of its own.
/// </summary>
internal sealed class OutputTimes
{
    private const int MaxBytes = 64 * 1024;

    private readonly List<(long Position, long Time)> _marks = [];

    private OutputTimes()
    {
    }

    /// <summary>Up to where was noted that something was written.</summary>
    public long End => _marks is [.., var last] ? last.Position : 0;

    /// <summary>Notes how much there is, where there is more than at the look before.</summary>
    /// <param name="files">The backend.</param>
    /// <param name="noted">What was noted last.</param>
    /// <param name="now">The time.</param>
    /// <returns>What is noted now.</returns>
    public static long Note(BackendFiles files, long noted, DateTimeOffset now)
    {
        var info = new FileInfo(files.Output);
        var end = info.Exists ? OutputPlaces.Read(files).Begin + info.Length : 0;
        if (end == 0 || end == noted)
        {
            return end;
        }

        using (var file = PrivateFile.Open(files.OutputTimes, FileMode.Append, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete))
        {
            file.Write(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{end} {now.ToUnixTimeMilliseconds()}\n")));
            if (file.Length <= MaxBytes)
            {
                return end;
            }
        }

        var marks = File.ReadAllLines(files.OutputTimes);
        PrivateFile.Replace(files.OutputTimes, Encoding.ASCII.GetBytes(string.Join('\n', marks[(marks.Length / 2)..]) + '\n'));
        return end;
    }

    public static OutputTimes Read(BackendFiles files)
    {
        var times = new OutputTimes();
        try
        {
            foreach (var line in File.ReadLines(files.OutputTimes))
            {
                if (line.Split(' ') is [var position, var time]
                    && long.TryParse(position, NumberStyles.None, CultureInfo.InvariantCulture, out var at)
                    && long.TryParse(time, NumberStyles.None, CultureInfo.InvariantCulture, out var when))
                {
                    times._marks.Add((at, when));
                }
            }
        }
        catch (IOException)
        {
            // No look has noted anything yet.
            return times;
        }

        return times;
    }

    /// <summary>When what ends at a position had been written, as far as it was noted.</summary>
    public DateTimeOffset? Of(long position)
    {
        var (low, high) = (0, _marks.Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = _marks[middle].Position >= position ? (low, middle) : (middle + 1, high);
        }

        // Before the first mark, what the mark says holds for the first of it alone: the rest was thrown away.
        return low < _marks.Count ? DateTimeOffset.FromUnixTimeMilliseconds(_marks[low].Time) : null;
    }
}
