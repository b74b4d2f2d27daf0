using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Playwright;
using Plane.Tests.Silo;

namespace Plane.Tests.Dashboard;

/// <summary>
/// Every page, at a desk and on a phone, in the light and the dark, with data and without. With <c>PLANE_TEST_SCREENSHOTS</c> pictures are kept, and with <c>PLANE_TEST_AXE</c>, the path of axe-core's axe.min.js, each
/// page is judged by it.
/// </summary>
public sealed class DashboardLookTests
{
    private static readonly string[] s_keys =
        ["design-review", "standup-notes", "Ünïcödé-room-名前", "a-key-with-a-name-that-is-much-longer-than-any-column-would-like-it-to-be-and-goes-on-and-on"];

    private static readonly string? s_axe = Environment.GetEnvironmentVariable("PLANE_TEST_AXE") is { Length: > 0 } path ? File.ReadAllText(path) : null;

    private static readonly (ColorScheme Scheme, int Width)[] s_looks =
        [(ColorScheme.Light, 1100), (ColorScheme.Dark, 1100), (ColorScheme.Light, 800), (ColorScheme.Light, 390), (ColorScheme.Dark, 390)];

    [Fact]
    public async Task Nothing_sticks_out_of_any_page()
    {
        await using var full = await DashboardUnderTest.StartAsync();
        var (backend, failed) = await FillAsync(full);
        full.InitScript = s_axe;
        await using var empty = await DashboardUnderTest.StartAsync(withDrone: false);
        empty.InitScript = s_axe;
        var problems = new List<string>();
        var filled = await full.OpenAsync("/");
        var bare = await empty.OpenAsync("/");
        foreach (var (page, path) in ((string, string)[])[
            ("overview", "/"), ("cluster", $"/clusters/{Controller.Cluster}"), ("backends", "/backends?status=all"), ("backend", $"/backends/{backend.Backend}"),
            ("failed", $"/backends/{failed.Backend}"), ("services", "/services"), ("service", "/services/board"), ("service-images", "/services/notebooks"), ("service-closed", "/services/documents"), ("events", "/events"), ("connect", "/connect"), ("terminate", $"/backends/{backend.Backend}/terminate"), ("missing", "/backends/no-such-backend"),
        ])
        {
            await filled.GotoAsync(full.Address(path));
            problems.AddRange(await LookAsync(filled, page));
        }

        foreach (var (page, path) in ((string, string)[])[("overview", "/"), ("backends", "/backends"), ("services", "/services"), ("events", "/events"), ("cluster", "/clusters/nobody.example")])
        {
            await bare.GotoAsync(empty.Address(path));
            problems.AddRange(await LookAsync(bare, $"{page}-empty"));
        }

        var login = await empty.NewPageAsync();
        await login.GotoAsync(empty.Address("/"));
        problems.AddRange(await LookAsync(login, "login"));
        Assert.Empty(problems);
        Assert.Empty(full.Complaints);
    }

    [Fact]
    public async Task Names_without_a_place_to_break_stick_out_of_no_page()
    {
        await using var dashboard = await DashboardUnderTest.StartAsync();
        var name = new string('W', 200);
        var connect = new JsonObject
        {
            ["key"] = new JsonObject { ["name"] = name },
            ["spawn_config"] = new JsonObject { ["id"] = new string('w', 45), ["executable"] = new JsonObject { ["command"] = new JsonArray("board") } },
        };
        var started = (await dashboard.Controller.PostAsync("/ctrl/connect", connect)).Expect(System.Net.HttpStatusCode.OK).Json!;
        var backend = new BackendIdentity(BackendName.Parse((string)started["backend_id"]!), new FencingToken((long)started["key"]!["fencing_token"]!));
        await dashboard.Drone.ReportFailureAsync(backend, $"The image {name} was not found.", name);
        var page = await dashboard.OpenAsync();
        var problems = new List<string>();
        foreach (var path in (string[])["/", "/events", "/backends?status=all", $"/backends/{backend.Backend}", $"/backends/{backend.Backend}/terminate"])
        {
            await page.GotoAsync(dashboard.Address(path));
            problems.AddRange(await LookAsync(page, $"long{path.Split('?')[0].Replace('/', '-')}"));
        }

        Assert.Empty(problems);
    }

    /// <summary>Looks at a page in each way, on one load.</summary>
    private static async Task<List<string>> LookAsync(IPage page, string name)
    {
        var problems = new List<string>();
        foreach (var (scheme, width) in s_looks)
        {
            await page.EmulateMediaAsync(new PageEmulateMediaOptions { ColorScheme = scheme });
            await page.SetViewportSizeAsync(width, width < 600 ? 844 : 640);
            problems.AddRange(await LookOnceAsync(page, $"{name}-{(width < 600 ? "phone" : width < 1000 ? "tablet" : "desk")}-{scheme.ToString().ToLowerInvariant()}"));
        }

        return problems;
    }

    private static async Task<List<string>> LookOnceAsync(IPage page, string name)
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

    private static async Task AddServicesAsync(DashboardUnderTest dashboard)
    {
        foreach (var (name, service) in ((string, string)[])[
            ("board", """{"spawn_config":{"executable":{"image":"registry.example/board:1"},"max_idle_seconds":300},"access":"public","max_backends":50,"warm":{"count":3}}"""),
            ("documents", """{"spawn_config":{"executable":{"image":"registry.example/documents:4.2"},"max_idle_seconds":60,"lifetime_limit_seconds":86400},"access":"signed"}"""),
            ("notebooks", """{"spawn_config":{"executable":{"image":"registry.internal.example/data-science/notebooks:2026.11"},"max_idle_seconds":1800},"access":{"forward_auth":"https://accounts.internal.example/plane/check"},"max_backends":500,"prepull":true}"""),
        ])
        {
            (await dashboard.Controller.SendAsync(HttpMethod.Put, $"/ctrl/s/{name}", new StringContent(service, System.Text.Encoding.UTF8, "application/json")))
                .Expect(System.Net.HttpStatusCode.Created);
        }

        foreach (var key in s_keys)
        {
            var answer = await dashboard.Controller.PostAsync("/ctrl/connect", new JsonObject { ["service"] = "board", ["key"] = new JsonObject { ["name"] = key } });
            var started = answer.Expect(System.Net.HttpStatusCode.OK).Json!;
            await dashboard.Drone.ReportAsync(
                new BackendIdentity(BackendName.Parse((string)started["backend_id"]!), new FencingToken((long)started["key"]!["fencing_token"]!)), BackendStatus.Ready);
        }
    }

    // At the end: a drone that is there earlier would be given backends.
    private static async Task AddDronesAsync(DashboardUnderTest dashboard)
    {
        const string Image = "registry.internal.example/data-science/notebooks:2026.11";
        await dashboard.Drone.ReportImagesAsync(new ImageState { Image = Image, Status = ImageStatus.Pulling, Percent = 40 });
        await (await dashboard.Controller.AddDroneAsync()).ReportImagesAsync(new ImageState { Image = Image, Status = ImageStatus.Ready });
        await (await dashboard.Controller.AddDroneAsync()).ReportImagesAsync(new ImageState
        {
            Image = Image, Status = ImageStatus.Failed, Reason = "Get https://registry.internal.example/v2/: dial tcp: lookup registry.internal.example: no such host",
        });
        await dashboard.Drone.HasAsync(new ResourceAmounts { CpuMillis = 64_000, MemoryBytes = 252L << 30, DiskBytes = 1900L << 30, Gpus = 8 });
    }

    private static async Task<(BackendIdentity Backend, BackendIdentity Failed)> FillAsync(DashboardUnderTest dashboard)
    {
        var now = TimeProvider.System.GetUtcNow();
        await AddServicesAsync(dashboard);
        BackendIdentity last = default;
        foreach (var key in s_keys)
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
        await AddDronesAsync(dashboard);
        await dashboard.Inspector.ShowAsync(dashboard.Controller, dashboard.Drone);
        var draining = await dashboard.Controller.AddDroneAsync(pool: "gpu", cluster: Controller.Cluster);
        await draining.DrainAsync();
        dashboard.Inspector.Busy = [new BusyBackend { BackendId = last.Backend, Cpus = 1.82, MemoryBytes = 740L << 20 }];
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
