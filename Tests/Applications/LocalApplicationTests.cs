using System.Text.Json.Nodes;
using Microsoft.Playwright;
using Plane.Testing;

namespace Plane.Tests.Applications;

/// <summary>Applications as their guides show them, opened by <c>browser_url</c> in Chromium over plain HTTP, as on a developer's machine.</summary>
public sealed class LocalApplicationTests(LocalHost local) : IClassFixture<LocalHost>
{
    private ApplicationHost Host => local.Host;

    [Fact]
    public async Task Express_with_login_cookies_and_redirects_and_two_sessions_side_by_side()
    {
        var a = await Host.OpenNodeAsync("express-a", "express.mjs");
        var b = await Host.OpenNodeAsync("express-b", "express.mjs");
        var context = await Browser.NewContextAsync();
        await using var closing = context;
        var (first, second) = (await context.NewPageAsync(), await context.NewPageAsync());
        await LogInAsync(first, a, "Ada");
        await LogInAsync(second, b, "Bob");

        await first.GotoAsync($"{a.Origin}/");
        Assert.Equal("hello Ada", await first.TextContentAsync("#hello"));
        Assert.Equal("rgb(1, 2, 3)", await first.EvaluateAsync<string>("getComputedStyle(document.body).color"));
        Assert.Equal($"{a.Origin}/room", first.Url);
        await ApplicationHost.LookAsync(first, "express");

        var seen = JsonNode.Parse(await first.EvaluateAsync<string>("fetch('/seen?a=%2F').then(r => r.text())"))!;
        Assert.Equal(("/seen?a=%2F", "ada"), ((string?)seen["url"], (string?)seen["verified"]));
        Assert.StartsWith("connect.sid=", (string?)seen["cookie"], StringComparison.Ordinal);
        Assert.DoesNotContain("plane-session", (string?)seen["cookie"], StringComparison.Ordinal);

        await first.ClickAsync("#out");
        await first.IsAtAsync($"{a.Origin}/login");
        await second.ReloadAsync();
        Assert.Equal("hello Bob", await second.TextContentAsync("#hello"));
    }

    [Fact]
    public async Task Socket_io_with_its_defaults()
    {
        var session = await Host.OpenNodeAsync("socket.io", "socketio.mjs");
        var (ada, bob) = (await EnterAsync(session), await EnterAsync(await Host.OpenNodeAsync("socket.io", "socketio.mjs", user: "bob")));
        foreach (var page in new[] { ada, bob })
        {
            await SeesAsync(page, "#transport", "websocket");
        }

        await ada.FillAsync("#text", "hello");
        await ada.PressAsync("#text", "Enter");
        await SeesAsync(bob, "#log li", "ada: hello");
        await bob.FillAsync("#text", "hi");
        await bob.PressAsync("#text", "Enter");
        await SeesAsync(ada, "#log li:nth-child(2)", "bob: hi");
        await ApplicationHost.LookAsync(ada, "socket.io");
        await CloseAsync(ada, bob);
    }

    [Fact]
    public async Task Two_browsers_write_one_text_over_y_websocket()
    {
        var session = await Host.OpenNodeAsync("y-websocket", "y-websocket.mjs");
        var (ada, bob) = (await EnterAsync(session), await EnterAsync(await Host.OpenNodeAsync("y-websocket", "y-websocket.mjs", user: "bob")));
        foreach (var page in new[] { ada, bob })
        {
            await SeesAsync(page, "#status", "connected");
            await SeesAsync(page, "#people", "2");
        }

        await Task.WhenAll(Enumerable.Range(0, 10).SelectMany(_ => new[] { ada.EvaluateAsync("append('a')"), bob.EvaluateAsync("append('b')") }));
        static async Task<string> TextAsync(IPage page) => await page.InputValueAsync("#area");
        await Eventually.SeenAsync(
            async _ => (await TextAsync(ada), await TextAsync(bob)), seen => seen.Item1 == seen.Item2 && seen.Item1.Length == 20, "both see all that both wrote");
        Assert.Equal((10, 10), ((await TextAsync(ada)).Count(c => c == 'a'), (await TextAsync(bob)).Count(c => c == 'b')));
        await ApplicationHost.LookAsync(bob, "y-websocket");
        await CloseAsync(ada, bob);
    }

    [Fact]
    public async Task Vite_replaces_a_module_in_the_open_page()
    {
        var folder = await NpmApplications.SmallAsync();
        using var project = new TempDirectory();
        NpmApplications.Copy(Path.Combine(folder, "vite"), project.Path);
        var session = await Host.OpenAsync(
            "vite", ["sh", "-c", $"exec node {folder}/node_modules/vite/bin/vite.js --port $PORT --strictPort --host 127.0.0.1"], directory: project.Path);
        var page = await EnterAsync(session);
        await SeesAsync(page, "#app", "one");
        var kept = await page.TextContentAsync("#kept");
        Assert.Equal("rgb(4, 5, 6)", await page.EvaluateAsync<string>("getComputedStyle(document.body).backgroundColor"));

        await File.WriteAllTextAsync(project["src/message.js"], "export const message = 'two';\n");
        await SeesAsync(page, "#app", "two");
        await File.WriteAllTextAsync(project["src/style.css"], "body { background: rgb(7, 8, 9); }\n");
        await Eventually.SeenAsync(
            async _ => await page.EvaluateAsync<string>("getComputedStyle(document.body).backgroundColor"), c => c == "rgb(7, 8, 9)", "the style is replaced too");
        Assert.Equal(kept, await page.TextContentAsync("#kept"));
        await ApplicationHost.LookAsync(page, "vite");
        await CloseAsync(page);
        await Host.EndAsync(session);
    }

    [Fact]
    public async Task Blazor_server_keeps_its_circuit()
    {
        var page = await EnterAsync(await Host.OpenWebAsync("blazor", "blazor"));
        await page.ClickAsync("#counter");

        // Clicks that come before the circuit are lost.
        await Eventually.SeenAsync(
            async _ =>
            {
                await page.ClickAsync("#more");
                return await page.TextContentAsync("[role=status]");
            },
            seen => seen?.StartsWith("count ", StringComparison.Ordinal) == true && seen != "count 0",
            "the counter counts");
        Assert.EndsWith("/counter", page.Url, StringComparison.Ordinal);
        await ApplicationHost.LookAsync(page, "blazor");
        await CloseAsync(page);
    }

    [Fact]
    [Trait("Run", "ByName")]
    public async Task Next_js_for_production()
    {
        var folder = await NpmApplications.NextAsync();
        var session = await Host.OpenAsync("next", ["sh", "-c", "exec node node_modules/next/dist/bin/next start -p $PORT"], directory: folder);
        var page = await EnterAsync(session);
        await SeesAsync(page, "#title", "first");
        await page.ClickAsync("#count");
        await SeesAsync(page, "#count", "count 1");

        // A server action is a POST whose origin Next.js compares with the host.
        await page.ClickAsync("#greet");
        await SeesAsync(page, "#greeting", "hello ada");
        await page.ClickAsync("#about");
        await SeesAsync(page, "#title", "second");
        Assert.Equal($"{session.Origin}/about", page.Url);
        await ApplicationHost.LookAsync(page, "next");
        await CloseAsync(page);
    }

    private static async Task LogInAsync(IPage page, ApplicationSession session, string name)
    {
        await page.GotoAsync(session.BrowserUrl);
        Assert.Equal($"{session.Origin}/login", page.Url);
        await page.FillAsync("#user", name);
        await page.ClickAsync("#go");
        await page.IsAtAsync($"{session.Origin}/room");
        Assert.Equal($"hello {name}", await page.TextContentAsync("#hello"));
    }

    /// <summary>Opens the session as a person of their own.</summary>
    private static async Task<IPage> EnterAsync(ApplicationSession session)
    {
        var page = await (await Browser.NewContextAsync()).NewPageAsync();
        await page.GotoAsync(session.BrowserUrl);
        Assert.StartsWith($"{session.Origin}/", page.Url, StringComparison.Ordinal);
        Assert.DoesNotContain(session.Token, page.Url, StringComparison.Ordinal);
        return page;
    }

    private static async Task CloseAsync(params IPage[] pages)
    {
        foreach (var page in pages)
        {
            await page.Context.CloseAsync();
        }
    }

    private static async Task SeesAsync(IPage page, string selector, string text) => await Eventually.SeenAsync(
        async _ => await page.Locator(selector).First.TextContentAsync(new LocatorTextContentOptions { Timeout = 2000 }), seen => seen == text, $"{selector} is '{text}'");
}

/// <summary>One installation for all of these tests.</summary>
public sealed class LocalHost : IAsyncLifetime
{
    internal ApplicationHost Host { get; private set; } = null!;

    public async Task InitializeAsync() => Host = await ApplicationHost.StartAsync();

    public async Task DisposeAsync() => await Host.DisposeAsync();
}
