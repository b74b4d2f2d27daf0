using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Plane.Chaos.Parts;

namespace Plane.Chaos;

/// <summary>
/// Runs this program once more inside network, mount and process namespaces of its own: what it starts there, whatever it is and however it is orphaned, is
/// gone with the first process of them, and so are networks and mounts. That holds for a Ctrl-C and for a <c>kill -9</c> of this program too. Only control groups outlive their
/// processes; they are removed here.
/// </summary>
internal static class Sandbox
{
    public const string Variable = "PLANE_CHAOS_CGROUP";

    private const string Prefix = "plane-chaos-";

    // The first process of a process namespace must reap whoever is orphaned in it, which a shell does.
    private const string Init = """
        for procs in $PLANE_CHAOS_CGROUPS; do echo $$ >"$procs/cgroup.procs" || exit 1; done
        unset PLANE_CHAOS_CGROUPS
        trap 'kill -TERM $main' TERM INT
        "$@" &
        main=$!
        code=
        while :; do
            wait $main; code=$?
            kill -0 $main 2>/dev/null || break
        done
        exit $code
        """;

    /// <summary>Whether this is the inner one; then, the name of its control groups.</summary>
    public static string? Inside => Environment.GetEnvironmentVariable(Variable);

    public static async Task<int> RunAsync(string[] arguments)
    {
        var name = $"{Prefix}{Environment.ProcessId.ToString(CultureInfo.InvariantCulture)}";
        RemoveDeadRunsGroups();
        var groups = OwnGroups().Select(g => Path.Combine(g, name)).ToList();
        foreach (var group in groups)
        {
            Directory.CreateDirectory(group);
        }

        try
        {
            // Dies with us, however we die: with the thread that starts it, to be exact, and that is the main one, since nothing was awaited yet.
            var info = new ProcessStartInfo("setpriv")
            {
                UseShellExecute = false,
            };
            string[] all =
            [
                "--pdeathsig", "KILL", "unshare", "--mount", "--net", "--pid", "--ipc", "--fork", "--mount-proc", "--kill-child", "/bin/bash", "-c", Init, "plane-chaos", Checkout.Dotnet, Checkout.Chaos, .. arguments,
            ];
            foreach (var argument in all)
            {
                info.ArgumentList.Add(argument);
            }

            info.Environment[Variable] = name;
            info.Environment["PLANE_CHAOS_CGROUPS"] = string.Join(' ', groups);
            using var process = Process.Start(info) ?? throw new InvalidOperationException("unshare could not be started");
            var signals = 0;
            void OnSignal(PosixSignalContext context)
            {
                context.Cancel = true;
                // unshare ignores both while it waits; its one child is the namespace's first process. A second signal ends everything at once.
                var child = Interlocked.Increment(ref signals) > 1 ? process.Id : ChildOf(process.Id) ?? process.Id;
                Signals.Send(child, signals > 1 ? Signal.Kill : Signal.Terminate);
            }

            using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
            using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
            await process.WaitForExitAsync();
            return process.ExitCode;
        }
        finally
        {
            await RemoveGroupsAsync(name);
        }
    }

    private static int? ChildOf(int pid) =>
        File.Exists($"/proc/{pid}/task/{pid}/children") && File.ReadAllText($"/proc/{pid}/task/{pid}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries) is [var child, ..]
            ? int.Parse(child, CultureInfo.InvariantCulture)
            : null;

    /// <summary>
    /// This process's group in each hierarchy in which the drone would make groups of its own: below it they are easily found again. Where none can be made,
    /// none is, and the drone makes none either.
    /// </summary>
    private static List<string> OwnGroups()
    {
        var own = File.ReadLines("/proc/self/cgroup").Select(line => line.Split(':', 3)).ToList();
        var found = new List<string>();
        foreach (var mount in File.ReadLines("/proc/self/mounts").Select(line => line.Split(' ')).Where(m => m[2] is "cgroup" or "cgroup2"))
        {
            var path = own.Where(o => mount[2] == "cgroup2" ? o[0] == "0" : o[1] is "pids" or "freezer" && mount[3].Split(',').Contains(o[1])).Select(o => o[2]).FirstOrDefault();
            var group = path is null ? null : Path.Combine(mount[1], path.TrimStart('/'));
            if (group is not null && Directory.Exists(group) && Writable(group))
            {
                found.Add(group);
            }
        }

        return found;
    }

    private static bool Writable(string group)
    {
        var probe = Path.Combine(group, $"plane-chaos-probe-{Environment.ProcessId}");
        try
        {
            Directory.CreateDirectory(probe);
            Directory.Delete(probe);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine($"plane-chaos: no control group in {group}: {e.Message}");
            return false;
        }
    }

    private static async Task RemoveGroupsAsync(string name)
    {
        // The processes are dead, but a moment may pass until their groups are empty.
        for (var attempt = 0; attempt < 50; attempt++)
        {
            var left = Groups(name).ToList();
            foreach (var directory in left)
            {
                try
                {
                    Directory.Delete(directory);
                }
                catch (IOException) when (attempt < 49)
                {
                    await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
                }
            }

            if (left.Count == 0)
            {
                return;
            }
        }
    }

    /// <summary>A run that was killed could not remove its own.</summary>
    private static void RemoveDeadRunsGroups()
    {
        foreach (var group in Groups(Prefix).Where(g => !IsOfLivingRun(g)))
        {
            try
            {
                Directory.Delete(group);
            }
            catch (IOException e)
            {
                Console.Error.WriteLine($"plane-chaos: {group} of an earlier run stays: {e.Message}");
            }
        }
    }

    private static bool IsOfLivingRun(string group)
    {
        var digits = new string([.. group[(group.IndexOf(Prefix, StringComparison.Ordinal) + Prefix.Length)..].TakeWhile(char.IsAsciiDigit)]);
        return digits.Length > 0 && Directory.Exists($"/proc/{digits}");
    }

    /// <summary>All groups of the run in all hierarchies, innermost first.</summary>
    private static IEnumerable<string> Groups(string name) => File.ReadLines("/proc/self/mounts")
        .Select(line => line.Split(' '))
        .Where(m => m[2] is "cgroup" or "cgroup2")
        .Select(m => m[1])
        .Distinct()
        .SelectMany(mount => Directory.EnumerateDirectories(mount, name + "*", new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 6, IgnoreInaccessible = true }))
        .SelectMany(root => Directory.EnumerateDirectories(root, "*", SearchOption.AllDirectories).OrderByDescending(d => d.Length).Append(root));
}
