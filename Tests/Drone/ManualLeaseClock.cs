namespace Plane.Tests.Drone;

/// <summary>A lease clock that moves only when a test says so: a busy machine expires nothing.</summary>
internal sealed class ManualLeaseClock(long start = 1_000_000, string bootId = "boot-1") : ILeaseClock
{
    private long _now = start;

    public long Milliseconds => Volatile.Read(ref _now);

    public string BootId { get; set; } = bootId;

    /// <summary>How far the wall clock was set apart from it.</summary>
    public TimeSpan Drift { get; set; }

    /// <summary>The wall clock that goes with it; timers are the system's.</summary>
    public TimeProvider WallClock => new Wall(this);

    public void Advance(TimeSpan by) => Interlocked.Add(ref _now, (long)by.TotalMilliseconds);

    private sealed class Wall(ManualLeaseClock clock) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch.AddMilliseconds(clock.Milliseconds + clock.Drift.TotalMilliseconds);
    }
}
