using System.Text.Json;
using Microsoft.Playwright;
using Plane.Tests.Silo;
using Plane.Testing;

namespace Plane.Tests.Dashboard;

/// <summary>
/// Every page, at a desk and on a phone, in the light and the dark, with data and without. With <c>PLANE_TEST_SCREENSHOTS</c> pictures are kept, and with <c>PLANE_TEST_AXE</c>, the path of axe-core's axe.min.js, each
/// page is judged by it.
/// </summary>
public sealed class DashboardLookTests
{
    private static readonly string? s_axe = Environment.GetEnvironmentVariable("PLANE_TEST_AXE") is { Length: > 0 } path ? File.ReadAllText(path) : null;

    [Theory]
    [InlineData(ColorScheme.Light, 1100)]
    [InlineData(ColorScheme.Dark, 1100)]
    [InlineData(ColorScheme.Light, 390)]
    [InlineData(ColorScheme.Dark, 390)]
    public async Task Nothing_sticks_out_of_any_page(ColorScheme scheme, int width)
    {
        await using var full = await DashboardUnderTest.StartAsync();
        var (backend, failed) = await FillAsync(full);
        full.InitScript = s_axe;
        var service = new StringContent(
            """{"spawn_config":{"executable":{"image":"registry.example/board:1"},"max_idle_seconds":60},"access":"signed","max_backends":5,"warm":{"count":2}}""",
            System.Text.Encoding.UTF8,
            "application/json");
        (await full.Controller.SendAsync(HttpMethod.Put, "/ctrl/s/board", service)).Expect(System.Net.HttpStatusCode.Created);
        await using var empty = await DashboardUnderTest.StartAsync(withDrone: false);
        empty.InitScript = s_axe;
        var options = new BrowserNewContextOptions { ViewportSize = new ViewportSize { Width = width, Height = width < 600 ? 844 : 640 }, ColorScheme = scheme };
        var name = $"{(width < 600 ? "phone" : "desk")}-{scheme.ToString().ToLowerInvariant()}";
        var problems = new List<string>();
        var filled = await full.OpenAsync("/", options);
        var bare = await empty.OpenAsync("/", options);
        foreach (var (page, path) in ((string, string)[])[
            ("overview", "/"), ("cluster", $"/clusters/{Controller.Cluster}"), ("backends", "/backends?status=all"), ("backend", $"/backends/{backend.Backend}"),
            ("failed", $"/backends/{failed.Backend}"), ("services", "/services"), ("service", "/services/board"), ("events", "/events"), ("connect", "/connect"), ("terminate", $"/backends/{backend.Backend}/terminate"), ("missing", "/backends/no-such-backend"),
        ])
        {
            await filled.GotoAsync(full.Address(path));
            problems.AddRange(await LookAsync(filled, $"{page}-{name}"));
        }

        foreach (var (page, path) in ((string, string)[])[("overview", "/"), ("backends", "/backends"), ("services", "/services"), ("events", "/events"), ("cluster", "/clusters/nobody.example")])
        {
            await bare.GotoAsync(empty.Address(path));
            problems.AddRange(await LookAsync(bare, $"{page}-empty-{name}"));
        }

        var login = await empty.NewPageAsync(options);
        await login.GotoAsync(empty.Address("/"));
        problems.AddRange(await LookAsync(login, $"login-{name}"));
        Assert.Empty(problems);
        Assert.Empty(full.Complaints);
    }

    private static async Task<List<string>> LookAsync(IPage page, string name)
    {
        if (await page.Locator("#quick").CountAsync() > 0)
        {
            await Assertions.Expect(page.Locator("#quick, #backends > .empty").First).ToBeVisibleAsync();
        }

        if (Browser.Screenshots is { } directory)
        {
            await page.ScreenshotAsync(new PageScreenshotOptions { Path = Path.Combine(directory, $"{name}.png"), FullPage = false });
        }

        var problems = new List<string>();
        var wide = await page.EvaluateAsync<int>("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        if (wide > 0)
        {
            problems.Add($"{name} is {wide} pixels wider than its window");
        }

        if (s_axe is not null)
        {
            var found = await page.EvaluateAsync<JsonElement>("axe.run().then(r => r.violations.map(v => ({ id: v.id, impact: v.impact, nodes: v.nodes.map(n => n.html + ' ' + n.failureSummary) })))");
            problems.AddRange(found.EnumerateArray()
                .Where(v => v.GetProperty("impact").GetString() is "serious" or "critical" or "moderate")
                .Select(v => $"{name}: {v.GetProperty("impact")} {v.GetProperty("id")}: {string.Join(" | ", v.GetProperty("nodes").EnumerateArray().Take(3))}"));
        }

        return problems;
    }

    private static async Task<(BackendIdentity Backend, BackendIdentity Failed)> FillAsync(DashboardUnderTest dashboard)
    {
        var now = TimeProvider.System.GetUtcNow();
        string[] keys = ["design-review", "standup-notes", "Ünïcödé-room-名前", "a-key-with-a-name-that-is-much-longer-than-any-column-would-like-it-to-be-and-goes-on-and-on"];
        BackendIdentity last = default;
        foreach (var key in keys)
        {
            last = await dashboard.SpawnAsync(key, null);
            await dashboard.Drone.ReportAsync(last, BackendStatus.Loading);
            await dashboard.Drone.ReportAsync(last, BackendStatus.Starting);
            if (key != "standup-notes")
            {
                await dashboard.Drone.ReportAsync(last, BackendStatus.Waiting);
                await dashboard.Drone.ReportAsync(last, BackendStatus.Ready);
            }
        }

        var ended = await dashboard.SpawnAsync("yesterdays-room");
        await dashboard.Drone.ReportAsync(ended, BackendStatus.Terminated, TerminationReason.Swept, TerminationKind.Soft, exitCode: 0);
        var failed = await dashboard.SpawnAsync("broken-room", null);
        await dashboard.Drone.ReportFailureAsync(failed, "The image registry.example/broken:1 was not found.", "reading settings\nfatal: /etc/app.toml: no such file\nexiting");
        var draining = await dashboard.Controller.AddDroneAsync(pool: "gpu", cluster: Controller.Cluster);
        await draining.DrainAsync();
        dashboard.Inspector.Usage = new UsagePage
        {
            Points = [.. Enumerable.Range(0, 60).Select(i => new UsagePoint { Time = now.AddMinutes(i - 60), Cpus = 0.4 + (0.3 * Math.Sin(i / 4.0)), MemoryBytes = (120 + i) << 20 })],
        };
        for (var i = 1; i <= 40; i++)
        {
            dashboard.Inspector.Ring.Add(new OutputLine
            {
                Position = i,
                Time = now,
                Stream = i % 9 == 0 ? OutputStream.Stderr : OutputStream.Stdout,
                Text = i % 9 == 0 ? $"warning: the session of visitor {i} was slow" : $"GET /board/{i} 200 in {i % 7}.{i % 10} ms",
            });
        }

        return (last, failed);
    }
}
