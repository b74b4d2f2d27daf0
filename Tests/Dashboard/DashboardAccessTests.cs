using System.Net;
using System.Text.RegularExpressions;

namespace Plane.Tests.Dashboard;

/// <summary>Who may use the dashboard, and what its answers tell browsers.</summary>
public sealed partial class DashboardAccessTests : IAsyncLifetime
{
    private DashboardUnderTest _dashboard = null!;
    private BackendIdentity _backend;

    public async Task InitializeAsync()
    {
        _dashboard = await DashboardUnderTest.StartAsync();
        _backend = await _dashboard.SpawnAsync("access");
    }

    public async Task DisposeAsync() => await _dashboard.DisposeAsync();

    [Theory]
    [InlineData("/")]
    [InlineData("/backends")]
    [InlineData("/backends/BACKEND")]
    [InlineData("/backends/BACKEND/terminate")]
    [InlineData("/clusters/test.example:9090")]
    [InlineData("/events")]
    [InlineData("/services")]
    [InlineData("/services/access")]
    [InlineData("/connect")]
    [InlineData("/search?q=access")]
    public async Task A_page_asks_for_the_login_first(string path)
    {
        using var visitor = new Visitor(_dashboard);

        var answer = await visitor.GetAsync(path.Replace("BACKEND", _backend.Backend.Value, StringComparison.Ordinal));

        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        Assert.StartsWith("/login", answer.Headers.Location!.IsAbsoluteUri ? answer.Headers.Location.PathAndQuery : answer.Headers.Location.OriginalString, StringComparison.Ordinal);
        Assert.DoesNotContain("access", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/data/backends")]
    [InlineData("/data/events")]
    [InlineData("/data/logs/BACKEND")]
    public async Task What_the_script_reads_is_a_401_without_the_login(string path)
    {
        using var visitor = new Visitor(_dashboard);
        Assert.Equal(HttpStatusCode.Unauthorized, (await visitor.GetAsync(path.Replace("BACKEND", _backend.Backend.Value, StringComparison.Ordinal))).StatusCode);
    }

    [Fact]
    public async Task The_control_token_logs_in_and_another_does_not()
    {
        using var visitor = new Visitor(_dashboard);

        var refused = await visitor.LogInAsync("not-the-control-token");
        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
        Assert.Equal(HttpStatusCode.SeeOther, (await visitor.GetAsync("/")).StatusCode);

        var accepted = await visitor.LogInAsync(DashboardUnderTest.Token, "/backends?status=all");
        Assert.Equal((HttpStatusCode.SeeOther, "/backends?status=all"), (accepted.StatusCode, accepted.Headers.Location!.OriginalString));
        Assert.Equal(HttpStatusCode.OK, (await visitor.GetAsync("/")).StatusCode);
        var cookie = Assert.Single(accepted.Headers.GetValues("Set-Cookie"), c => c.StartsWith("plane-session=", StringComparison.Ordinal));
        Assert.Contains("httponly", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("samesite=strict", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain(DashboardUnderTest.Token, cookie, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("//evil.example/")]
    [InlineData("/\\evil.example/")]
    [InlineData("https://evil.example/")]
    [InlineData("javascript:alert(1)")]
    public async Task The_login_leads_to_no_other_server(string to)
    {
        using var visitor = new Visitor(_dashboard);
        Assert.Equal("/", (await visitor.LogInAsync(DashboardUnderTest.Token, to)).Headers.Location!.OriginalString);
    }

    [Fact]
    public async Task A_session_that_was_there_before_the_login_is_not_the_one_after_it()
    {
        // Somebody who can set a cookie in another's browser must not know the session that a login makes.
        using var attacker = new Visitor(_dashboard);
        using var visitor = new Visitor(_dashboard);
        visitor.Cookies["plane-session"] = "planted";
        Assert.Equal(HttpStatusCode.SeeOther, (await visitor.GetAsync("/")).StatusCode);

        await visitor.LogInAsync(DashboardUnderTest.Token);
        Assert.NotEqual("planted", visitor.Cookies["plane-session"]);
        var first = visitor.Cookies["plane-session"];
        await visitor.LogInAsync(DashboardUnderTest.Token);
        Assert.NotEqual(first, visitor.Cookies["plane-session"]);
        attacker.Cookies["plane-session"] = "planted";
        Assert.Equal(HttpStatusCode.SeeOther, (await attacker.GetAsync("/")).StatusCode);
    }

    [Fact]
    public async Task Logging_out_takes_the_cookie_back()
    {
        using var visitor = new Visitor(_dashboard);
        await visitor.LogInAsync(DashboardUnderTest.Token);

        Assert.Equal(HttpStatusCode.SeeOther, (await visitor.PostAsync("/logout", "/")).StatusCode);

        Assert.Equal(HttpStatusCode.SeeOther, (await visitor.GetAsync("/")).StatusCode);
    }

    [Fact]
    public async Task The_cookie_opens_nothing_of_the_API()
    {
        using var visitor = new Visitor(_dashboard);
        await visitor.LogInAsync(DashboardUnderTest.Token);

        Assert.Equal(HttpStatusCode.Unauthorized, (await visitor.GetAsync("/ctrl/status")).StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, (await visitor.SendAsync(HttpMethod.Post, $"/ctrl/b/{_backend.Backend}/hard-terminate", null)).StatusCode);
    }

    [Theory]
    [InlineData("terminate")]
    [InlineData("kill")]
    [InlineData("revoke")]
    [InlineData("prevent-renew")]
    public async Task An_action_needs_the_login_and_a_form_of_this_browser(string action)
    {
        var path = $"/backends/{_backend.Backend}/{action}";
        using var stranger = new Visitor(_dashboard);
        Assert.Equal(HttpStatusCode.Unauthorized, (await stranger.SendAsync(HttpMethod.Post, path, [])).StatusCode);

        using var visitor = new Visitor(_dashboard);
        await visitor.LogInAsync(DashboardUnderTest.Token);
        using var other = new Visitor(_dashboard);
        await other.LogInAsync(DashboardUnderTest.Token);
        Assert.Equal(HttpStatusCode.BadRequest, (await visitor.SendAsync(HttpMethod.Post, path, [])).StatusCode);
        Assert.Equal(
            HttpStatusCode.BadRequest, (await visitor.SendAsync(HttpMethod.Post, path, new() { ["antiforgery"] = await other.AntiforgeryAsync(path) })).StatusCode);
        var before = await _dashboard.DescribeAsync(_backend);
        Assert.Equal(("ready", true), ((string)before["status"]!, (bool)before["allow_renew"]!));
        Assert.DoesNotContain(await _dashboard.Drone.ActionsAsync(), a => a.Kind == DroneActionKind.Terminate);

        Assert.Equal(HttpStatusCode.SeeOther, (await visitor.PostAsync(path, path)).StatusCode);
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/login")]
    [InlineData("/backends/no-such-backend")]
    [InlineData("/clusters/test.example:9090")]
    [InlineData("/backends?cursor=nonsense")]
    public async Task Every_page_is_kept_out_of_frames_and_runs_its_own_files_alone(string path)
    {
        using var visitor = new Visitor(_dashboard);
        await visitor.LogInAsync(DashboardUnderTest.Token);

        var answer = await visitor.GetAsync(path);

        var policy = Assert.Single(answer.Headers.GetValues("Content-Security-Policy"));
        Assert.Contains("default-src 'none'", policy, StringComparison.Ordinal);
        Assert.Contains("frame-ancestors 'none'", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("*", policy, StringComparison.Ordinal);
        Assert.Equal("DENY", Assert.Single(answer.Headers.GetValues("X-Frame-Options")));
        Assert.Equal("nosniff", Assert.Single(answer.Headers.GetValues("X-Content-Type-Options")));
        Assert.Contains("no-store", answer.Headers.CacheControl!.ToString(), StringComparison.Ordinal);
        var html = await answer.Content.ReadAsStringAsync();
        Assert.DoesNotContain(" style=", html, StringComparison.Ordinal);
        Assert.DoesNotMatch("(src|href)=\"(https?:)?//", html);
        Assert.DoesNotContain("Warning Microsoft.", _dashboard.Controller.Log.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task On_loopback_without_a_token_pages_of_other_sites_get_nothing()
    {
        await using var open = await DashboardUnderTest.StartAsync(withToken: false);
        Assert.Contains("Overview", (await open.Controller.GetAsync("/")).Expect(HttpStatusCode.OK).Text, StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Unauthorized, (await open.Controller.GetAsync("/", ("Sec-Fetch-Site", "cross-site"))).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await open.Controller.GetAsync("/data/backends", ("Origin", "http://evil.example"))).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await open.Controller.GetAsync("/", ("Host", "evil.example"))).Status);
        using var visitor = new Visitor(open);
        var backend = await open.SpawnAsync("open");
        Assert.Equal(HttpStatusCode.BadRequest, (await visitor.SendAsync(HttpMethod.Post, $"/backends/{backend.Backend}/kill", [])).StatusCode);
    }

    /// <summary>A browser as far as cookies and forms go.</summary>
    private sealed partial class Visitor(DashboardUnderTest dashboard) : IDisposable
    {
        private readonly HttpClient _http = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, UseProxy = false }) { BaseAddress = dashboard.Controller.Http.BaseAddress };

        public Dictionary<string, string> Cookies { get; } = [];

        public Task<HttpResponseMessage> GetAsync(string path) => SendAsync(HttpMethod.Get, path, null);

        public async Task<HttpResponseMessage> LogInAsync(string token, string to = "/") => await SendAsync(
            HttpMethod.Post, "/login", new() { ["antiforgery"] = await AntiforgeryAsync("/login"), ["token"] = token, ["to"] = to });

        public async Task<HttpResponseMessage> PostAsync(string path, string form) =>
            await SendAsync(HttpMethod.Post, path, new() { ["antiforgery"] = await AntiforgeryAsync(form) });

        public async Task<string> AntiforgeryAsync(string page) =>
            WebUtility.HtmlDecode(Field().Match(await (await GetAsync(page)).Content.ReadAsStringAsync()).Groups[1].Value);

        public async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, Dictionary<string, string>? form)
        {
            using var request = new HttpRequestMessage(method, path) { Content = form is null ? null : new FormUrlEncodedContent(form) };
            if (Cookies.Count > 0)
            {
                request.Headers.Add("Cookie", string.Join("; ", Cookies.Select(c => $"{c.Key}={c.Value}")));
            }

            var response = await _http.SendAsync(request);
            foreach (var cookie in response.Headers.TryGetValues("Set-Cookie", out var set) ? set : [])
            {
                var pair = cookie.Split(';')[0].Split('=', 2);
                Cookies.Remove(pair[0]);
                if (pair[1].Length > 0)
                {
                    Cookies[pair[0]] = pair[1];
                }
            }

            return response;
        }

        public void Dispose() => _http.Dispose();

        [GeneratedRegex("name=\"antiforgery\" value=\"([^\"]+)\"")]
        private static partial Regex Field();
    }
}
