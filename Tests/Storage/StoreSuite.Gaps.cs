namespace Plane.Tests.Storage;

// What proxies could not report while no controller served.
public abstract partial class StoreSuite
{
    private Task<DateTimeOffset> ServeAsync() => Store.HeartbeatControllerAsync(Controller, "1", "", default);

    [Theory]
    [InlineData(45)]
    [InlineData(600)]
    public async Task After_an_outage_a_backend_in_use_is_not_idle_however_long_it_was(int seconds)
    {
        await RegisterAsync();
        var used = await AcquireAsync(Command(null, s => s with { MaxIdleSeconds = 20 }));
        await ReadyAsync(used.Identity);
        await ServeAsync();
        await ReportAsync(s_proxy, used.Identity);
        await Harness.AdvanceAsync(TimeSpan.FromSeconds(seconds));

        // In whatever order a controller that comes back begins.
        Assert.Equal(0, await Store.SweepIdleAsync(default));
        await Store.CleanUpAsync(TimeSpan.FromDays(1), TimeSpan.FromDays(1), default);
        await ServeAsync();
        await Store.CleanUpAsync(TimeSpan.FromDays(1), TimeSpan.FromDays(1), default);
        Assert.Equal(0, await Store.SweepIdleAsync(default));
        await Harness.AdvanceAsync(TimeSpan.FromSeconds(10));
        await ServeAsync();
        Assert.Equal(0, await Store.SweepIdleAsync(default));

        // Another outage before the proxy was heard of.
        await Harness.AdvanceAsync(TimeSpan.FromSeconds(40));
        await ServeAsync();
        Assert.Equal(0, await Store.SweepIdleAsync(default));
        await ReportAsync(s_proxy, used.Identity);
        Assert.Equal(0, await Store.SweepIdleAsync(default));

        // Served again, and now it is idle.
        for (var i = 0; i < 3; i++)
        {
            await Harness.AdvanceAsync(TimeSpan.FromSeconds(7));
            await ServeAsync();
        }

        await ReportAsync(s_proxy);
        Assert.Equal(1, await Store.SweepIdleAsync(default));
    }

    [Fact]
    public async Task A_proxy_that_does_not_return_after_an_outage_stops_counting()
    {
        await RegisterAsync();
        var used = await AcquireAsync(Command(null, s => s with { MaxIdleSeconds = 20 }));
        await ReadyAsync(used.Identity);
        await ServeAsync();
        await ReportAsync(s_proxy, used.Identity);
        await Harness.AdvanceAsync(TimeSpan.FromSeconds(300));
        for (var i = 0; i < 9; i++)
        {
            await ServeAsync();
            Assert.Equal(0, await Store.SweepIdleAsync(default));
            await Harness.AdvanceAsync(TimeSpan.FromSeconds(7));
        }

        await ServeAsync();
        Assert.Equal(1, await Store.SweepIdleAsync(default));
    }
}
