using System.Diagnostics.Metrics;
using System.Net;

namespace Plane.Tests.Proxy;

/// <summary>What makes an application behind a token in its path work: prefix, cookies, service workers, CORS, and answers that say what is wrong.</summary>
public sealed class PathTokenTests
{
    [Fact]
    public async Task A_backend_that_sees_the_token_is_told_of_no_prefix()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        var token = BearerToken.NewStatic();
        proxy.Controller.Add(token, backend.Address);
        await proxy.Http.GetStringAsync($"/{token.Value}/");
        Assert.DoesNotContain("x-forwarded-prefix", Assert.Single(backend.Requests), StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("a=1", "a=1")]
    [InlineData("a=1; Path=/", "a=1; Path=/TOKEN")]
    [InlineData("a=1; path = /x ; HttpOnly", "a=1; Path=/TOKEN/x; HttpOnly")]
    [InlineData("a=1; HttpOnly; Path=/x/y; Secure", "a=1; HttpOnly; Path=/TOKEN/x/y; Secure")]
    [InlineData("a=1; Path=/; Path=/b", "a=1; Path=/TOKEN; Path=/TOKEN/b")]
    [InlineData("a=1; Path=", "a=1; Path=")]
    [InlineData("a=1; Path=x", "a=1; Path=x")]
    [InlineData("a=1; Path=/TOKEN/x", "a=1; Path=/TOKEN/x")]
    [InlineData("a=1; Path=/TOKENx", "a=1; Path=/TOKEN/TOKENx")]
    [InlineData("a=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "a=; Path=/TOKEN; Expires=Thu, 01 Jan 1970 00:00:00 GMT")]
    [InlineData("__Host-a=1; Secure; Path=/", "__Host-a=1; Secure; Path=/")]
    [InlineData("pathfinder=/; Max-Age=1", "pathfinder=/; Max-Age=1")]
    public async Task Cookies_of_a_session_stay_below_its_token(string set, string seen)
    {
        await using var proxy = await TestProxy.StartAsync();
        var token = BearerToken.NewRandom();
        await using var backend = RawBackend.Answering($"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: {set.Replace("TOKEN", token.Value, StringComparison.Ordinal)}\r\n\r\n");
        proxy.Controller.Add(token, backend.Address);
        using var response = await proxy.Http.GetAsync($"/{token.Value}/");
        Assert.Equal(seen.Replace("TOKEN", token.Value, StringComparison.Ordinal), Assert.Single(response.Headers.GetValues("Set-Cookie")));
    }

    [Fact]
    public async Task Cookies_of_a_backend_that_sees_the_token_stay_as_they_are()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: a=1; Path=/\r\n\r\n");
        var token = BearerToken.NewStatic();
        proxy.Controller.Add(token, backend.Address);
        using var response = await proxy.Http.GetAsync($"/{token.Value}/");
        Assert.Equal("a=1; Path=/", Assert.Single(response.Headers.GetValues("Set-Cookie")));
    }

    [Theory]
    [InlineData("/", "/TOKEN/")]
    [InlineData("/app/", "/TOKEN/app/")]
    [InlineData("/TOKEN/", "/TOKEN/")]
    [InlineData("/TOKEN/app/", "/TOKEN/app/")]
    [InlineData("/TOKEN/../", null)]
    [InlineData("/TOKEN/%2e%2e/", null)]
    [InlineData("/TOKEN/..%2f", null)]
    [InlineData("../", null)]
    [InlineData("./", null)]
    [InlineData("\\", null)]
    [InlineData("https://other.example/", null)]
    [InlineData("//other.example/", "/TOKEN//other.example/")]
    [InlineData("/?x", null)]
    public async Task A_service_worker_reaches_no_further_than_its_session(string allowed, string? seen)
    {
        await using var proxy = await TestProxy.StartAsync();
        var token = BearerToken.NewRandom();
        await using var backend = RawBackend.Answering(
            $"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nService-Worker-Allowed: {allowed.Replace("TOKEN", token.Value, StringComparison.Ordinal)}\r\n\r\n");
        proxy.Controller.Add(token, backend.Address);
        using var response = await proxy.Http.GetAsync($"/{token.Value}/sw.js");
        Assert.Equal(
            seen?.Replace("TOKEN", token.Value, StringComparison.Ordinal),
            response.Headers.TryGetValues("Service-Worker-Allowed", out var values) ? Assert.Single(values) : null);
    }

    [Theory]
    [InlineData("/", false)]
    [InlineData("/TOKEN/", true)]
    public async Task A_service_worker_of_a_backend_that_sees_the_token_stays_below_it(string allowed, bool passes)
    {
        await using var proxy = await TestProxy.StartAsync();
        var token = BearerToken.NewStatic();
        await using var backend = RawBackend.Answering(
            $"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nService-Worker-Allowed: {allowed.Replace("TOKEN", token.Value, StringComparison.Ordinal)}\r\n\r\n");
        proxy.Controller.Add(token, backend.Address);
        using var response = await proxy.Http.GetAsync($"/{token.Value}/sw.js");
        Assert.Equal(passes, response.Headers.Contains("Service-Worker-Allowed"));
    }

    [Theory]
    [InlineData("HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\nContent-Length: 0\r\n\r\n")]
    [InlineData("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nSet-Cookie: a=1\r\n\r\nnope")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")]
    public async Task A_preflight_is_answered_for_a_backend_that_knows_nothing_of_cors(string answer)
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering(answer);
        using var response = await PreflightAsync(proxy, proxy.Route(backend.Address), "https://a.example");
        Assert.Equal((HttpStatusCode.NoContent, ""), (response.StatusCode, await response.Content.ReadAsStringAsync()));
        Assert.Equal("*", Assert.Single(response.Headers.GetValues("Access-Control-Allow-Origin")));
        Assert.Equal("*", Assert.Single(response.Headers.GetValues("Access-Control-Allow-Methods")));
        Assert.False(response.Headers.Contains("Access-Control-Allow-Credentials"));
        Assert.False(response.Headers.Contains("Set-Cookie"));
    }

    [Theory]
    [InlineData("Access-Control-Allow-Origin: https://a.example\r\n")]
    [InlineData("Access-Control-Allow-Methods: GET\r\n")]
    public async Task A_backend_that_answers_preflights_is_left_to_itself(string header)
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering($"HTTP/1.1 403 Forbidden\r\n{header}Content-Length: 2\r\n\r\nno");
        using var response = await PreflightAsync(proxy, proxy.Route(backend.Address), "https://a.example");
        Assert.Equal((HttpStatusCode.Forbidden, "no"), (response.StatusCode, await response.Content.ReadAsStringAsync()));
        Assert.Single(response.Headers, h => h.Key.StartsWith("Access-Control-", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public async Task An_ordinary_options_request_is_the_backends()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering("HTTP/1.1 200 OK\r\nAllow: GET\r\nContent-Length: 2\r\n\r\nok");
        using var request = new HttpRequestMessage(HttpMethod.Options, $"/{proxy.Route(backend.Address).Value}/");
        using var response = await proxy.Http.SendAsync(request);
        Assert.Equal((HttpStatusCode.OK, "ok"), (response.StatusCode, await response.Content.ReadAsStringAsync()));
    }

    [Theory]
    [InlineData("https://app.example.com", true)]
    [InlineData("https://operator.example", true)]
    [InlineData("https://other.example", false)]
    public async Task Credentials_are_for_origins_that_the_operator_or_the_spawn_config_allows(string origin, bool allowed)
    {
        await using var proxy = await TestProxy.StartAsync(o => o.AllowedOrigins = ["https://operator.example"]);
        await using var backend = RawBackend.Answering();
        var token = proxy.Route(backend.Address, r => r with { Web = new WebSettings { AllowedOrigins = ["https://app.example.com"] } });
        using var preflight = await PreflightAsync(proxy, token, origin);
        using var request = new HttpRequestMessage(HttpMethod.Put, $"/{token.Value}/") { Headers = { { "Origin", origin } } };
        using var response = await proxy.Http.SendAsync(request);
        foreach (var answer in new[] { preflight, response })
        {
            Assert.Equal(allowed ? origin : "*", Assert.Single(answer.Headers.GetValues("Access-Control-Allow-Origin")));
            Assert.Equal(allowed, answer.Headers.Contains("Access-Control-Allow-Credentials"));
        }

        Assert.Equal(allowed ? "x-a" : "*, Authorization", Assert.Single(preflight.Headers.GetValues("Access-Control-Allow-Headers")));
    }

    [Theory]
    [InlineData("/favicon.ico", false)]
    [InlineData("/apple-touch-icon-120x120.png", false)]
    [InlineData("/robots.txt", false)]
    [InlineData("/.well-known/appspecific/com.chrome.devtools.json", false)]
    [InlineData("/_next/static/x.js", true)]
    public async Task What_browsers_ask_each_host_for_is_not_counted_as_an_error(string path, bool counted)
    {
        await using var proxy = await TestProxy.StartAsync();
        var errors = 0L;
        var meters = proxy.Service<IMeterFactory>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, l) =>
            {
                if (instrument.Name == "plane.proxy.errors" && instrument.Meter.Scope == meters)
                {
                    l.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((_, value, _, _) => Interlocked.Add(ref errors, value));
        listener.Start();
        using var response = await proxy.Http.GetAsync(path);
        Assert.Equal((HttpStatusCode.NotFound, counted ? 1 : 0), (response.StatusCode, Interlocked.Read(ref errors)));
    }

    private static async Task<HttpResponseMessage> PreflightAsync(TestProxy proxy, BearerToken token, string origin)
    {
        using var request = new HttpRequestMessage(HttpMethod.Options, $"/{token.Value}/api")
        {
            Headers = { { "Origin", origin }, { "Access-Control-Request-Method", "PUT" }, { "Access-Control-Request-Headers", "x-a" } },
        };
        return await proxy.Http.SendAsync(request);
    }
}
