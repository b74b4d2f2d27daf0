using Microsoft.Playwright;
using Plane.Testing;

namespace Plane.Tests.Dashboard;

/// <summary>What pages do when an answer does not come, is an error, breaks off or has a gap.</summary>
public sealed class DashboardInterruptionTests
{
    // As of a container: nanoseconds, which a number of a script can't hold.
    private const long First = 1_764_565_000_123_456_789;

    private static readonly float s_deadline = (float)Eventually.DefaultDeadline.TotalMilliseconds;

    [Fact]
    public async Task A_problem_of_a_log_is_shown_until_lines_come_again()
    {
        await using var dashboard = await DashboardUnderTest.StartAsync();
        var backend = await dashboard.SpawnAsync("log-room");
        dashboard.Inspector.Ring.Add(Line(First, "line 1"));
        var page = await dashboard.OpenAsync();
        await page.RouteAsync(
            "**/data/logs/*",
            route => route.FulfillAsync(new RouteFulfillOptions
            {
                ContentType = "application/x-ndjson",
                Body = $$"""
                    {"position":{{First}},"stream":"stdout","text":"line 1"}
                    {"problem":"drone dr-one does not answer"}

                    """,
            }),
            new PageRouteOptions { Times = 1 });
        var again = page.WaitForRequestAsync(r => r.Url.Contains("?after=", StringComparison.Ordinal));

        await page.GotoAsync(dashboard.Address($"/backends/{backend.Backend}"));

        var state = page.Locator("#log-state");
        await SaysAsync(state, "Drone dr-one does not answer. Trying again…");
        Assert.EndsWith($"?after={First}", (await again).Url, StringComparison.Ordinal);
        await (await again).ResponseAsync();
        Assert.Contains("does not answer", await state.TextContentAsync(), StringComparison.Ordinal);

        dashboard.Inspector.Ring.Add(Line(First + 1, "line 2"));
        await SaysAsync(page.Locator("#log"), "line 2");
        await SaysAsync(state, "Live");
        Assert.Equal(2, await page.Locator("#log span").CountAsync());
    }

    [Fact]
    public async Task A_log_that_breaks_off_says_so_and_is_read_on_from_its_last_line()
    {
        await using var dashboard = await DashboardUnderTest.StartAsync();
        var backend = await dashboard.SpawnAsync("log-room");
        dashboard.Inspector.Write(1, 3);
        var page = await dashboard.OpenAsync();
        var attempts = 0;
        await page.RouteAsync("**/data/logs/*", route => Interlocked.Increment(ref attempts) switch
        {
            1 => route.FulfillAsync(new RouteFulfillOptions
            {
                ContentType = "application/x-ndjson",
                Body = """
                    {"position":1,"stream":"stdout","text":"line 1"}
                    {"position":2,"stream":"stdout","text":"line 2"}
                    {"position":3,"stre
                    """,
            }),
            <= 4 => route.AbortAsync(),
            _ => route.ContinueAsync(),
        });

        await page.GotoAsync(dashboard.Address($"/backends/{backend.Backend}"));

        await SaysAsync(page.Locator("#log-state"), "The log broke off. Trying again…");
        dashboard.Inspector.Write(4, 2);
        await SaysAsync(page.Locator("#log"), "line 5");
        dashboard.Inspector.Ring.Complete();
        await SaysAsync(page.Locator("#log-state"), "all that it wrote");
        Assert.Equal(["line 1", "line 2", "line 3", "line 4", "line 5"], (await page.Locator("#log span").AllTextContentsAsync()).Select(l => l.Trim()));
    }

    [Fact]
    public async Task A_list_that_could_not_be_read_is_read_again()
    {
        await using var dashboard = await DashboardUnderTest.StartAsync();
        await dashboard.SpawnAsync("listed-room");
        var page = await dashboard.OpenAsync();
        var attempts = 0;
        await page.RouteAsync("**/data/backends*", route => Interlocked.Increment(ref attempts) <= 2 ? route.AbortAsync() : route.ContinueAsync());

        await page.GotoAsync(dashboard.Address("/backends"));

        await SaysAsync(page.Locator("#connection"), "No answer from the controller");
        await SaysAsync(page.Locator("#count"), "1 backend");
        await IsHiddenAsync(page.Locator("#connection"));
    }

    [Fact]
    public async Task A_list_is_read_anew_after_events_that_are_no_longer_kept()
    {
        await using var dashboard = await DashboardUnderTest.StartAsync();
        await dashboard.SpawnAsync("listed-room");
        var page = await dashboard.OpenAsync("/backends");
        await SaysAsync(page.Locator("#count"), "1 backend");
        await dashboard.AddBackendsAsync(1);

        await page.RouteAsync(
            "**/data/events*",
            route => route.FulfillAsync(new RouteFulfillOptions { ContentType = "application/json", Body = """{"events":[],"next":"1.0","gap":true}""" }),
            new PageRouteOptions { Times = 1 });

        await SaysAsync(page.Locator("#count"), "2 backends");
        Assert.Empty(dashboard.Complaints);
    }

    [Fact]
    public async Task A_page_says_why_the_controller_refuses_to_renew_it()
    {
        await using var dashboard = await DashboardUnderTest.StartAsync();
        var backend = await dashboard.SpawnAsync("outage-room");
        var page = await dashboard.OpenAsync($"/backends/{backend.Backend}");

        dashboard.Controller.Faults.Away();
        await SaysAsync(page.Locator("#connection"), "The database is unavailable. What is shown is from before");
        dashboard.Controller.Faults.Heal();
        await IsHiddenAsync(page.Locator("#connection"));
    }

    private static OutputLine Line(long position, string text) => new() { Position = position, Stream = OutputStream.Stdout, Text = text };

    private static Task SaysAsync(ILocator locator, string text) =>
        Assertions.Expect(locator).ToContainTextAsync(text, new LocatorAssertionsToContainTextOptions { Timeout = s_deadline });

    private static Task IsHiddenAsync(ILocator locator) => Assertions.Expect(locator).ToBeHiddenAsync(new LocatorAssertionsToBeHiddenOptions { Timeout = s_deadline });
}
