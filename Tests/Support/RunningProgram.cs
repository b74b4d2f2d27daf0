using System.Diagnostics;
using System.Text.RegularExpressions;
using Xunit.Abstractions;

namespace Plane.Testing;

/// <summary>
/// A program that runs as a process of its own beside the tests: its lines are captured (and shown by a failing test), it can be
/// signalled, and it is gone when this object is disposed or the test run dies.
/// </summary>
public sealed class RunningProgram : IAsyncDisposable
{
    private const int MaxLines = 20_000;

    // A program of .NET that starts takes a core for a second or more. More at once than there are cores delay each other, and every time-out that runs meanwhile.
    private static readonly SemaphoreSlim s_starts = new(Environment.ProcessorCount);
    private static readonly TimeSpan s_start = TimeSpan.FromSeconds(3);

    private readonly Process _process;
    private readonly ITestOutputHelper? _output;
    private readonly Lock _lock = new();
    private readonly List<string> _lines = [];
    private readonly TaskCompletionSource _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _disposed;
    private TaskCompletionSource _more = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private RunningProgram(string name, Process process, ITestOutputHelper? output)
    {
        Name = name;
        _process = process;
        _output = output;
    }

    /// <summary>How it is called in logs.</summary>
    public string Name { get; }

    /// <summary>Its process id.</summary>
    public int Pid => _process.Id;

    /// <summary>Completes when it has exited and all of its output was read.</summary>
    public Task Exited => _exited.Task;

    /// <summary>Its exit code, once <see cref="Exited"/>; 128 + n after signal n.</summary>
    public int ExitCode => _process.ExitCode;

    /// <summary>Whether it has exited.</summary>
    public bool HasExited => _disposed || _process.HasExited;

    /// <summary>What it wrote so far, both streams in the order of arrival.</summary>
    public IReadOnlyList<string> Lines
    {
        get
        {
            lock (_lock)
            {
                return [.. _lines];
            }
        }
    }

    /// <summary>Starts <paramref name="file"/>. A null value in <paramref name="environment"/> removes the variable.</summary>
    public static async Task<RunningProgram> StartAsync(
        string file,
        IEnumerable<string> arguments,
        ITestOutputHelper? output = null,
        IReadOnlyDictionary<string, string?>? environment = null,
        string? workingDirectory = null,
        string? name = null,
        string? user = null)
    {
        var info = new ProcessStartInfo(file)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
            WorkingDirectory = workingDirectory ?? Path.GetTempPath(),
        };
        foreach (var argument in arguments)
        {
            info.ArgumentList.Add(argument);
        }

        info.Environment["PLANE_TEST_RUN"] = Checkout.Run;
        info.Environment["DOTNET_NOLOGO"] = "1";
        foreach (var (key, value) in environment ?? new Dictionary<string, string?>())
        {
            info.Environment[key] = value;
        }

        var process = new Process { StartInfo = info, EnableRaisingEvents = true };
        var program = new RunningProgram(name ?? Path.GetFileNameWithoutExtension(file), process, output);
        process.OutputDataReceived += (_, e) => program.OnLine(e.Data);
        process.ErrorDataReceived += (_, e) => program.OnLine(e.Data);
        await ProcessStarter.StartAsync(process, user);
        process.StandardInput.Close();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        program.WatchExit();
        return program;
    }

    /// <summary>Starts a .NET program of this build, such as <see cref="Checkout.Cli"/>.</summary>
    public static async Task<RunningProgram> StartDotnetAsync(
        string assembly,
        IEnumerable<string> arguments,
        ITestOutputHelper? output = null,
        IReadOnlyDictionary<string, string?>? environment = null,
        string? workingDirectory = null,
        string? name = null)
    {
        await s_starts.WaitAsync();
        Task started = Task.CompletedTask;
        try
        {
            var program = await StartAsync(
                Checkout.Dotnet, [assembly, .. arguments], output, environment, workingDirectory, name ?? Path.GetFileNameWithoutExtension(assembly));

            // Its first line, or its end, says that it has started.
            started = Task.WhenAny(program._more.Task, program.Exited, Task.Delay(s_start, TimeProvider.System));
            return program;
        }
        finally
        {
            _ = started.ContinueWith(static _ => s_starts.Release(), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        }
    }

    /// <summary>Runs a program to its end and returns its exit code and lines.</summary>
    public static async Task<(int ExitCode, IReadOnlyList<string> Lines)> RunAsync(
        string file,
        IEnumerable<string> arguments,
        ITestOutputHelper? output = null,
        IReadOnlyDictionary<string, string?>? environment = null,
        string? workingDirectory = null,
        TimeSpan? deadline = null)
    {
        await using var program = await StartAsync(file, arguments, output, environment, workingDirectory);
        return (await program.WaitForExitAsync(deadline), program.Lines);
    }

    /// <summary>Waits for a line (past ones count) that matches; fails with everything seen if it exits or the deadline passes first.</summary>
    public async Task<Match> WaitForLineAsync(string pattern, TimeSpan? deadline = null, int after = 0)
    {
        var regex = new Regex(pattern, RegexOptions.CultureInvariant);
        var limit = Task.Delay(deadline ?? Eventually.DefaultDeadline, TimeProvider.System);
        var next = after;
        while (true)
        {
            Task more;
            var exited = _exited.Task.IsCompleted;
            lock (_lock)
            {
                for (; next < _lines.Count; next++)
                {
                    if (regex.Match(_lines[next]) is { Success: true } match)
                    {
                        return match;
                    }
                }

                more = _more.Task;
            }

            if (exited || limit.IsCompleted)
            {
                Assert.Fail($"{Name} {(exited ? $"exited with {ExitCode}" : "did not")} before it wrote a line that matches /{pattern}/. {Transcript()}");
            }

            await Task.WhenAny(more, _exited.Task, limit);
        }
    }

    /// <summary>Waits for its end and returns the exit code.</summary>
    public async Task<int> WaitForExitAsync(TimeSpan? deadline = null)
    {
        var limit = deadline ?? Eventually.DefaultDeadline;
        if (await Task.WhenAny(_exited.Task, Task.Delay(limit, TimeProvider.System)) != _exited.Task)
        {
            Assert.Fail($"{Name} did not exit within {limit.TotalSeconds:F1} s. {Transcript()}");
        }

        return ExitCode;
    }

    /// <summary>Sends a signal; false if it is gone already.</summary>
    public bool Send(Signal signal) => !_process.HasExited && Signals.Send(Pid, signal);

    /// <summary>SIGTERM, and waits for the end.</summary>
    public Task<int> StopAsync(TimeSpan? deadline = null)
    {
        Send(Signal.Terminate);
        return WaitForExitAsync(deadline);
    }

    /// <summary>SIGKILL, and waits for the end.</summary>
    public Task<int> KillAsync()
    {
        Send(Signal.Kill);
        return WaitForExitAsync();
    }

    /// <summary>What it wrote, for a failure's message.</summary>
    public string Transcript()
    {
        var lines = Lines;
        return lines.Count == 0 ? "It wrote nothing." : "It wrote:\n  " + string.Join("\n  ", lines.TakeLast(200));
    }

    public async ValueTask DisposeAsync()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        if (!_process.HasExited)
        {
            // A stopped process takes SIGKILL too; it needs no SIGCONT first.
            Signals.Send(Pid, Signal.Kill);
        }

        // Not Exited: a grandchild that inherited the pipes may keep them open.
        await Eventually.TrueAsync(() => _process.HasExited, $"{Name} is gone after SIGKILL");
        _process.Dispose();
    }

    private void WatchExit() => _process.WaitForExitAsync().ContinueWith(
        _ => _exited.TrySetResult(), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);

    private void OnLine(string? line)
    {
        if (line is null)
        {
            return;
        }

        TaskCompletionSource more;
        lock (_lock)
        {
            if (_lines.Count < MaxLines)
            {
                _lines.Add(line);
            }

            more = _more;
            _more = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        more.TrySetResult();
        try
        {
            _output?.WriteLine($"[{Name}] {line}");
        }
        catch (InvalidOperationException)
        {
            // xunit takes no output once the test is over; the line stays in Lines.
        }
    }
}
