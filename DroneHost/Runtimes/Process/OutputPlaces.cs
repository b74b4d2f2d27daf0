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
internal sealed record OutputPlaces(long Begin, long OlderBegin, long Lines, long OlderLines, bool BeginsLine)
{
    private static readonly OutputPlaces s_uncut = new(0, 0, 0, 0, true);

    public static OutputPlaces Read(BackendFiles files)
    {
        try
        {
            var numbers = File.ReadAllText(files.OutputPlaces).Split(' ').Select(n => long.Parse(n, NumberStyles.None, CultureInfo.InvariantCulture)).ToArray();
            return numbers is [var begin, var olderBegin, var lines, var olderLines, .. var rest] ? new OutputPlaces(begin, olderBegin, lines, olderLines, rest is [1]) : s_uncut;
        }
        catch (Exception e) when (e is IOException or FormatException or OverflowException)
        {
            // Nothing was cut off yet.
            return s_uncut;
        }
    }

    public void Write(BackendFiles files) =>
        PrivateFile.Replace(files.OutputPlaces, Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{Begin} {OlderBegin} {Lines} {OlderLines} {(BeginsLine ? 1 : 0)}")));
}
