using System.Net;
using Plane.ProxyHost.Routes;
using Plane.Testing;

namespace Plane.Tests.Proxy;

/// <summary>How long a route is trusted without word from the change log.</summary>
public sealed class FreshnessTests
{
    [Fact]
    public async Task After_a_gap_a_route_is_checked_behind_its_request_and_serves_meanwhile()
    {
        await using var proxy = await TestProxy.StartAsync(o => o.ControllerWait = TimeSpan.FromMilliseconds(50));
        await using var first = RawBackend.Answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst");
        await using var second = RawBackend.Answering("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond");
        var token = BearerToken.NewRandom();
        var route = proxy.Controller.Add(token, first.Address);
        var path = $"/{token.Value}/";
        await proxy.Http.GetStringAsync(path);
        await BlindAsync(proxy, TimeSpan.FromSeconds(16));
        proxy.Controller.Add(token, second.Address, _ => route with { Address = second.Address });

        Assert.Equal("first", await proxy.Http.GetStringAsync(path));
        await Eventually.SeenAsync(cancel => proxy.Http.GetStringAsync(path, cancel), body => body == "second", "the check finds the other address");
    }

    [Fact]
    public async Task Within_the_gap_nothing_is_checked()
    {
        await using var proxy = await TestProxy.StartAsync(o => o.ControllerWait = TimeSpan.FromMilliseconds(50));
        await using var backend = RawBackend.Answering();
        var path = $"/{proxy.Route(backend.Address).Value}/";
        await proxy.Http.GetStringAsync(path);
        await BlindAsync(proxy, TimeSpan.FromSeconds(14));
        await proxy.Http.GetStringAsync(path);
        Assert.Equal(1, proxy.Controller.Resolves);
    }

    [Fact]
    public async Task A_proxy_that_was_blind_for_too_long_answers_503()
    {
        await using var proxy = await TestProxy.StartAsync(o =>
        {
            o.ControllerWait = TimeSpan.FromMilliseconds(50);
            o.UnknownRouteWait = TimeSpan.FromMilliseconds(100);
        });
        await using var backend = RawBackend.Answering();
        var path = $"/{proxy.Route(backend.Address).Value}/";
        await proxy.Http.GetStringAsync(path);
        proxy.Controller.IsAway = true;
        await BlindAsync(proxy, TimeSpan.FromSeconds(301));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await proxy.Http.GetAsync(path)).StatusCode);
        Assert.Single(backend.Requests);
    }

    [Fact]
    public async Task When_reading_goes_on_after_too_long_the_cache_starts_empty()
    {
        await using var proxy = await TestProxy.StartAsync(o => o.ControllerWait = TimeSpan.FromMilliseconds(50));
        await using var backend = RawBackend.Answering();
        var token = proxy.Route(backend.Address);
        await proxy.Http.GetStringAsync($"/{token.Value}/");
        await BlindAsync(proxy, TimeSpan.FromSeconds(301));
        proxy.Controller.ForgetSilently(token);
        proxy.Controller.ChangesFail = false;
        await Eventually.TrueAsync(() => proxy.Service<RouteCache>().Count == 0, "the cache is empty");
        Assert.Equal(HttpStatusCode.Gone, (await proxy.Http.GetAsync($"/{token.Value}/")).StatusCode);
    }

    [Fact]
    public async Task A_stale_answer_is_asked_for_again()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        var token = BearerToken.NewRandom();
        var route = proxy.Controller.Add(token, backend.Address);
        var old = proxy.Controller.Position;
        proxy.Controller.State(route, BackendStatus.Ready);
        proxy.Controller.Add(token, backend.Address, _ => route);
        var reads = proxy.Controller.Reads;
        await Eventually.TrueAsync(() => proxy.Controller.Reads > reads || proxy.Controller.Resolves > 0, "the change was read");
        proxy.Controller.OnResolve = (_, _, _) => Task.FromResult(new RouteReply
        {
            Outcome = RouteOutcome.Found,
            Route = route,
            ReadAt = proxy.Controller.Resolves == 1 ? old : proxy.Controller.Position,
        });
        Assert.Equal(HttpStatusCode.OK, (await proxy.Http.GetAsync($"/{token.Value}/")).StatusCode);
        Assert.Equal(2, proxy.Controller.Resolves);
    }

    [Fact]
    public async Task A_controller_that_only_has_stale_answers_is_503()
    {
        await using var proxy = await TestProxy.StartAsync();
        var token = BearerToken.NewRandom();
        var route = proxy.Controller.Add(token, "127.0.0.1:1");
        var old = proxy.Controller.Position;
        proxy.Controller.State(route, BackendStatus.Ready);
        var reads = proxy.Controller.Reads;
        await Eventually.TrueAsync(() => proxy.Controller.Reads > reads, "the change was read");
        proxy.Controller.OnResolve = (_, _, _) => Task.FromResult(new RouteReply { Outcome = RouteOutcome.Found, Route = route, ReadAt = old });
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await proxy.Http.GetAsync($"/{token.Value}/")).StatusCode);
    }

    // Stops the reading of changes, and lets time pass.
    private static async Task BlindAsync(TestProxy proxy, TimeSpan time)
    {
        proxy.Controller.ChangesFail = true;
        await Eventually.TrueAsync(() => proxy.Log.Lines.Any(l => l.Contains(" 6510 ", StringComparison.Ordinal)), "changes can't be read");
        proxy.Clock.Advance(time);
    }
}
