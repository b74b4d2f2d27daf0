using System.Diagnostics;

namespace Plane.Chaos.Parts;

/// <summary>
/// One program of the installation. Its output goes to a file, so that it needs nobody to read it, and it is started again when it ends by itself, as the
/// operator's supervisor would: that is noted.
/// </summary>
internal sealed class Part(string name, string log, Func<IReadOnlyList<string>> command, IReadOnlyDictionary<string, string> environment, string readyText)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(20);

    private readonly Lock _lock = new();
    private Process? _process;
    private bool _wanted;
    private bool _stopped;
    private long _logFrom;

    public string Name => name;

    public string Log => log;

    /// <summary>How often it ended though nobody had killed it.</summary>
    public int UnexpectedExits { get; private set; }

    public int Pid => _process?.Id ?? 0;

    public bool IsRunning
    {
        get
        {
            lock (_lock)
            {
                return _process is { HasExited: false };
            }
        }
    }

    public void Start()
    {
        lock (_lock)
        {
            _wanted = true;
            if (_process is { HasExited: false })
            {
                return;
            }

            _process?.Dispose();
            _logFrom = File.Exists(log) ? new FileInfo(log).Length : 0;
            // exec: the pid is the program's own. setsid: a signal to our terminal is not one to it.
            var info = new ProcessStartInfo("/bin/sh") { WorkingDirectory = "/" };
            foreach (var argument in (string[])["-c", "log=$1; shift; exec setsid \"$@\" >>\"$log\" 2>&1 </dev/null", "sh", log, .. command()])
            {
                info.ArgumentList.Add(argument);
            }

            foreach (var (key, value) in environment)
            {
                info.Environment[key] = value;
            }

            _process = Process.Start(info) ?? throw new InvalidOperationException($"{name} could not be started");
            _stopped = false;
        }
    }

    /// <summary>Starts it again if it ended by itself.</summary>
    public bool Revive()
    {
        lock (_lock)
        {
            if (!_wanted || _process is not { HasExited: true } ended)
            {
                return false;
            }

            UnexpectedExits++;
            File.AppendAllText(log, $"--- exited by itself with {ended.ExitCode} at boot clock {BootClock.Now}; started again\n");
        }

        Start();
        return true;
    }

    /// <summary>Ends it, for as long as nobody starts it again.</summary>
    public async Task EndAsync(Signal signal)
    {
        Process? process;
        lock (_lock)
        {
            _wanted = false;
            process = _process;
            if (process is null or { HasExited: true })
            {
                return;
            }

            File.AppendAllText(log, $"--- signal {signal} at boot clock {BootClock.Now}\n");
            Signals.Send(process.Id, signal);
            if (_stopped && signal != Signal.Kill)
            {
                Signals.Send(process.Id, Signal.Continue);
            }
        }

        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20), TimeProvider.System);
        try
        {
            await process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            Signals.Send(process.Id, Signal.Kill);
            await process.WaitForExitAsync();
        }
    }

    public void Freeze()
    {
        lock (_lock)
        {
            if (_process is { HasExited: false } process)
            {
                _stopped = true;
                Signals.Send(process.Id, Signal.Stop);
            }
        }
    }

    public void Thaw()
    {
        lock (_lock)
        {
            _stopped = false;
            if (_process is { HasExited: false } process)
            {
                Signals.Send(process.Id, Signal.Continue);
            }
        }
    }

    /// <summary>For a while it has hardly a file descriptor left: its limit is little above what it has open.</summary>
    public async Task WithoutDescriptorsAsync(Func<Task> wait)
    {
        const int Left = 12;
        var pid = Pid;
        if (!IsRunning || await LimitAsync(pid) is not { } limit)
        {
            return;
        }

        var open = Directory.EnumerateFileSystemEntries($"/proc/{pid}/fd").Count();
        await Tool.TryAsync("prlimit", ["--pid", $"{pid}", $"--nofile={open + Left}:"]);
        await wait();

        // It may have ended, and its number may be another's by now: that one's limit is only ever raised to what such a process has by itself.
        if (Pid == pid && IsRunning)
        {
            await Tool.TryAsync("prlimit", ["--pid", $"{pid}", $"--nofile={limit}:"]);
        }
    }

    private static async Task<string?> LimitAsync(int pid)
    {
        var (code, output) = await Tool.TryAsync("prlimit", ["--pid", $"{pid}", "--nofile", "--output", "SOFT", "--noheadings", "--raw"]);
        return code == 0 ? output.Trim() : null;
    }

    /// <summary>Waits until this start has said that it serves; false if it ends or the time is over first.</summary>
    public async Task<bool> ReadyAsync(TimeSpan limit, CancellationToken cancellationToken)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(began) < limit)
        {
            if (SinceStart().Contains(readyText, StringComparison.Ordinal))
            {
                return true;
            }

            if (!IsRunning)
            {
                return false;
            }

            await Task.Delay(Interval, TimeProvider.System, cancellationToken);
        }

        return false;
    }

    /// <summary>Its last lines, for a message.</summary>
    public string Tail() => File.Exists(log) ? string.Join('\n', File.ReadLines(log).TakeLast(15)) : "";

    private string SinceStart()
    {
        if (!File.Exists(log))
        {
            return "";
        }

        using var stream = new FileStream(log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        stream.Seek(_logFrom, SeekOrigin.Begin);
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
