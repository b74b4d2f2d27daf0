using System.Runtime.InteropServices;

namespace Plane;

/// <summary><c>CLOCK_BOOTTIME</c> and <c>/proc/sys/kernel/random/boot_id</c> (clock_gettime(2), random(4)).</summary>
public sealed partial class BootTimeClock : ILeaseClock
{
    private const int ClockBootTime = 7;

    private BootTimeClock() => BootId = File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();

    /// <summary>This machine's clock.</summary>
    public static BootTimeClock Instance { get; } = new();

    /// <inheritdoc/>
    public string BootId { get; }

    /// <inheritdoc/>
    public long Milliseconds
    {
        get
        {
            if (GetTime(ClockBootTime, out var time) != 0)
            {
                throw new InvalidOperationException($"clock_gettime(CLOCK_BOOTTIME) failed with error {Marshal.GetLastPInvokeError()}");
            }

            return (time.Seconds * 1000) + (time.Nanoseconds / 1_000_000);
        }
    }

    [LibraryImport("libc", EntryPoint = "clock_gettime", SetLastError = true)]
    private static partial int GetTime(int clock, out TimeSpec time);

    [StructLayout(LayoutKind.Sequential)]
    private struct TimeSpec
    {
        public nint Seconds;
        public nint Nanoseconds;
    }
}
