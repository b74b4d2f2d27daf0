namespace Plane.Tests.Silo;

public sealed class OutageTests
{
    private readonly SteppedTime _time = new();

    [Fact]
    public void A_reason_is_told_once_and_again_after_a_minute()
    {
        var outage = new Outage(_time);

        Assert.True(outage.ShouldLog("refused"));
        Assert.False(outage.ShouldLog("refused"));
        _time.Advance(TimeSpan.FromSeconds(59));
        Assert.False(outage.ShouldLog("refused"));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(outage.ShouldLog("refused"));
        Assert.False(outage.ShouldLog("refused"));
    }

    [Fact]
    public void Another_reason_is_told_and_reasons_that_alternate_are_not()
    {
        var outage = new Outage(_time);

        Assert.True(outage.ShouldLog("refused"));
        Assert.True(outage.ShouldLog("too slow"));
        Assert.False(outage.ShouldLog("refused"));
        Assert.False(outage.ShouldLog("too slow"));
    }

    [Fact]
    public void Reasons_that_are_always_new_are_bounded()
    {
        var outage = new Outage(_time);

        Assert.InRange(Enumerable.Range(0, 1000).Count(i => outage.ShouldLog($"attempt {i}")), 1, 20);
    }

    [Fact]
    public void Its_end_is_told_once_and_what_comes_then_is_new()
    {
        var outage = new Outage(_time);

        Assert.False(outage.End());
        outage.ShouldLog("refused");
        Assert.True(outage.End());
        Assert.False(outage.End());
        Assert.True(outage.ShouldLog("refused"));
    }

    private sealed class SteppedTime : TimeProvider
    {
        private long _now;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _now;

        public void Advance(TimeSpan by) => _now += by.Ticks;
    }
}
