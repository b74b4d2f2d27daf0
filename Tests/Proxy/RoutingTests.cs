using System.Net;
using System.Text.Json;
using Plane.Testing;

namespace Plane.Tests.Proxy;

/// <summary>Which request gets which status.</summary>
public sealed class RoutingTests
{
    [Fact]
    public async Task A_token_leads_to_its_backend()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        var response = await proxy.Http.GetAsync($"/{proxy.Route(backend.Address).Value}/hello");
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("ok", await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Each_token_leads_to_its_own_backend()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var one = RawBackend.Answering("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none");
        await using var two = RawBackend.Answering("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo");
        var (first, second) = (proxy.Route(one.Address), proxy.Route(two.Address));
        for (var i = 0; i < 10; i++)
        {
            Assert.Equal("one", await proxy.Http.GetStringAsync($"/{first.Value}/"));
            Assert.Equal("two", await proxy.Http.GetStringAsync($"/{second.Value}/"));
        }
    }

    [Theory]
    [InlineData(TerminationReason.StartupTimeout, "did not answer HTTP in time")]
    [InlineData(TerminationReason.InternalError, "could not be started")]
    [InlineData(null, "it exited")]
    public async Task A_request_that_waits_for_a_backend_that_never_becomes_ready_is_told_why(TerminationReason? reason, string why)
    {
        await using var proxy = await TestProxy.StartAsync();
        var token = BearerToken.NewRandom();
        var end = new TaskCompletionSource();
        proxy.Controller.OnResolve = async (_, wait, c) =>
        {
            if (wait > TimeSpan.Zero)
            {
                await end.Task.WaitAsync(c);
            }

            return end.Task.IsCompleted
                ? new RouteReply { Outcome = RouteOutcome.Gone, ReadAt = proxy.Controller.Position, NeverReady = true, Reason = reason }
                : new RouteReply { Outcome = RouteOutcome.Starting, ReadAt = proxy.Controller.Position };
        };
        var waiting = proxy.Http.GetAsync($"/{token.Value}/");
        await Eventually.TrueAsync(() => proxy.Controller.Resolves >= 2, "the request waits");
        end.SetResult();
        for (var i = 0; i < 2; i++)
        {
            // The second one by what is remembered of the first.
            using var response = await Eventually.EndsAsync(i == 0 ? waiting : proxy.Http.GetAsync($"/{token.Value}/"), "the answer");
            var error = JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement;
            Assert.Equal((HttpStatusCode.BadGateway, "NeverReady"), (response.StatusCode, error.GetProperty("kind").GetString()));
            Assert.Contains(why, error.GetProperty("message").GetString(), StringComparison.Ordinal);
        }
    }

    /// <summary>It would show its sender the headers that are the backend's alone.</summary>
    [Fact]
    public async Task Nothing_is_traced_through_to_a_backend()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();

        using var request = new HttpRequestMessage(HttpMethod.Trace, $"/{proxy.Route(backend.Address).Value}/");
        var response = await proxy.Http.SendAsync(request);

        Assert.Equal(HttpStatusCode.NotImplemented, response.StatusCode);
        Assert.Empty(backend.Requests);
    }

    [Fact]
    public async Task The_root_is_redirected_where_the_options_say()
    {
        await using var proxy = await TestProxy.StartAsync(o => o.RootRedirectUrl = "https://example.com/start");
        var response = await proxy.Http.GetAsync("/");
        Assert.Equal(HttpStatusCode.MovedPermanently, response.StatusCode);
        Assert.Equal("https://example.com/start", response.Headers.Location?.ToString());
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/?q=1")]
    public async Task The_root_is_400_where_they_say_nothing(string path)
    {
        await using var proxy = await TestProxy.StartAsync();
        Assert.Equal(HttpStatusCode.BadRequest, (await proxy.Http.GetAsync(path)).StatusCode);
    }

    [Theory]
    [InlineData("cluster.test:4321", 200)]
    [InlineData("CLUSTER.Test:4321", 200)]
    [InlineData("room.cluster.test:4321", 403)]
    [InlineData("a.b.cluster.test:4321", 403)]
    [InlineData("cluster.test", 403)]
    [InlineData("cluster.test:443", 403)]
    [InlineData("cluster.test:14321", 403)]
    [InlineData("cluster.test.:4321", 403)]
    [InlineData("evilcluster.test:4321", 403)]
    [InlineData(".cluster.test:4321", 403)]
    [InlineData("-.cluster.test:4321", 403)]
    [InlineData("other.test:4321", 403)]
    [InlineData("127.0.0.1", 403)]
    [InlineData("", 403)]
    public async Task Without_a_subdomain_a_backend_answers_under_the_clusters_name_alone(string host, int status)
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        using var client = await proxy.ConnectAsync();
        var answer = await client.TalkAsync($"GET /{proxy.Route(backend.Address).Value}/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        Assert.StartsWith($"HTTP/1.1 {status} ", answer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("example.com", "example.com", true)]
    [InlineData("example.com", "example.com:443", true)]
    [InlineData("example.com", "a.example.com:443", true)]
    [InlineData("example.com", "example.com:80", false)]
    [InlineData("example.com:443", "example.com", true)]
    [InlineData("localhost:9090", "localhost:9090", true)]
    [InlineData("localhost:9090", "localhost", false)]
    public void A_443_is_ignored_and_another_port_must_match(string cluster, string host, bool matches) =>
        Assert.Equal(matches, new Plane.ProxyHost.Forwarding.HostMatcher(ClusterName.Parse(cluster)).Matches(host, out _));

    [Theory]
    [InlineData("room.cluster.test:4321", HttpStatusCode.OK)]
    [InlineData("ROOM.cluster.test:4321", HttpStatusCode.OK)]
    [InlineData("cluster.test:4321", HttpStatusCode.Forbidden)]
    [InlineData("other.cluster.test:4321", HttpStatusCode.Forbidden)]
    [InlineData("a.room.cluster.test:4321", HttpStatusCode.Forbidden)]
    public async Task A_backend_with_a_subdomain_answers_only_under_it(string host, HttpStatusCode status)
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        var token = proxy.Route(backend.Address, r => r with { Subdomain = "room" });
        for (var i = 0; i < 2; i++)
        {
            // Once from the controller, once from the cache.
            using var request = new HttpRequestMessage(HttpMethod.Get, $"/{token.Value}/") { Headers = { Host = host } };
            Assert.Equal(status, (await proxy.Http.SendAsync(request)).StatusCode);
        }
    }

    [Theory]
    [InlineData("/favicon.ico")]
    [InlineData("//")]
    [InlineData("/%41AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/")]
    [InlineData("/x.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/")]
    [InlineData("/s.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA!/")]
    public async Task A_path_without_a_token_is_404_and_says_so_without_asking_the_controller(string path)
    {
        await using var proxy = await TestProxy.StartAsync();
        using var client = await proxy.ConnectAsync();
        var answer = await client.TalkAsync($"GET {path} HTTP/1.1\r\nHost: {TestProxy.Cluster}\r\nConnection: close\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 404 ", answer, StringComparison.Ordinal);
        Assert.Contains("the path has no token", answer, StringComparison.Ordinal);
        Assert.Equal(0, proxy.Controller.Resolves);
    }

    [Fact]
    public async Task An_unknown_token_is_gone_and_not_asked_for_again_at_once()
    {
        await using var proxy = await TestProxy.StartAsync(o => o.NegativeAnswer = TimeSpan.FromMinutes(1));
        var path = $"/{BearerToken.NewRandom().Value}/";
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal(HttpStatusCode.Gone, (await proxy.Http.GetAsync(path)).StatusCode);
        }

        Assert.Equal(1, proxy.Controller.Resolves);
    }

    [Fact]
    public async Task A_token_of_another_cluster_is_gone()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        var token = proxy.Route(backend.Address, r => r with { Cluster = ClusterName.Parse("other.test") });
        Assert.Equal(HttpStatusCode.Gone, (await proxy.Http.GetAsync($"/{token.Value}/")).StatusCode);
        Assert.Empty(backend.Requests);
    }

    [Fact]
    public async Task A_request_to_a_starting_backend_waits_until_it_is_ready()
    {
        await using var proxy = await TestProxy.StartAsync(o => o.ControllerWait = TimeSpan.FromMilliseconds(50));
        await using var backend = RawBackend.Answering();
        var token = BearerToken.NewRandom();
        proxy.Controller.AddStarting(token);
        var response = proxy.Http.GetAsync($"/{token.Value}/");
        await Eventually.TrueAsync(() => proxy.Controller.Resolves >= 3, "the proxy asks again and again");
        Assert.False(response.IsCompleted);
        proxy.Controller.Ready(token, backend.Address);
        Assert.Equal(HttpStatusCode.OK, (await Eventually.EndsAsync(response, "the request is forwarded")).StatusCode);
    }

    [Fact]
    public async Task A_look_up_ends_when_the_client_leaves()
    {
        await using var proxy = await TestProxy.StartAsync();
        var cancelled = new TaskCompletionSource();
        var asked = new TaskCompletionSource();
        proxy.Controller.OnResolve = async (_, _, cancel) =>
        {
            asked.TrySetResult();
            using var registered = cancel.Register(() => cancelled.TrySetResult());
            await Task.Delay(Timeout.Infinite, cancel);
            throw new InvalidOperationException();
        };
        using (var client = await proxy.ConnectAsync())
        {
            await client.Connection.WriteAsync($"GET /{BearerToken.NewRandom().Value}/ HTTP/1.1\r\nHost: {TestProxy.Cluster}\r\n\r\n");
            await Eventually.EndsAsync(asked.Task, "the controller is asked");
        }

        await Eventually.EndsAsync(cancelled.Task, "the call is cancelled");
    }

    [Fact]
    public async Task Concurrent_requests_of_a_token_ask_once()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        var token = proxy.Route(backend.Address);
        var answer = new TaskCompletionSource<RouteReply>();
        proxy.Controller.OnResolve = (_, _, _) => answer.Task;
        var responses = Enumerable.Range(0, 20).Select(_ => proxy.Http.GetAsync($"/{token.Value}/")).ToArray();
        await Eventually.TrueAsync(() => proxy.Controller.Resolves > 0, "the controller is asked");
        var route = proxy.Controller.Add(token, backend.Address);
        answer.SetResult(new RouteReply { Outcome = RouteOutcome.Found, Route = route, ReadAt = proxy.Controller.Position });
        Assert.All(await Task.WhenAll(responses), r => Assert.Equal(HttpStatusCode.OK, r.StatusCode));
        Assert.Equal(1, proxy.Controller.Resolves);
    }

    [Theory]
    [InlineData("", "text/html,*/*;q=0.8", "/")]
    [InlineData("?a=b", "text/html", "/?a=b")]
    [InlineData("", "*/*", null)]
    [InlineData("/", "text/html", null)]
    [InlineData("/page", "text/html", null)]
    public async Task A_browser_at_a_sessions_url_without_its_slash_is_sent_to_the_one_with_it(string rest, string accept, string? to)
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        var token = proxy.Route(backend.Address);
        using var browser = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false }) { BaseAddress = proxy.Http.BaseAddress };
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/{token.Value}{rest}");
        request.Headers.Add("Accept", accept);
        request.Headers.Host = proxy.Http.DefaultRequestHeaders.Host;
        using var response = await browser.SendAsync(request);
        Assert.Equal(to is null ? HttpStatusCode.OK : HttpStatusCode.Found, response.StatusCode);
        Assert.Equal(to is null ? null : $"/{token.Value}{to}", response.Headers.Location?.ToString());
    }

    [Fact]
    public async Task Without_a_controller_known_routes_work_and_unknown_ones_are_503_after_a_while()
    {
        await using var proxy = await TestProxy.StartAsync(o => o.UnknownRouteWait = TimeSpan.FromMilliseconds(300));
        await using var backend = RawBackend.Answering();
        var token = proxy.Route(backend.Address);
        await proxy.Http.GetStringAsync($"/{token.Value}/");
        proxy.Controller.IsAway = true;
        Assert.Equal(HttpStatusCode.OK, (await proxy.Http.GetAsync($"/{token.Value}/")).StatusCode);
        var unknown = await proxy.Http.GetAsync($"/{BearerToken.NewRandom().Value}/");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, unknown.StatusCode);
        Assert.NotNull(unknown.Headers.RetryAfter);
    }

    [Fact]
    public async Task A_look_up_that_gets_no_answer_is_repeated_another_way()
    {
        await using var proxy = await TestProxy.StartAsync(o => o.UnknownRouteWait = TimeSpan.FromMinutes(1));
        await using var backend = RawBackend.Answering();
        var token = proxy.Route(backend.Address);
        proxy.Controller.OnResolve = async (_, _, cancellationToken) =>
        {
            // As a gateway that took the call with it. The next one is answered as always.
            proxy.Controller.OnResolve = null;
            await Task.Delay(Timeout.Infinite, cancellationToken);
            throw new InvalidOperationException("never");
        };
        Assert.Equal(HttpStatusCode.OK, (await proxy.Http.GetAsync($"/{token.Value}/")).StatusCode);
        Assert.Equal([0, 1], proxy.Controller.Attempts);
    }

    [Fact]
    public async Task A_request_that_waited_for_the_controller_is_served_when_it_comes_back()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        var token = proxy.Route(backend.Address);
        proxy.Controller.IsAway = true;
        var response = proxy.Http.GetAsync($"/{token.Value}/");
        await Eventually.TrueAsync(() => proxy.Controller.Resolves >= 2, "the proxy asks again");
        proxy.Controller.IsAway = false;
        Assert.Equal(HttpStatusCode.OK, (await response).StatusCode);
    }

    [Fact]
    public async Task A_call_that_hangs_is_given_up_in_time()
    {
        await using var proxy = await TestProxy.StartAsync(o => o.UnknownRouteWait = TimeSpan.FromMilliseconds(300));
        proxy.Controller.OnResolve = (_, _, _) => new TaskCompletionSource<RouteReply>().Task;
        var response = proxy.Http.GetAsync($"/{BearerToken.NewRandom().Value}/");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await Eventually.EndsAsync(response, "503")).StatusCode);
    }

    [Fact]
    public async Task Ready_follows_the_controller_on_any_host()
    {
        await using var proxy = await TestProxy.StartAsync(controller: new FakeController { IsAway = true });
        Assert.Contains("has not answered yet", await Ready(HttpStatusCode.ServiceUnavailable), StringComparison.Ordinal);
        proxy.Controller.IsAway = false;
        await Eventually.SeenAsync(() => proxy.Status.NotReadyBecause, why => why is null, "the proxy is ready");
        await Ready(HttpStatusCode.OK);
        proxy.Controller.IsAway = true;
        proxy.Controller.Wake();
        await Eventually.SeenAsync(
            () =>
            {
                proxy.Clock.Advance(TimeSpan.FromSeconds(16));
                return proxy.Status.NotReadyBecause;
            },
            why => why is not null,
            "the proxy is no longer ready");
        Assert.Contains("does not answer", await Ready(HttpStatusCode.ServiceUnavailable), StringComparison.Ordinal);

        async Task<string> Ready(HttpStatusCode status)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/ready") { Headers = { Host = "10.0.0.1" } };
            var response = await proxy.Http.SendAsync(request);
            Assert.Equal(status, response.StatusCode);
            return await response.Content.ReadAsStringAsync();
        }
    }

    [Fact]
    public async Task A_path_named_ready_is_the_applications_on_a_host_of_its_own()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        Assert.Equal(HttpStatusCode.OK, await BrowserSession.Add(proxy, backend.Address).StatusAsync("/ready?a=1"));
        Assert.StartsWith("GET /ready?a=1 ", Assert.Single(backend.Requests), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Programs_get_errors_as_json_and_people_as_a_page()
    {
        await using var proxy = await TestProxy.StartAsync();
        var path = $"/{BearerToken.NewRandom().Value}/";
        var forPrograms = await proxy.Http.GetAsync(path);
        Assert.Equal("application/json", forPrograms.Content.Headers.ContentType?.MediaType);
        Assert.True(forPrograms.Headers.CacheControl?.NoStore);
        Assert.Equal("*", Assert.Single(forPrograms.Headers.GetValues("access-control-allow-origin")));
        using var json = JsonDocument.Parse(await forPrograms.Content.ReadAsStringAsync());
        Assert.Equal("Gone", json.RootElement.GetProperty("kind").GetString());
        Assert.NotEmpty(json.RootElement.GetProperty("id").GetString()!);
        Assert.NotEmpty(json.RootElement.GetProperty("message").GetString()!);

        using var request = new HttpRequestMessage(HttpMethod.Get, path) { Headers = { { "Accept", "text/html,*/*;q=0.8" } } };
        var page = await (await proxy.Http.SendAsync(request)).Content.ReadAsStringAsync();
        Assert.Contains("This session has ended", page, StringComparison.Ordinal);
        Assert.DoesNotContain(path.Trim('/'), page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_answer_to_head_has_no_body()
    {
        await using var proxy = await TestProxy.StartAsync();
        using var client = await proxy.ConnectAsync();
        var answer = await client.TalkAsync($"HEAD /nothing HTTP/1.1\r\nHost: {TestProxy.Cluster}\r\nConnection: close\r\n\r\n");
        Assert.EndsWith("\r\n\r\n", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_token_reaches_a_log_at_any_level()
    {
        await using var proxy = await TestProxy.StartAsync(o => o.UnknownRouteWait = TimeSpan.FromMilliseconds(100));
        await using var backend = RawBackend.Answering();
        var known = BearerToken.NewStatic();
        proxy.Controller.Add(known, backend.Address);
        var refused = proxy.Route("127.0.0.1:1");
        var unknown = BearerToken.NewRandom();
        await proxy.Http.GetAsync($"/{known.Value}/?q={known.Value}");
        await proxy.Http.GetAsync($"/{refused.Value}/");
        await proxy.Http.GetAsync($"/{unknown.Value}/");
        await proxy.Http.GetAsync($"/.plane/enter?token={unknown.Value}&to=/");
        proxy.Controller.IsAway = true;
        await proxy.Http.GetAsync($"/{BearerToken.NewRandom().Value[..40]}abc/");
        using var client = await proxy.ConnectAsync();
        await client.TalkAsync($"GET /{known.Value}/\u0001 HTTP/1.1\r\nHost: {TestProxy.Cluster}\r\nBad header\r\n\r\n");
        Assert.NotEmpty(proxy.Log.Lines);
        foreach (var token in new[] { known, refused, unknown })
        {
            Assert.DoesNotContain(proxy.Log.Lines, line => line.Contains(token.Value, StringComparison.Ordinal));
        }
    }
}
