namespace Plane.Tests.Drone;

/// <summary>A lease clock that moves only when a test says so: a busy machine expires nothing.</summary>
internal sealed class ManualLeaseClock(long start = 1_000_000, string bootId = "boot-1") : ILeaseClock
{
    private long _now = start;

    public long Milliseconds => Volatile.Read(ref _now);

    public string BootId { get; set; } = bootId;

    public void Advance(TimeSpan by) => Interlocked.Add(ref _now, (long)by.TotalMilliseconds);
}
