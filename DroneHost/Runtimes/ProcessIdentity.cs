using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Plane.DroneHost.Runtimes;

/// <summary>
/// A process that a reused pid cannot be mistaken for: the pid together with its start time. What agent and guard kill where a runtime does not answer.
/// </summary>
/// <param name="Pid">The process.</param>
/// <param name="StartTime">When it started, in clock ticks since boot (proc(5), stat field 22).</param>
public readonly partial record struct ProcessIdentity(int Pid, long StartTime)
{
    /// <summary>SIGTERM.</summary>
    public const int Terminate = 15;

    /// <summary>SIGKILL.</summary>
    public const int Kill = 9;

    // One number on every architecture since Linux 5.1.
    private const int PidfdSendSignal = 424;
    private const int PidfdOpen = 434;
    private const int NoSuchProcess = 3;
    private const int NoSuchCall = 38;
    private const int NotPermitted = 1;

    /// <summary>Whether it runs; one that is dead and not yet waited for doesn't.</summary>
    public bool IsRunning => ProcStat.TryRead(Pid) is { IsAlive: true } stat && stat.StartTime == StartTime;

    /// <summary>The process that has this pid now, or null.</summary>
    /// <param name="pid">The pid.</param>
    public static ProcessIdentity? TryRead(int pid) =>
        pid > 0 && ProcStat.TryRead(pid) is { } stat ? new ProcessIdentity(pid, stat.StartTime) : null;

    /// <summary>
    /// Sends a signal to exactly this process: it is opened first (pidfd_open(2)), then its start time is compared, so that nothing can take its pid in between.
    /// </summary>
    /// <param name="signal">The signal's number.</param>
    /// <returns>Whether it was there to be sent to.</returns>
    public bool TrySignal(int signal)
    {
        // 0 and below would address process groups, 1 is the machine's first process.
        if (Pid <= 1)
        {
            return false;
        }

        var descriptor = (int)SystemCall(PidfdOpen, Pid, 0, 0, 0);
        if (descriptor < 0)
        {
            return Marshal.GetLastPInvokeError() switch
            {
                NoSuchProcess => false,

                // Before Linux 5.3, or forbidden by a seccomp filter.
                NoSuchCall or NotPermitted => IsRunning && (SignalPid(Pid, signal) == 0 || Gone()),
                var error => throw new Win32Exception(error),
            };
        }

        try
        {
            return IsRunning && (SystemCall(PidfdSendSignal, descriptor, signal, 0, 0) == 0 || Gone());
        }
        finally
        {
            _ = Close(descriptor);
        }
    }

    /// <summary>
    /// Kills this process and every process of the session it leads or led: a launched backend's whole tree but for what made a session of its own (that is what
    /// the cgroup is for), a container's first process and with it the container.
    /// </summary>
    /// <returns>How many processes were found alive; 0 says that nothing of it runs.</returns>
    public int KillSession() => KillAll(Members(ProcStat.ReadAll()));

    /// <summary>Kills processes. One that this user may not signal keeps no other alive.</summary>
    /// <param name="processes">The processes.</param>
    /// <returns>How many were found alive.</returns>
    /// <exception cref="Win32Exception">One could not be signalled.</exception>
    internal static int KillAll(IEnumerable<ProcessIdentity> processes)
    {
        var found = 0;
        Win32Exception? refused = null;
        foreach (var process in processes)
        {
            try
            {
                found += process.TrySignal(Kill) ? 1 : 0;
            }
            catch (Win32Exception e)
            {
                refused ??= e;
            }
        }

        return refused is null ? found : throw refused;
    }

    /// <summary>The live processes whose cgroup's path holds a name that no other path has, as a container's id.</summary>
    internal static IReadOnlyList<ProcessIdentity> InCgroupNamed(string name) =>
        [.. ProcStat.ReadAll().Where(p => p.IsAlive && IsInCgroupNamed(p.Pid, name)).Select(p => new ProcessIdentity(p.Pid, p.StartTime))];

    /// <summary>The live processes that carry a backend's environment, as far as this process may see it: its own, also where no record names them.</summary>
    internal static IReadOnlyList<ProcessIdentity> WithEnvironmentOf(BackendIdentity backend) =>
        [.. ProcStat.ReadAll().Where(p => p.IsAlive && p.Pid > 1 && HasEnvironmentOf(p.Pid, backend)).Select(p => new ProcessIdentity(p.Pid, p.StartTime))];

    private static bool HasEnvironmentOf(int pid, BackendIdentity backend)
    {
        try
        {
            var environment = File.ReadAllText($"/proc/{pid}/environ").Split('\0');
            return environment.Contains($"SESSION_BACKEND_ID={backend.Backend.Value}") && environment.Contains($"SESSION_BACKEND_FENCING_TOKEN={backend.Token}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It has ended, or is another user's and so not of an engine that we may call.
            return false;
        }
    }

    private static bool IsInCgroupNamed(int pid, string name)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/cgroup").Contains(name, StringComparison.Ordinal);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It has ended.
            return false;
        }
    }

    /// <summary>This process and the processes of its session, among those given.</summary>
    internal IReadOnlyList<ProcessIdentity> Members(IEnumerable<ProcStat> processes)
    {
        if (Pid <= 1)
        {
            return [];
        }

        var members = new List<ProcessIdentity>();
        foreach (var process in processes)
        {
            if (process.Pid == Pid && process.StartTime != StartTime)
            {
                // The kernel gives a number away again only once no session has it: so ours is gone, and this one is somebody else's.
                return [];
            }

            if ((process.Pid == Pid || process.Session == Pid) && process.IsAlive && process.StartTime >= StartTime)
            {
                members.Add(new ProcessIdentity(process.Pid, process.StartTime));
            }
        }

        return members;
    }

    private static bool Gone() => Marshal.GetLastPInvokeError() is var error && error == NoSuchProcess ? false : throw new Win32Exception(error);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial nint SystemCall(nint number, nint first, nint second, nint third, nint fourth);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int SignalPid(int pid, int signal);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int descriptor);
}
