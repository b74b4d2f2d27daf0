namespace Plane.Tests.Proxy;

/// <summary>A lease clock that a test moves.</summary>
internal sealed class TestClock : ILeaseClock
{
    private long _milliseconds = 1_000_000;

    public long Milliseconds => Interlocked.Read(ref _milliseconds);

    public string BootId => "boot";

    public void Advance(TimeSpan by) => Interlocked.Add(ref _milliseconds, (long)by.TotalMilliseconds);
}
