using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Plane.Judge;

/// <summary>
/// The record of this process's life, a file of its own that is only ever appended to, one write a line: <c>clock what backend token key</c>. The clock is
/// <c>CLOCK_BOOTTIME</c> in nanoseconds, which all processes and containers of a machine share whatever their namespaces and which nobody sets. A process that is
/// killed or frozen can't write so: <c>alive</c> every 50 ms stands in for that, and its absence shows it.
/// </summary>
internal sealed class LifeFile : IDisposable
{
    private const int BootTime = 7;

    private readonly FileStream _file;
    private readonly Lock _lock = new();
    private readonly string _backend;
    private string _identity;
    private string _answer;
    private bool _stopped;

    private LifeFile(string directory)
    {
        var backend = _backend = Variable("SESSION_BACKEND_ID");
        var token = Variable("SESSION_BACKEND_FENCING_TOKEN");
        _identity = $"{backend} {token} {Uri.EscapeDataString(Variable("SESSION_BACKEND_KEY"))}";
        _answer = $"{backend} {token}";
        IsWarm = Environment.GetEnvironmentVariable("SESSION_BACKEND_WARM") == "1";
        Directory.CreateDirectory(directory);
        // The clock is part of the name: should a backend be started twice, which would be a violation, each start has a file.
        var path = Path.Combine(directory, string.Create(CultureInfo.InvariantCulture, $"{backend}.{token}.{Now()}-{Environment.ProcessId}.life"));
        _file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.Read, bufferSize: 0);
        Write("start");
    }

    /// <summary>Who this is, as clients are told.</summary>
    public string Answer
    {
        get
        {
            lock (_lock)
            {
                return _answer;
            }
        }
    }

    /// <summary>The backend's id.</summary>
    public string Backend => _backend;

    /// <summary>Whether it has no key yet.</summary>
    public bool IsWarm { get; private set; }

    /// <summary>It gets its key: from here on it is this one's. Every claim is written down, also one that is repeated.</summary>
    public void Claim(string key, long token)
    {
        lock (_lock)
        {
            _identity = string.Create(CultureInfo.InvariantCulture, $"{_backend} {token} {Uri.EscapeDataString(key)}");
            _answer = string.Create(CultureInfo.InvariantCulture, $"{_backend} {token}");
            IsWarm = false;
            Write("claim");
        }
    }

    /// <summary>Begins the record in the directory that the backend was told.</summary>
    public static LifeFile Open() => new(Environment.GetEnvironmentVariable("JUDGE_DIR") is { Length: > 0 } directory ? directory : "/plane-data");

    public void Write(string what)
    {
        lock (_lock)
        {
            if (_stopped)
            {
                return;
            }

            _stopped = what == "stop";
            // Read under the lock: lines stand in the order of their time.
            _file.Write(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{Now()} {what} {_identity}\n")));
        }
    }

    public void Dispose()
    {
        Write("stop");
        _file.Dispose();
    }

    private static long Now() =>
        ClockGetTime(BootTime, out var now) == 0 ? (now.Seconds * 1_000_000_000L) + now.Nanoseconds : throw new InvalidOperationException("CLOCK_BOOTTIME cannot be read");

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
