using System.Globalization;
using Plane.Chaos.Parts;

namespace Plane.Chaos;

/// <summary>Says what happens, on the console and in the run's report, with the time since its start.</summary>
internal sealed class Reporter(string file)
{
    private readonly Lock _lock = new();
    private readonly long _began = BootClock.Now;

    public void Say(string line) => Write(string.Create(CultureInfo.InvariantCulture, $"{Since(BootClock.Now),8:F2} s  {line}"));

    /// <summary>A line without a time.</summary>
    public void Write(string line)
    {
        lock (_lock)
        {
            Console.WriteLine(line);
            File.AppendAllText(file, line + "\n");
        }
    }

    /// <summary>Seconds from the start to a moment of the boot clock.</summary>
    public double Since(long at) => (at - _began) / 1e9;
}
