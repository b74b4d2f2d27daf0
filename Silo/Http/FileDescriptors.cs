using System.Globalization;

namespace Plane.Silo.Http;

/// <summary>The file descriptors of this process: without free ones it accepts no connection and opens none.</summary>
internal static class FileDescriptors
{
    private const string Limits = "/proc/self/limits";
    private const string Open = "/proc/self/fd";

    /// <summary>The most that this process may have open, or null where that is not known. It does not change while the process runs.</summary>
    public static int? Limit { get; } = ReadLimit();

    /// <summary>What is wrong when fewer than a tenth are left, or null.</summary>
    public static string? Problem() => Problem(Limit, Count());

    /// <summary>The same, of given numbers.</summary>
    /// <param name="limit">The limit, if known.</param>
    /// <param name="open">How many are open; null: it could not be counted for want of one.</param>
    internal static string? Problem(int? limit, int? open) =>
        limit is not { } most || open < most - (most / 10)
            ? null
            : string.Create(CultureInfo.InvariantCulture, $"the controller has {open?.ToString(CultureInfo.InvariantCulture) ?? "all"} of its {most} file descriptors open: raise the limit (LimitNOFILE, ulimit -n)");

    private static int? Count()
    {
        try
        {
            return Directory.Exists(Open) ? Directory.EnumerateFileSystemEntries(Open).Count() : 0;
        }
        catch (IOException)
        {
            // The directory itself needs one.
            return null;
        }
    }

    private static int? ReadLimit()
    {
        if (!File.Exists(Limits))
        {
            return null;
        }

        // "Max open files            1024                 524288               files"
        var line = File.ReadLines(Limits).FirstOrDefault(l => l.StartsWith("Max open files", StringComparison.Ordinal));
        var fields = line?.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return fields is [_, _, _, var soft, ..] && int.TryParse(soft, NumberStyles.None, CultureInfo.InvariantCulture, out var limit) ? limit : null;
    }
}
