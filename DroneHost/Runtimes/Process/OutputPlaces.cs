using System.Globalization;
using System.Text;
using Plane.Files;

namespace Plane.DroneHost.Runtimes.Process;

/// <summary>Where in all that a backend has written its two files begin. So a position stays the same while what is before it is cut off.</summary>
/// <param name="Begin">The position of the first byte of <see cref="BackendFiles.Output"/>.</param>
/// <param name="OlderBegin">That of the first byte of <see cref="BackendFiles.OlderOutput"/>.</param>
/// <param name="Lines">How many lines end before the first.</param>
/// <param name="OlderLines">And before the second.</param>
/// <param name="BeginsLine">Whether the first begins with the beginning of a line.</param>
/// <param name="IsEmptied">Whether the first begins there because the backend has emptied it: how many lines were lost by that is not known.</param>
internal sealed record OutputPlaces(long Begin, long OlderBegin, long Lines, long OlderLines, bool BeginsLine, bool IsEmptied = false)
{
    private static readonly OutputPlaces s_uncut = new(0, 0, 0, 0, true);

    public static OutputPlaces Read(BackendFiles files)
    {
        try
        {
            var numbers = File.ReadAllText(files.OutputPlaces).Split(' ').Select(n => long.Parse(n, NumberStyles.None, CultureInfo.InvariantCulture)).ToArray();
            return numbers is [var begin, var olderBegin, var lines, var olderLines, .. var rest]
                ? new OutputPlaces(begin, olderBegin, lines, olderLines, rest is [1, ..], rest is [_, 1])
                : s_uncut;
        }
        catch (Exception e) when (e is IOException or FormatException or OverflowException)
        {
            // Nothing was cut off yet.
            return s_uncut;
        }
    }

    /// <summary>
    /// Allows for a backend that has emptied its file, as a shell's <c>echo x &gt;/dev/stderr</c> does: that opens the file anew and truncates it. What it writes from then on gets positions after
    /// those that there were, so that readers miss nothing of it. A file that is longer again by the next look than it was is not recognized. Not while the same output is read.
    /// </summary>
    /// <param name="files">The backend.</param>
    /// <param name="end">A position up to which something was written.</param>
    public static void AllowForEmptying(BackendFiles files, long end)
    {
        var (places, output) = (Read(files), new FileInfo(files.Output));
        if (output.Exists && places.Begin + output.Length < end)
        {
            (places with { Begin = end, BeginsLine = true, IsEmptied = true }).Write(files);
        }
    }

    public void Write(BackendFiles files) => PrivateFile.Replace(
        files.OutputPlaces,
        Encoding.ASCII.GetBytes(string.Create(
            CultureInfo.InvariantCulture, $"{Begin} {OlderBegin} {Lines} {OlderLines} {(BeginsLine ? 1 : 0)}{(IsEmptied ? " 1" : "")}")));
}
