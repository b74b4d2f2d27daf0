using System.ComponentModel;
using System.Globalization;
using System.Runtime.InteropServices;
using Plane.Files;

namespace Plane.DroneHost.Guard;

/// <summary>Makes this process independent of the one that started it.</summary>
internal static partial class Detachment
{
    private const int ReadOnly = 0;
    private const int WriteOnlyAppend = 0x1 | 0x400;
    private const long MaxLog = 1024 * 1024;

    public static void Enter(string log)
    {
        // Refused for the leader of a process group, which a child of an agent is not.
        _ = SetSession();
        try
        {
            if (new FileInfo(log) is { Exists: true, Length: > MaxLog })
            {
                File.Move(log, log + ".1", overwrite: true);
            }

            PrivateFile.Touch(log);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A guard that can't be heard is better than none: the directory may be full.
            log = "/dev/null";
        }

        // The console duplicates its descriptors as soon as anybody looks at it: those are the agent's pipe as well, and would keep its reader waiting.
        var output = new[] { TargetOf("1"), TargetOf("2") };
        var all = Directory.GetFiles("/proc/self/fd").Select(f => Path.GetFileName(f)).Where(d => d is "1" or "2" || (TargetOf(d) is { } target && output.Contains(target)));
        foreach (var descriptor in all.ToArray())
        {
            Redirect(log, WriteOnlyAppend, int.Parse(descriptor, CultureInfo.InvariantCulture));
        }

        Redirect("/dev/null", ReadOnly, 0);
    }

    private static string? TargetOf(string descriptor) => new FileInfo($"/proc/self/fd/{descriptor}").LinkTarget;

    private static void Redirect(string path, int flags, int descriptor)
    {
        var opened = Open(path, flags);
        if (opened < 0 || Duplicate(opened, descriptor) < 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError());
        }

        if (opened != descriptor)
        {
            _ = Close(opened);
        }
    }

    [LibraryImport("libc", EntryPoint = "setsid")]
    private static partial int SetSession();

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "dup2", SetLastError = true)]
    private static partial int Duplicate(int from, int to);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
