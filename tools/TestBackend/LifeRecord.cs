using System.Globalization;
using System.Runtime.InteropServices;

namespace Plane.TestBackend;

/// <summary>
/// Appends this backend's life to a file: <c>boottime-ns what backend-id fencing-token key pid</c>, one line an event. <c>CLOCK_BOOTTIME</c>
/// is the same for all processes and containers of a machine, so that a test may judge from several backends' lines whether
/// two of one key ever ran at the same instant. <c>alive</c> every 20 ms stands in for the line that a killed process can't write.
/// </summary>
internal sealed class LifeRecord : IDisposable
{
    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(20);

    private readonly FileStream _file;
    private readonly Lock _lock = new();
    private readonly string _identity;
    private readonly ITimer _timer;

    private LifeRecord(string path)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        // Append mode: one write a line, so that lines of several backends in one file never mix.
        _file = new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite, 1);
        _identity = string.Join(
            ' ',
            Variable("SESSION_BACKEND_ID"),
            Variable("SESSION_BACKEND_FENCING_TOKEN"),
            Uri.EscapeDataString(Variable("SESSION_BACKEND_KEY")),
            Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
        Write("start");
        _timer = TimeProvider.System.CreateTimer(_ => Write("alive"), null, Beat, Beat);
    }

    public static LifeRecord? Open(string? path) => path is null ? null : new LifeRecord(path);

    public void Write(string what)
    {
        if (ClockGetTime(7, out var now) != 0)
        {
            throw new InvalidOperationException("CLOCK_BOOTTIME cannot be read");
        }

        var line = string.Create(CultureInfo.InvariantCulture, $"{(now.Seconds * 1_000_000_000L) + now.Nanoseconds} {what} {_identity}\n");
        lock (_lock)
        {
            _file.Write(System.Text.Encoding.UTF8.GetBytes(line));
            _file.Flush();
        }
    }

    public void Dispose()
    {
        _timer.Dispose();
        Write("stop");
        _file.Dispose();
    }

    private static string Variable(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : "-";

    [DllImport("libc", EntryPoint = "clock_gettime")]
    private static extern int ClockGetTime(int clock, out TimeSpec time);

    [StructLayout(LayoutKind.Sequential)]
    private struct TimeSpec
    {
        public long Seconds;
        public long Nanoseconds;
    }
}
