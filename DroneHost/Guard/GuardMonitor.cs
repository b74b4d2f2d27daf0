using System.ComponentModel;
using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.Runtimes.Docker;
using Plane.Files;
using Plane.Hosting.Configuration;
using Plane.Hosting;

namespace Plane.DroneHost.Guard;

/// <summary>
/// Sees to it that there is a guard. Where no other is in charge of the run directory, it starts one, in a session of its own so that it outlives this agent, and
/// another whenever it is gone. A service's guard is only looked for.
/// </summary>
internal sealed partial class GuardMonitor(DroneOptions options, RunDirectory directory, ILeaseClock clock, TimeProvider time, ILogger<GuardMonitor> logger)
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan SoonAgain = TimeSpan.FromMilliseconds(50);

    /// <summary>A start takes a fraction of it; one that took longer failed.</summary>
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(10);

    /// <summary>How long without a guard before no new backends are taken: what runs is still ended by this agent.</summary>
    private static readonly TimeSpan UnguardedLimit = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(5);

    // Of a guard that ends at once, and is started again each second.
    private readonly Outage _outage = new(time);

    private Process? _started;
    private long _startedAt;

    /// <summary>Whether a guard is there, or was a moment ago, or none is asked for.</summary>
    public bool IsGuarded { get; private set; }

    /// <summary>Raised when <see cref="IsGuarded"/> has changed.</summary>
    public event Action? Changed;

    private bool IsWanted => options.Guard == DroneOptions.ExternalGuard || options.GuardProgram is { Count: > 0 };

    /// <summary>Watches, until it is cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        if (!IsWanted)
        {
            Set(true);
            return;
        }

        await ReplaceOlderAsync(cancellationToken);
        long? missingSince = null;
        while (true)
        {
            var isThere = FileLock.IsHeld(directory.GuardLock);
            if (isThere)
            {
                missingSince = null;
                _outage.End();
                Set(true);
            }
            else
            {
                missingSince ??= time.GetTimestamp();
                if (IsGuarded && time.GetElapsedTime(missingSince.Value) > UnguardedLimit)
                {
                    LogUnguarded(directory.Root);
                    Set(false);
                }

                StartIfDue();
            }

            await Task.Delay(isThere ? LookEvery : SoonAgain, time, cancellationToken);
        }
    }

    /// <summary>The drone ends and leaves nothing: a guard that an agent started ends too. Whether none is left.</summary>
    public async Task<bool> TryEndAsync()
    {
        var guard = Own();
        guard?.Process.TrySignal(ProcessIdentity.Terminate);
        var begun = time.GetTimestamp();
        while (FileLock.IsHeld(directory.GuardLock))
        {
            if (guard is null || time.GetElapsedTime(begun) > EndLimit)
            {
                return false;
            }

            await Task.Delay(SoonAgain / 2, time);
        }

        _started?.Dispose();
        return true;
    }

    /// <summary>A guard that an agent of another version started is replaced by one of this version. What it was ending, the next continues to end.</summary>
    private async Task ReplaceOlderAsync(CancellationToken cancellationToken)
    {
        if (options.Guard != DroneOptions.ExternalGuard && Own() is { } guard && guard.Version != PlaneVersion.Current.Version)
        {
            LogReplaced(guard.Version);
            guard.Process.TrySignal(ProcessIdentity.Terminate);
            var begun = time.GetTimestamp();
            while (FileLock.IsHeld(directory.GuardLock) && time.GetElapsedTime(begun) < EndLimit)
            {
                await Task.Delay(SoonAgain, time, cancellationToken);
            }
        }
    }

    /// <summary>The guard that is there, if an agent started it.</summary>
    private GuardPresence? Own() =>
        directory.ReadGuard() is { EndsWithAgent: true } guard && guard.BootId == clock.BootId && guard.Process.IsRunning && FileLock.IsHeld(directory.GuardLock) ? guard : null;

    private void StartIfDue()
    {
        if (options.Guard == DroneOptions.ExternalGuard || options.GuardProgram is not { Count: > 0 } program)
        {
            return;
        }

        // One that ends at once is started again every second, not all the time.
        var age = time.GetElapsedTime(_startedAt);
        if (_startedAt != 0 && age < (_started is { HasExited: false } ? StartLimit : LookEvery))
        {
            return;
        }

        if (_started is { } last)
        {
            var reason = last.HasExited ? $"exit code {last.ExitCode}" : "it does not take its lock";
            if (_outage.ShouldLog(reason))
            {
                LogGone(reason);
            }

            last.Dispose();
        }

        var info = new ProcessStartInfo(program[0]) { UseShellExecute = false, WorkingDirectory = "/" };
        string[] all =
        [
            .. program.Skip(1), "--with-agent", "--run-dir", directory.Root,

            // Whatever the agent takes now, containers may run from before.
            .. DockerEndpoint.TryParse(options.DockerHost, out _) is null ? (string[])["--runtime", "process"] : ["--docker-host", options.DockerHost],
        ];
        foreach (var argument in all)
        {
            info.ArgumentList.Add(argument);
        }

        // Its options are on its command line; the agent's, secrets among them, are none of its business.
        foreach (var name in info.Environment.Keys.Where(k => k.StartsWith("PLANE__", StringComparison.OrdinalIgnoreCase) || k == OptionNames.FileVariable).ToArray())
        {
            info.Environment.Remove(name);
        }

        // It does next to nothing: one heap, no thread for collecting it.
        info.Environment["DOTNET_gcServer"] = "0";
        info.Environment["DOTNET_gcConcurrent"] = "0";
        _startedAt = time.GetTimestamp();
        try
        {
            _started = Process.Start(info);
            if (_outage.ShouldLog("started"))
            {
                LogStarted(_started?.Id ?? 0);
            }
        }
        catch (Exception e) when (e is Win32Exception or IOException)
        {
            _started = null;
            if (_outage.ShouldLog(e.Message))
            {
                LogNotStarted(e.Message);
            }
        }
    }

    private void Set(bool isGuarded)
    {
        if (IsGuarded != isGuarded)
        {
            IsGuarded = isGuarded;
            Changed?.Invoke();
        }
    }

    [LoggerMessage(EventIds.GuardMonitorStarted, LogLevel.Information, "The guard was started, pid {Pid}")]
    private partial void LogStarted(int pid);

    [LoggerMessage(EventIds.GuardMonitorNotStarted, LogLevel.Error, "The guard cannot be started: {Reason}")]
    private partial void LogNotStarted(string reason);

    [LoggerMessage(EventIds.GuardMonitorGone, LogLevel.Warning, "The guard process ended ({Reason}). The agent starts it again")]
    private partial void LogGone(string reason);

    [LoggerMessage(EventIds.GuardMonitorUnguarded, LogLevel.Error, "No guard has run in {Directory} for 10 s, so this drone starts no new backends. Start plane-guard, or look in guard.log")]
    private partial void LogUnguarded(string directory);

    [LoggerMessage(EventIds.GuardMonitorReplaced, LogLevel.Information, "The guard of version {Version} is replaced")]
    private partial void LogReplaced(string version);
}
