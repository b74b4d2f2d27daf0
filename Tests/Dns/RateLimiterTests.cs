using System.Net;
using Plane.DnsHost;
using Plane.DnsHost.Server;

namespace Plane.Tests.Dns;

public sealed class RateLimiterTests
{
    [Fact]
    public void A_network_has_its_answers_a_second_and_one_in_so_many_of_the_others_slips()
    {
        var clock = new Clock();
        var limiter = new RateLimiter(new DnsOptions { RateLimit = 10, RateSlip = 3 }, clock);
        var verdicts = Enumerable.Range(0, 16).Select(_ => limiter.Check(7)).ToArray();
        Assert.Equal(10, verdicts.Count(v => v == RateVerdict.Answer));
        Assert.Equal(
            [RateVerdict.Drop, RateVerdict.Drop, RateVerdict.Slip, RateVerdict.Drop, RateVerdict.Drop, RateVerdict.Slip], verdicts[10..]);
        Assert.Equal(RateVerdict.Answer, limiter.Check(8));
        clock.Advance(TimeSpan.FromMilliseconds(300));
        Assert.Equal(3, Enumerable.Range(0, 10).Count(_ => limiter.Check(7) == RateVerdict.Answer));
    }

    [Fact]
    public void Without_a_slip_all_the_others_are_dropped_and_without_a_limit_none()
    {
        var none = new RateLimiter(new DnsOptions { RateLimit = 1, RateSlip = 0 }, new Clock());
        Assert.Equal([RateVerdict.Answer, RateVerdict.Drop, RateVerdict.Drop], Enumerable.Range(0, 3).Select(_ => none.Check(1)));
        var open = new RateLimiter(new DnsOptions { RateLimit = 0 }, new Clock());
        Assert.All(Enumerable.Range(0, 1_000), _ => Assert.Equal(RateVerdict.Answer, open.Check(1)));
    }

    [Theory]
    [InlineData("192.0.2.1", "192.0.2.254", true)]
    [InlineData("192.0.2.1", "192.0.3.1", false)]
    [InlineData("192.0.2.1", "::ffff:192.0.2.9", true)]
    [InlineData("2001:db8:0:100::1", "2001:db8:0:1ff:ffff::1", true)]
    [InlineData("2001:db8:0:100::1", "2001:db8:0:200::1", false)]
    [InlineData("::1", "0.0.0.1", false)]
    public void A_network_is_what_one_sender_has(string one, string other, bool same)
    {
        Assert.Equal(same, Network.Of(IPAddress.Parse(one)) == Network.Of(IPAddress.Parse(other)));
        foreach (var text in (string[])[one, other])
        {
            var address = IPAddress.Parse(text);
            Assert.True(Network.TryRead(new IPEndPoint(address, 53).Serialize(), out var network));
            Assert.Equal(Network.Of(address), network);
            Assert.False(Network.TryRead(new IPEndPoint(address, 0).Serialize(), out _));
        }
    }

    private sealed class Clock : TimeProvider
    {
        private long _now = 1_000_000;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public void Advance(TimeSpan time) => _now += time.Ticks;

        public override long GetTimestamp() => _now;
    }
}
