using System.Text.Json.Nodes;
using Microsoft.Playwright;
using Plane.Tests.Silo;

namespace Plane.Tests.Dashboard;

/// <summary>The dashboard in a real browser.</summary>
public sealed class DashboardPageTests
{
    private const string Hostile = "<img src=x onerror=\"document.title='pwned'\"><script>document.title='pwned'</script>";

    [Fact]
    public async Task The_first_page_says_what_is_wrong_and_what_happened_and_leads_to_why()
    {
        await using var dashboard = await DashboardUnderTest.StartAsync();
        var failed = await dashboard.SpawnAsync("broken-room", null);
        await dashboard.Drone.ReportAsync(failed, BackendStatus.Terminated, TerminationReason.InternalError, exitCode: 7);
        var page = await dashboard.OpenAsync();

        var wrong = page.GetByRole(AriaRole.Region, new() { Name = "What is wrong now" });
        await Expect(wrong).ToContainTextAsync("broken-room");
        await Expect(page.GetByRole(AriaRole.Region, new() { Name = "Clusters" })).ToContainTextAsync(Controller.Cluster);
        await Expect(page.GetByRole(AriaRole.Region, new() { Name = "The last ten minutes" })).ToContainTextAsync("failed to start");
        await wrong.GetByRole(AriaRole.Link, new() { Name = "broken-room" }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Main)).ToContainTextAsync("it failed to start or to keep running, exit code 7, and was never ready");
        Assert.Empty(dashboard.Complaints);
    }

    [Fact]
    public async Task A_failure_stays_on_the_first_page_however_much_has_happened_since()
    {
        await using var dashboard = await DashboardUnderTest.StartAsync();
        var failed = await dashboard.SpawnAsync("broken-room", null);
        await dashboard.Drone.ReportAsync(failed, BackendStatus.Terminated, TerminationReason.InternalError, exitCode: 7);
        var ended = await dashboard.SpawnAsync("good-room");
        await dashboard.Drone.ReportAsync(ended, BackendStatus.Terminated, exitCode: 0);
        await dashboard.ExecuteAsync(
            $"""
            with recursive n (i) as (select 1 union all select i + 1 from n where i < 2000)
            insert into changes (kind, cluster, backend_id, fencing_token, status, created_at)
            select c.kind, c.cluster, c.backend_id, c.fencing_token, c.status, c.created_at
            from (select * from changes where backend_id = '{ended.Backend}' and status = 'terminated') c, n
            """);

        var page = await dashboard.OpenAsync();

        await Expect(page.GetByRole(AriaRole.Region, new() { Name = "The last ten minutes" })).Not.ToContainTextAsync("failed to start");
        await Expect(page.GetByRole(AriaRole.Region, new() { Name = "What is wrong now" })).ToContainTextAsync($"Backend {failed.Backend} (key broken-room) ended: it failed to start");
    }

    [Fact]
    public async Task Failures_beyond_the_first_few_are_counted()
    {
        await using var dashboard = await DashboardUnderTest.StartAsync();
        for (var i = 0; i < 6; i++)
        {
            await dashboard.Drone.ReportAsync(await dashboard.SpawnAsync($"broken-{i}"), BackendStatus.Terminated, exitCode: 1);
        }

        var page = await dashboard.OpenAsync();

        var wrong = page.GetByRole(AriaRole.Region, new() { Name = "What is wrong now" });
        await Expect(wrong).ToContainTextAsync("1 more backend failed in the last ten minutes");
        await Expect(wrong.GetByRole(AriaRole.Listitem).Filter(new() { HasText = "ended: it exited with an error" })).ToHaveCountAsync(5);
    }

    [Fact]
    public async Task Pages_follow_what_happens_and_say_when_the_controller_does_not_answer()
    {
        await using var dashboard = await DashboardUnderTest.StartAsync();
        var backend = await dashboard.SpawnAsync("live-room", null);
        var page = await dashboard.OpenAsync($"/backends/{backend.Backend}");
        await Expect(page.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToContainTextAsync("scheduled");

        await dashboard.Drone.ReportAsync(backend, BackendStatus.Ready);
        await Expect(page.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToContainTextAsync("ready");

        await page.Context.SetOfflineAsync(true);
        await Expect(page.Locator("#connection")).ToContainTextAsync("No answer from the controller");
        await page.Context.SetOfflineAsync(false);
        await Expect(page.Locator("#connection")).ToBeHiddenAsync();
    }

    [Fact]
    public async Task A_page_that_is_open_while_its_backend_fails_shows_the_last_lines_and_offers_no_end()
    {
        await using var dashboard = await DashboardUnderTest.StartAsync();
        var backend = await dashboard.SpawnAsync("failing-room");
        var page = await dashboard.OpenAsync($"/backends/{backend.Backend}");
        await Expect(page.GetByRole(AriaRole.Link, new() { Name = "Terminate" })).ToBeVisibleAsync();

        await dashboard.Drone.ReportFailureAsync(backend, "It exited.", "fatal: no such file");

        await Expect(page.GetByRole(AriaRole.Region, new() { Name = "Its last lines before it failed" })).ToContainTextAsync("fatal: no such file");
        await Expect(page.GetByRole(AriaRole.Link, new() { Name = "Terminate" })).ToHaveCountAsync(0);
        Assert.Empty(dashboard.Complaints);
    }

    [Fact]
    public async Task A_backend_is_found_by_its_key_and_terminated_by_keyboard_alone()
    {
        await using var dashboard = await DashboardUnderTest.StartAsync();
        var backend = await dashboard.SpawnAsync("keyboard-room");
        var page = await dashboard.OpenAsync();
        await page.GetByRole(AriaRole.Searchbox).FocusAsync();
        await page.Keyboard.TypeAsync("keyboard-room");
        await page.Keyboard.PressAsync("Enter");
        await page.IsAtAsync(dashboard.Address($"/backends/{backend.Backend}"));
        await Expect(page.GetByRole(AriaRole.Region, new() { Name = "Key and lease" })).ToContainTextAsync("until");

        await TabToAsync(page, "Terminate");
        await page.Keyboard.PressAsync("Enter");
        await Expect(page.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToContainTextAsync("Terminate backend");
        Assert.DoesNotContain(await dashboard.Drone.ActionsAsync(), a => a.Kind == DroneActionKind.Terminate);
        await TabToAsync(page, "Terminate");
        await page.Keyboard.PressAsync("Enter");

        await Expect(page.Locator(".banner.good")).ToContainTextAsync("asked to end");
        Assert.Contains(await dashboard.Drone.ActionsAsync(), a => a.Terminate?.Kind == TerminationKind.Soft);
        Assert.Empty(dashboard.Complaints);
    }

    [Fact]
    public async Task Text_of_backends_and_keys_is_shown_and_never_interpreted()
    {
        await using var dashboard = await DashboardUnderTest.StartAsync();
        var backend = await dashboard.SpawnAsync(Hostile);
        dashboard.Inspector.Ring.Add(new OutputLine { Position = 1, Stream = OutputStream.Stdout, Text = $"{Hostile}\u001b[2J\u001b]0;title\u0007\0 shown" });
        dashboard.Inspector.Ring.Add(new OutputLine { Position = 2, Stream = OutputStream.Stderr, Text = new string('x', 60_000), Cut = true, Dropped = 3 });
        foreach (var path in (string[])["/", "/backends", $"/backends/{backend.Backend}", "/events", $"/backends/{backend.Backend}/terminate", $"/search?q={Uri.EscapeDataString(Hostile)}"])
        {
            var page = await dashboard.OpenAsync(path.StartsWith("/search", StringComparison.Ordinal) ? "/" : path);
            await page.GotoAsync(dashboard.Address(path));
            await Expect(page.GetByRole(AriaRole.Main)).ToContainTextAsync("<img src=x onerror=");
            Assert.NotEqual("pwned", await page.TitleAsync());
            Assert.Equal(0, await page.Locator("main img, main script").CountAsync());
        }

        var log = (await dashboard.OpenAsync($"/backends/{backend.Backend}")).Locator("#log");
        await Expect(log).ToContainTextAsync(Hostile + " shown");
        await Expect(log).ToContainTextAsync("(3 lines were dropped here");
        Assert.Empty(dashboard.Complaints);
    }

    [Fact]
    public async Task Text_of_drones_and_services_is_shown_and_never_interpreted()
    {
        await using var dashboard = await DashboardUnderTest.StartAsync();
        var drone = await dashboard.Controller.AddDroneAsync(pool: Hostile);
        await PutServiceAsync(dashboard, "hostile", new JsonObject
        {
            ["spawn_config"] = new JsonObject { ["executable"] = new JsonObject { ["image"] = "a:1" }, ["pool"] = Hostile },
            ["access"] = "public",
            ["prepull"] = true,
        });
        await PutServiceAsync(dashboard, "command", new JsonObject
        {
            ["spawn_config"] = new JsonObject { ["executable"] = new JsonObject { ["command"] = new JsonArray(Hostile) } },
            ["access"] = "public",
        });
        await drone.ReportImagesAsync(new ImageState { Image = "a:1", Status = ImageStatus.Failed, Reason = Hostile });
        var failed = await dashboard.SpawnAsync("failed-room", null);
        await dashboard.Drone.ReportFailureAsync(failed, Hostile, $"{Hostile}\u001b[31m red");
        var page = await dashboard.OpenAsync();
        foreach (var path in (string[])[$"/clusters/{Controller.Cluster}", "/services", "/services/hostile", "/services/command", $"/backends/{failed.Backend}"])
        {
            await page.GotoAsync(dashboard.Address(path));
            await Expect(page.GetByRole(AriaRole.Main)).ToContainTextAsync("<img src=x onerror=");
            Assert.NotEqual("pwned", await page.TitleAsync());
            Assert.Equal(0, await page.Locator("main img, main script").CountAsync());
        }

        await Expect(page.GetByRole(AriaRole.Region, new() { Name = "Its last lines before it failed" })).ToContainTextAsync(Hostile);
        Assert.Empty(dashboard.Complaints);
    }

    [Fact]
    public async Task A_cluster_shows_what_its_drones_have_reserved_and_its_busiest_backends()
    {
        await using var dashboard = await DashboardUnderTest.StartAsync();
        await dashboard.Drone.HasAsync(new ResourceAmounts { CpuMillis = 4_000, MemoryBytes = 8L << 30, Gpus = 2 });
        var connect = new JsonObject
        {
            ["key"] = new JsonObject { ["name"] = "reserving-room" },
            ["spawn_config"] = new JsonObject
            {
                ["executable"] = new JsonObject { ["image"] = "a:1", ["resource_requests"] = new JsonObject { ["cpu_millis"] = 1_500, ["memory_bytes"] = 2L << 30 } },
            },
        };
        var backend = BackendName.Parse((string)(await dashboard.Controller.PostAsync("/ctrl/connect", connect)).Expect(System.Net.HttpStatusCode.OK).Json!["backend_id"]!);
        var quiet = await dashboard.SpawnAsync("quiet-room");
        dashboard.Inspector.Busy =
        [
            new BusyBackend { BackendId = quiet.Backend, Cpus = 0.01, MemoryBytes = 3 << 20 }, new BusyBackend { BackendId = backend, Cpus = 1.25, MemoryBytes = 300 << 20 },
        ];
        await dashboard.Inspector.ShowAsync(dashboard.Controller, dashboard.Drone);
        var page = await dashboard.OpenAsync($"/clusters/{Controller.Cluster}");

        await Expect(page.Locator(".reserved li")).ToHaveTextAsync(["CPU1.5 of 4 1.5 of 4", "Memory2.00 GiB of 8.00 GiB 2.00 GiB of 8.00 GiB", "GPU0 of 2 0 of 2"]);
        var busiest = page.GetByRole(AriaRole.Region, new() { Name = "Busiest backends" }).GetByRole(AriaRole.Row);
        await Expect(busiest.Nth(1).GetByRole(AriaRole.Cell)).ToHaveTextAsync([backend.Value, "1.25", "300.0 MiB", dashboard.Drone.Name.Value]);
        await Expect(busiest.Nth(2).GetByRole(AriaRole.Cell)).ToHaveTextAsync([quiet.Backend.Value, "0.01", "3.0 MiB", dashboard.Drone.Name.Value]);
        await busiest.Nth(1).GetByRole(AriaRole.Link).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Heading, new() { Level = 1 })).ToContainTextAsync(backend.Value);
        Assert.Empty(dashboard.Complaints);
    }

    [Fact]
    public async Task A_service_shows_its_address_and_how_far_drones_are_with_its_image()
    {
        await using var dashboard = await DashboardUnderTest.StartAsync();
        await PutServiceAsync(dashboard, "board", new JsonObject
        {
            ["spawn_config"] = new JsonObject { ["executable"] = new JsonObject { ["image"] = "a:1" }, ["cluster"] = Controller.Cluster, ["max_idle_seconds"] = 1_800, ["lifetime_limit_seconds"] = 90 },
            ["access"] = "public",
            ["prepull"] = true,
        });
        var page = await dashboard.OpenAsync("/services/board");
        await Expect(page.GetByRole(AriaRole.Region, new() { Name = "What it is" })).ToContainTextAsync($"KEY--board.{Controller.Cluster}/");
        await Expect(page.GetByRole(AriaRole.Region, new() { Name = "What it is" })).ToContainTextAsync("Ends when idle for30 minLifetime90 s");
        var images = page.GetByRole(AriaRole.Region, new() { Name = "Where its image is" });
        await Expect(images).ToContainTextAsync("waits");

        // The page follows.
        await dashboard.Drone.ReportImagesAsync(new ImageState { Image = "a:1", Status = ImageStatus.Pulling, Percent = 40 });
        await Expect(images).ToContainTextAsync("pulling, 40 %");
        await dashboard.Drone.ReportImagesAsync(new ImageState { Image = "a:1", Status = ImageStatus.Failed, Reason = "no such image" });
        await Expect(images.Locator(".is-failed")).ToHaveTextAsync("failed, tried again");
        await Expect(images).ToContainTextAsync("no such image");
        await dashboard.Drone.ReportImagesAsync(new ImageState { Image = "a:1", Status = ImageStatus.Ready });
        await Expect(images.Locator(".is-ready")).ToHaveTextAsync("ready");
        await Expect(images).ToContainTextAsync(dashboard.Drone.Name.Value);
        Assert.Empty(dashboard.Complaints);
    }

    [Fact]
    public async Task The_first_page_shows_the_newest_events_and_leads_to_the_others()
    {
        await using var dashboard = await DashboardUnderTest.StartAsync();
        for (var i = 0; i < 10; i++)
        {
            var backend = await dashboard.SpawnAsync($"room-{i}");
            await dashboard.Drone.ReportAsync(backend, BackendStatus.Terminated, exitCode: 0);
        }

        var page = await dashboard.OpenAsync();
        var lately = page.GetByRole(AriaRole.Region, new() { Name = "The last ten minutes" });
        await Expect(lately.GetByRole(AriaRole.Row)).ToHaveCountAsync(26);
        await lately.GetByRole(AriaRole.Link, new() { Name = "More, and all events" }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Row).Filter(new() { HasText = "room-0" })).Not.ToHaveCountAsync(0);
    }

    [Fact]
    public async Task A_log_is_followed_until_its_end()
    {
        await using var dashboard = await DashboardUnderTest.StartAsync();
        var backend = await dashboard.SpawnAsync("log-room");
        dashboard.Inspector.Write(1, 3);
        var page = await dashboard.OpenAsync($"/backends/{backend.Backend}");
        await Expect(page.Locator("#log")).ToContainTextAsync("line 3");

        dashboard.Inspector.Write(4, 2);
        await Expect(page.Locator("#log")).ToContainTextAsync("line 5");
        dashboard.Inspector.Ring.Complete();

        await Expect(page.Locator("#log-state")).ToContainTextAsync("all that it wrote");
        Assert.Equal(5, await page.Locator("#log span").CountAsync());
    }

    [Fact]
    public async Task Ten_thousand_backends_are_listed_and_filtered_with_a_few_rows_in_the_page()
    {
        await using var dashboard = await DashboardUnderTest.StartAsync();
        var backend = await dashboard.SpawnAsync("the-one-room");
        await dashboard.AddBackendsAsync(10_000);
        var page = await dashboard.OpenAsync("/backends");
        await Expect(page.Locator("#count")).ToContainTextAsync("10001", new() { Timeout = 60_000 });

        Assert.InRange(await page.Locator(".grid-row").CountAsync(), 1, 100);
        await page.GetByLabel("Filter", new() { Exact = true }).FillAsync("the-one ready");
        await Expect(page.Locator("#count")).ToContainTextAsync("1 of 10001");
        await Expect(page.GetByRole(AriaRole.Link, new() { Name = backend.Backend.Value })).ToBeVisibleAsync();

        await page.GetByLabel("Filter", new() { Exact = true }).FillAsync("");
        await page.Locator(".grid-view").EvaluateAsync("v => v.scrollTop = v.scrollHeight");
        await Expect(page.GetByRole(AriaRole.Link, new() { Name = "seeded-1", Exact = true })).ToBeVisibleAsync();
        await dashboard.Drone.ReportAsync(backend, BackendStatus.Terminated, exitCode: 0);
        await Expect(page.Locator("#count")).ToContainTextAsync("10000");
        Assert.Empty(dashboard.Complaints);
    }

    [Fact]
    public async Task Without_scripts_pages_are_whole()
    {
        await using var dashboard = await DashboardUnderTest.StartAsync();
        var backend = await dashboard.SpawnAsync("plain-room");
        var page = await dashboard.OpenAsync("/backends", new BrowserNewContextOptions { JavaScriptEnabled = false });

        await page.GetByRole(AriaRole.Link, new() { Name = backend.Backend.Value }).ClickAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "Kill" }).ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Kill" }).ClickAsync();

        await Expect(page.Locator(".banner.good")).ToContainTextAsync("being killed");
    }

    [Fact]
    public async Task The_form_connects_and_a_drone_is_drained_and_undrained()
    {
        await using var dashboard = await DashboardUnderTest.StartAsync();
        var page = await dashboard.OpenAsync("/connect");
        await page.GetByLabel("Key", new() { Exact = true }).FillAsync("form-room");
        await page.GetByLabel("Or command").FillAsync("sleep 1");
        await page.GetByRole(AriaRole.Button, new() { Name = "Connect" }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Main)).ToContainTextAsync("A backend was started");

        await page.GotoAsync(dashboard.Address($"/clusters/{Controller.Cluster}"));
        await page.GetByRole(AriaRole.Link, new() { Name = "Drain" }).ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Drain" }).ClickAsync();
        await Expect(page.Locator(".banner.good")).ToContainTextAsync("no new backends");
        await page.GetByRole(AriaRole.Link, new() { Name = "Undrain" }).ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Undrain" }).ClickAsync();
        await Expect(page.Locator(".banner.good")).ToContainTextAsync("takes new backends again");
        await page.GotoAsync(dashboard.Address("/connect"));
        await page.GetByLabel("Key", new() { Exact = true }).FillAsync("nobody-holds-this");
        await page.GetByRole(AriaRole.Button, new() { Name = "Connect" }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Alert)).ToContainTextAsync("nothing holds", new() { IgnoreCase = true });
        Assert.Empty(dashboard.Complaints);
    }

    [Fact]
    public async Task Empty_pages_say_what_to_do()
    {
        await using var dashboard = await DashboardUnderTest.StartAsync(withDrone: false);
        var page = await dashboard.OpenAsync();
        await Expect(page.GetByRole(AriaRole.Main)).ToContainTextAsync("plane drone --cluster NAME");
        await page.GotoAsync(dashboard.Address("/backends"));
        await Expect(page.Locator("#backends")).ToContainTextAsync("No backend");
        await Expect(page.Locator("#count")).ToContainTextAsync("0 backends");
        await Expect(page.GetByRole(AriaRole.Link, new() { Name = "Connect to a key" })).ToBeVisibleAsync();
        await page.GotoAsync(dashboard.Address("/events"));
        await Expect(page.GetByRole(AriaRole.Main)).ToContainTextAsync("Nothing happened");
    }

    [Fact]
    public async Task Services_are_listed_and_one_shows_its_backends_and_who_may_enter()
    {
        await using var dashboard = await DashboardUnderTest.StartAsync();
        var page = await dashboard.OpenAsync("/services");
        await Expect(page.GetByRole(AriaRole.Main)).ToContainTextAsync("There is no service");
        var body = new StringContent("""{"spawn_config":{"executable":{"command":["board"]}},"access":"signed","max_backends":5}""", System.Text.Encoding.UTF8, "application/json");
        (await dashboard.Controller.SendAsync(HttpMethod.Put, "/ctrl/s/board", body)).Expect(System.Net.HttpStatusCode.Created);
        var connect = new JsonObject { ["service"] = "board", ["key"] = new JsonObject { ["name"] = "service-room" } };
        (await dashboard.Controller.PostAsync("/ctrl/connect", connect)).Expect(System.Net.HttpStatusCode.OK);

        await page.GetByRole(AriaRole.Link, new() { Name = "board" }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Region, new() { Name = "Backends that run" })).ToContainTextAsync("board/service-room");
        await Expect(page.GetByRole(AriaRole.Region, new() { Name = "Who may enter" })).ToContainTextAsync("It has no signing key");
        await page.GetByRole(AriaRole.Link, new() { Name = "Its backends of the past" }).ClickAsync();
        await Expect(page.Locator("#count")).ToContainTextAsync("1 backend");

        await page.GotoAsync(dashboard.Address("/connect"));
        await page.GetByLabel("Key", new() { Exact = true }).FillAsync("form-room");
        await page.GetByLabel("Service").SelectOptionAsync("board");
        await page.GetByRole(AriaRole.Button, new() { Name = "Connect" }).ClickAsync();
        await Expect(page.GetByRole(AriaRole.Main)).ToContainTextAsync("A backend was started");
        await page.GotoAsync(dashboard.Address("/events"));
        await Expect(page.GetByRole(AriaRole.Main)).ToContainTextAsync("a service was made or changed");
        Assert.Empty(dashboard.Complaints);
    }

    private static async Task PutServiceAsync(DashboardUnderTest dashboard, string name, JsonObject service) =>
        (await dashboard.Controller.SendAsync(HttpMethod.Put, $"/ctrl/s/{name}", new StringContent(service.ToJsonString(), System.Text.Encoding.UTF8, "application/json")))
            .Expect(System.Net.HttpStatusCode.Created);

    private static ILocatorAssertions Expect(ILocator locator) => Assertions.Expect(locator);

    private static async Task TabToAsync(IPage page, string name)
    {
        for (var i = 0; i < 40; i++)
        {
            await page.Keyboard.PressAsync("Tab");
            if (await page.EvaluateAsync<string>("document.activeElement.textContent.trim()") == name)
            {
                return;
            }
        }

        Assert.Fail($"{name} was not reached by the tabulator key");
    }
}
