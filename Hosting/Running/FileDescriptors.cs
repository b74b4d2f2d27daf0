using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Plane.Hosting.Running;

/// <summary>
/// The file descriptors of this process: without free ones it accepts no connection, opens none, and starts no program. The last ones are kept for the runtime, which needs two for each thread
/// that it starts, and ends a process in which it can't: connections beyond are closed at once.
/// </summary>
public static class FileDescriptors
{
    private const string LimitLine = "Max open files";
    private const int MostKept = 100;

    private static int s_firstKept = int.MaxValue;

    // Open from the start: to open it takes a descriptor. Each reading has the limit of that moment, which prlimit(1) may have changed.
    private static readonly SafeFileHandle? s_limits = File.Exists("/proc/self/limits") ? File.OpenHandle("/proc/self/limits") : null;

    /// <summary>The most that this process may have open, or null where that is not known.</summary>
    public static int? Limit
    {
        get
        {
            // "Max open files            1024                 524288               files"
            var text = new byte[4096];
            var length = s_limits is null ? 0 : RandomAccess.Read(s_limits, text, 0);
            var line = Encoding.ASCII.GetString(text, 0, length).Split('\n').FirstOrDefault(l => l.StartsWith(LimitLine, StringComparison.Ordinal));
            var soft = line?[LimitLine.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries)[0];
            return int.TryParse(soft, NumberStyles.None, CultureInfo.InvariantCulture, out var limit) ? limit : null;
        }
    }

    /// <summary>What is wrong when fewer than a tenth are left, or null. It costs three system calls, however many are open.</summary>
    public static string? Problem()
    {
        var limit = Limit;
        s_firstKept = limit is { } most ? most - Math.Min(MostKept, most / 10) : int.MaxValue;
        return Problem(limit, LowestFree());
    }

    /// <summary>Whether a socket that was just opened has one of the last descriptors, as of the last <see cref="Problem()"/>, and so is to be closed again.</summary>
    /// <param name="socket">The socket. It has the number that was the lowest free one.</param>
    public static bool IsOfTheLast(Socket socket)
    {
        ArgumentNullException.ThrowIfNull(socket);
        return socket.Handle >= Volatile.Read(ref s_firstKept);
    }

    /// <summary>The same, of given numbers.</summary>
    /// <param name="limit">The limit, if known.</param>
    /// <param name="open">How many are open; null: all.</param>
    internal static string? Problem(int? limit, int? open) =>
        limit is not { } most || open < most - (most / 10)
            ? null
            : string.Create(CultureInfo.InvariantCulture, $"this program has {open?.ToString(CultureInfo.InvariantCulture) ?? "all"} of its {most} file descriptors open: raise the limit (LimitNOFILE, ulimit -n)");

    /// <summary>The number that the next one gets, which is the lowest free one: so many at least are open. Null where there is none.</summary>
    private static int? LowestFree()
    {
        try
        {
            using var probe = File.OpenHandle("/dev/null");
            return (int)probe.DangerousGetHandle();
        }
        catch (IOException)
        {
            return null;
        }
    }
}
