using System.ComponentModel;
using System.Diagnostics;
using Plane.Files;
using Plane.Hosting.Running;

namespace Plane.DroneHost.Runtimes.Process;

/// <summary>Starts <c>launcher.sh</c> in a session of its own, with the tools of this machine.</summary>
internal sealed class Launcher(string root)
{
    // errno(3): EAGAIN, ENOMEM, ENFILE, EMFILE.
    private const int NoMoreProcesses = 11;
    private const int NoMemory = 12;
    private const int NoMoreFilesOfAll = 23;
    private const int NoMoreFiles = 24;

    private const string Shell = "/bin/sh";
    private const string Resource = "Plane.DroneHost.Runtimes.launcher.sh";
    private static readonly string[] ToolDirectories = ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"];

    private readonly string _script = Path.Combine(root, "launcher.sh");
    private readonly string? _mv = Find("mv");

    // Where only busybox has it, it is the applet.
    private readonly string[]? _setsid = Find("setsid") is { } setsid ? [setsid] : Find("busybox") is { } busybox ? [busybox, "setsid"] : null;

    /// <summary>What this machine lacks, or null.</summary>
    public string? Missing =>
        !File.Exists(Shell) ? $"{Shell} (a POSIX shell)"
        : _setsid is null ? "setsid (of util-linux or busybox)"
        : _mv is null ? "mv (of coreutils or busybox)"
        : !File.Exists("/proc/uptime") ? "/proc"
        : null;

    /// <summary>Writes the script of this version.</summary>
    public void Install()
    {
        using var stream = typeof(Launcher).Assembly.GetManifestResourceStream(Resource) ?? throw new InvalidOperationException($"{Resource} is not in the assembly");
        var script = new byte[stream.Length];
        stream.ReadExactly(script);
        PrivateFile.CreateDirectory(root);
        PrivateFile.WriteProgram(_script, script);
    }

    /// <summary>Starts it.</summary>
    /// <param name="start">The backend.</param>
    /// <param name="files">Its files.</param>
    /// <param name="mark">The guard's mark, or null.</param>
    /// <param name="cgroup">Its cgroup, or null.</param>
    /// <param name="directory">Where the command starts.</param>
    /// <param name="environment">All of its environment.</param>
    public System.Diagnostics.Process Start(
        BackendStart start, BackendFiles files, string? mark, string? cgroup, string directory, IReadOnlyDictionary<string, string> environment)
    {
        // Nothing is redirected: .NET would make pipes, and those die with the agent. The launcher's first act is to open /dev/null and the output file instead of
        // what it inherited.
        var info = new ProcessStartInfo(_setsid![0]) { UseShellExecute = false, WorkingDirectory = directory };
        string[] arguments =
        [
            .. _setsid.Skip(1), Shell, _script, files.Directory, start.Deadlines.BootId,
            start.Deadlines.SoftAt.ToString(System.Globalization.CultureInfo.InvariantCulture), mark ?? "", _mv!, cgroup is null ? "" : Cgroups.EntranceOf(cgroup),
            .. start.Executable.Command!,
        ];
        foreach (var argument in arguments)
        {
            info.ArgumentList.Add(argument);
        }

        info.Environment.Clear();
        foreach (var (name, value) in environment)
        {
            info.Environment[name] = value;
        }

        try
        {
            return CleanInheritance.Fork(() => System.Diagnostics.Process.Start(info)) ?? throw new RuntimeFailureException("The launcher could not be started.");
        }
        catch (Win32Exception e) when (e.NativeErrorCode is NoMoreProcesses or NoMemory or NoMoreFilesOfAll or NoMoreFiles)
        {
            // The drone's trouble and not the backend's, and over when something else ends.
            throw new RuntimeUnavailableException($"The launcher cannot be started: {RuntimeText.Shown(e.Message)}. {FileDescriptors.Problem()}".TrimEnd(), e);
        }
        catch (Win32Exception e)
        {
            // Too many arguments.
            throw new RuntimeFailureException($"The launcher could not be started: {RuntimeText.Shown(e.Message)}", e);
        }
    }

    private static string? Find(string tool) => ToolDirectories.Select(d => Path.Combine(d, tool)).FirstOrDefault(File.Exists);
}
