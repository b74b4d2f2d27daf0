using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Plane.Testing;

namespace Plane.Tests.Proxy;

/// <summary>The page that a person sees while a session starts.</summary>
public sealed partial class StartingPageTests
{
    [Fact]
    public async Task A_navigation_that_waits_gets_a_page_and_a_request_for_data_waits_on()
    {
        await using var proxy = await TestProxy.StartAsync(o => o.StartingPageAfter = TimeSpan.FromMilliseconds(50));
        await using var backend = RawBackend.Answering();
        using var service = TestService.Public(proxy);
        var data = service.StatusAsync(null);
        var script = service.StatusAsync(null, headers: [("Accept", "text/html"), ("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Site", "same-origin")]);

        using var page = await service.SendAsync("/a?b", headers: [("Accept", "text/html,*/*"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Site", "none")]);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, page.StatusCode);
        Assert.Equal("1", page.Headers.RetryAfter?.ToString());
        Assert.True(page.Headers.CacheControl?.NoStore);
        Assert.Equal("text/html", page.Content.Headers.ContentType?.MediaType);

        var status = service.SendAsync("/.plane/status");
        Assert.False(data.IsCompleted);
        Assert.False(script.IsCompleted);
        service.Fake.Ready("room", backend.Address);
        using var answer = await Eventually.EndsAsync(status, "the status is answered");
        Assert.Equal("ready", (string?)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["status"]);
        Assert.Equal(HttpStatusCode.OK, await Eventually.EndsAsync(data, "the request is answered"));
        Assert.Equal(HttpStatusCode.OK, await Eventually.EndsAsync(script, "the request is answered"));
        Assert.Single(service.Fake.Entries);
        using var after = await service.SendAsync("/a?b", headers: ("Accept", "text/html"));
        Assert.Equal(HttpStatusCode.OK, after.StatusCode);
    }

    [Fact]
    public async Task The_page_asks_nothing_of_anyone_else_and_runs_nothing_but_its_own_script()
    {
        await using var proxy = await TestProxy.StartAsync(o => o.StartingPageAfter = TimeSpan.FromMilliseconds(1));
        using var service = TestService.Public(proxy);
        using var page = await service.SendAsync(headers: ("Accept", "text/html"));
        var html = await page.Content.ReadAsStringAsync();
        var policy = Assert.Single(page.Headers.GetValues("Content-Security-Policy"));
        Assert.Equal(
            $"default-src 'none'; style-src '{HashOf(Style().Match(html).Groups[1].Value)}'; script-src '{HashOf(Script().Match(html).Groups[1].Value)}'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            policy);
        Assert.DoesNotContain("http://", html, StringComparison.Ordinal);
        Assert.DoesNotContain("https://", html, StringComparison.Ordinal);
        Assert.DoesNotContain("url(", html, StringComparison.Ordinal);
        Assert.Contains("<noscript><meta http-equiv=\"refresh\"", html, StringComparison.Ordinal);
        Assert.Contains("<html lang=\"en\">", html, StringComparison.Ordinal);
        Assert.Contains("role=\"status\"", html, StringComparison.Ordinal);
        Assert.Contains("prefers-color-scheme: dark", html, StringComparison.Ordinal);
        Assert.Contains("prefers-reduced-motion", html, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_status_is_for_those_who_may_enter()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        using var service = TestService.Signed(proxy, backend.Address);
        Assert.Equal("TokenMissing", await service.KindAsync(null, path: "/.plane/status"));
        Assert.Equal("Forbidden", await service.KindAsync(service.Token(), path: "/.plane/status", headers: ("Origin", "https://evil.example")));
        Assert.Equal("200", await service.KindAsync(service.Token(), path: "/.plane/status"));
        Assert.Equal("NotFound", await service.KindAsync(service.Token(), path: "/.plane/other"));
        using var post = await service.SendAsync("/.plane/status", cookie: service.Token(), method: HttpMethod.Post);
        Assert.Equal("InvalidRequest", await TestService.KindAsync(post));
        Assert.Empty(backend.Requests);
    }

    private static string HashOf(string text) => "sha256-" + Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    [GeneratedRegex("<style>(.*?)</style>", RegexOptions.Singleline)]
    private static partial Regex Style();

    [GeneratedRegex("<script>(.*?)</script>", RegexOptions.Singleline)]
    private static partial Regex Script();
}
