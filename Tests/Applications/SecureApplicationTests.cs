using System.Text.Json.Nodes;
using Microsoft.Playwright;
using Plane.Testing;

namespace Plane.Tests.Applications;

/// <summary>Applications in Chromium over HTTPS, with a certificate for the cluster's wildcard, and pages of other origins that use them.</summary>
[Collection(SecureApplications.Name)]
public sealed class SecureApplicationTests(SecureHost secure)
{
    private const string Operator = "https://www.apps.test";
    private const string Elsewhere = "https://elsewhere.apps.test";

    // What its guide says, and nothing more.
    private const string Connect =
        """
        async url => {
            const hub = new signalR.HubConnectionBuilder().withUrl(url).configureLogging(signalR.LogLevel.None).build();
            try {
                await hub.start();
                const said = new Promise(resolve => hub.on('said', resolve));
                await hub.invoke('Say', 'hello');
                return await said;
            } catch (error) {
                return `failed: ${error.message}`;
            }
        }
        """;

    private ApplicationHost Host => secure.Host;

    [Fact]
    public async Task The_cookie_is_of_one_host_and_of_https_alone_and_the_application_knows_that_it_is_https()
    {
        var session = await Host.OpenNodeAsync("express", "express.mjs");
        var page = await secure.NewPageAsync();
        await page.GotoAsync(session.BrowserUrl);
        Assert.Equal($"{session.Origin}/login", page.Url);
        await page.FillAsync("#user", "Ada");
        await page.ClickAsync("#go");
        await page.IsAtAsync($"{session.Origin}/room");
        await ApplicationHost.LookAsync(page, "https");

        var cookies = await page.Context.CookiesAsync();
        var own = Assert.Single(cookies, c => c.Name == "__Host-plane-session");
        Assert.Equal((session.Token, new Uri(session.Origin).Host, true, true, SameSiteAttribute.Lax), (own.Value, own.Domain, own.Secure, own.HttpOnly, own.SameSite));
        Assert.True(Assert.Single(cookies, c => c.Name == "connect.sid").Secure);
        Assert.Equal("", await page.EvaluateAsync<string>("document.cookie"));
        var seen = JsonNode.Parse(await page.EvaluateAsync<string>("fetch('/seen').then(r => r.text())"))!;
        Assert.True((bool)seen["secure"]!);
        Assert.DoesNotContain(session.Token, seen.ToJsonString(), StringComparison.Ordinal);
        await page.Context.CloseAsync();
    }

    [Fact]
    public async Task Of_two_sessions_side_by_side_one_is_revoked_and_the_other_goes_on()
    {
        var (ada, bob) = (await Host.OpenNodeAsync("side-by-side", "socketio.mjs", user: "ada"), await Host.OpenNodeAsync("side-by-side", "socketio.mjs", user: "bob"));
        var (first, second) = (await secure.NewPageAsync(), await secure.NewPageAsync());
        await first.GotoAsync(ada.BrowserUrl);
        await second.GotoAsync(bob.BrowserUrl);
        await Task.WhenAll(SeesAsync(first, "#transport", "websocket"), SeesAsync(second, "#transport", "websocket"));

        await Host.RevokeAsync(bob, "bob");

        // Its WebSocket is cut, and its attempts to come back are refused.
        await Eventually.SeenAsync(_ => second.EvaluateAsync<bool>("socket.connected"), connected => !connected, "the revoked page is cut off");
        Assert.Equal(401, (await second.ReloadAsync())!.Status);
        await SeesAsync(second, "h1", "This session has ended");
        await ApplicationHost.LookAsync(second, "revoked");
        Assert.True(await first.EvaluateAsync<bool>("socket.connected"));
        await first.ReloadAsync();
        await SeesAsync(first, "#transport", "websocket");
        await first.Context.CloseAsync();
        await second.Context.CloseAsync();
    }

    [Fact]
    public async Task A_page_that_is_open_when_its_session_ends_learns_of_it()
    {
        var session = await Host.OpenNodeAsync("ends", "socketio.mjs");
        var page = await secure.NewPageAsync();
        await page.GotoAsync(session.BrowserUrl);
        await SeesAsync(page, "#transport", "websocket");

        await Host.EndAsync(session);

        await SeesAsync(page, "#transport", "xhr poll error");
        Assert.Equal(401, await page.EvaluateAsync<int>("fetch('/').then(r => r.status)"));
        Assert.Equal(401, (await page.ReloadAsync())!.Status);
        await SeesAsync(page, "h1", "This session has ended");
        await ApplicationHost.LookAsync(page, "ended");
        await page.Context.CloseAsync();
    }

    [Fact]
    public async Task A_page_of_an_allowed_origin_uses_SignalR_with_its_defaults_by_a_path_token()
    {
        var session = await Host.OpenWebAsync("signalr-path", "signalr", new JsonObject { ["allowed_origins"] = new JsonArray(Operator) });
        var page = await secure.NewPageAsync();
        await page.GotoAsync(Operator);
        Assert.Equal("ada: hello", await page.EvaluateAsync<string>(Connect, $"{session.Url}chat"));
        await page.GotoAsync(Elsewhere);
        Assert.StartsWith("failed: ", await page.EvaluateAsync<string>(Connect, $"{session.Url}chat"), StringComparison.Ordinal);
        await page.Context.CloseAsync();
    }

    [Fact]
    public async Task A_page_of_an_allowed_origin_uses_SignalR_with_its_defaults_by_the_cookie_and_another_does_not()
    {
        var session = await Host.OpenWebAsync("signalr-cookie", "signalr", new JsonObject { ["browser"] = true, ["allowed_origins"] = new JsonArray(Operator) });
        var page = await secure.NewPageAsync();
        await page.GotoAsync(session.BrowserUrl);
        await page.GotoAsync(Operator);
        Assert.Equal("ada: hello", await page.EvaluateAsync<string>(Connect, $"{session.Origin}/chat"));

        await page.GotoAsync(Elsewhere);
        Assert.StartsWith("failed: ", await page.EvaluateAsync<string>(Connect, $"{session.Origin}/chat"), StringComparison.Ordinal);
        foreach (var attempt in new[] { "fetch(url, { credentials: 'include' }).then(r => r.text())", "new Promise((resolve, reject) => { const s = new WebSocket(url.replace('https', 'wss')); s.onopen = () => resolve('open'); s.onerror = () => reject(new Error('refused')); })" })
        {
            Assert.StartsWith("failed: ", await page.EvaluateAsync<string>($"url => {attempt}.catch(e => `failed: ${{e.message}}`)", $"{session.Origin}/chat"), StringComparison.Ordinal);
        }

        await page.Context.CloseAsync();
    }

    [Fact]
    public async Task The_page_of_one_session_reads_nothing_of_another()
    {
        var (mine, victim) = (await Host.OpenNodeAsync("page-mine", "express.mjs"), await Host.OpenNodeAsync("page-victim", "express.mjs"));
        var page = await secure.NewPageAsync();
        await page.GotoAsync(victim.BrowserUrl);
        await page.GotoAsync(mine.BrowserUrl);
        foreach (var attempt in new[]
        {
            "fetch(url + '/seen', { credentials: 'include' }).then(r => r.text())",
            "fetch(url + '/login', { method: 'POST', credentials: 'include', headers: { 'content-type': 'application/json' }, body: '{}' }).then(r => r.text())",
            "new Promise((ok, no) => { const s = document.createElement('script'); s.src = url + '/seen'; s.onload = () => ok('loaded'); s.onerror = () => no(new Error('refused')); document.head.append(s); })",
            "new Promise((ok, no) => { const f = document.createElement('iframe'); f.src = url + '/login'; f.onload = () => { try { ok(f.contentDocument.body.innerHTML) } catch (e) { no(e) } }; document.body.append(f); setTimeout(() => f.contentDocument || no(new Error('another origin')), 500); })",
        })
        {
            Assert.StartsWith("failed: ", await page.EvaluateAsync<string>($"url => {attempt}.catch(e => `failed: ${{e.message}}`)", victim.Origin), StringComparison.Ordinal);
        }

        // A cookie for all hosts by the name of the session's is one that browsers refuse.
        await page.EvaluateAsync("document.cookie = '__Host-plane-session=' + 'A'.repeat(43) + '; Domain=sessions.apps.test; Path=/; Secure'");
        Assert.Equal(200, (await page.GotoAsync($"{victim.Origin}/login"))!.Status);
        await page.Context.CloseAsync();
    }

    private static async Task SeesAsync(IPage page, string selector, string text) => await Eventually.SeenAsync(
        async _ => (Text: await page.Locator(selector).First.TextContentAsync(new LocatorTextContentOptions { Timeout = 2000 }), Trouble: SecureHost.TroubleOf(page)),
        seen => seen.Text == text,
        $"{selector} is '{text}'");
}
