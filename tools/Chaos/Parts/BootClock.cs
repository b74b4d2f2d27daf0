using System.Runtime.InteropServices;

namespace Plane.Chaos.Parts;

/// <summary>The clock that backends and clients share: <c>CLOCK_BOOTTIME</c> in nanoseconds.</summary>
internal static class BootClock
{
    private const int BootTime = 7;

    public static long Now =>
        ClockGetTime(BootTime, out var now) == 0 ? (now.Seconds * 1_000_000_000L) + now.Nanoseconds : throw new InvalidOperationException("CLOCK_BOOTTIME cannot be read");

    [DllImport("libc", EntryPoint = "clock_gettime")]
    private static extern int ClockGetTime(int clock, out TimeSpec time);

    [StructLayout(LayoutKind.Sequential)]
    private struct TimeSpec
    {
        public long Seconds;
        public long Nanoseconds;
    }
}
