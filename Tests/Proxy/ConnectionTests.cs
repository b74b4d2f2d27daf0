using System.Net;
using System.Net.WebSockets;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Plane.ProxyHost;
using Plane.ProxyHost.Connections;
using Plane.ProxyHost.Controller;
using Plane.Testing;

namespace Plane.Tests.Proxy;

/// <summary>What is open counts as use, and is cut when it must be.</summary>
public sealed class ConnectionTests
{
    [Fact]
    public async Task A_revoked_token_loses_its_open_web_socket_and_others_keep_theirs()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = await StreamingTests.EchoAsync();
        var revoked = proxy.Route(backend.Address);
        var kept = BearerToken.NewRandom();
        Route route = null!;
        proxy.Controller.Add(revoked, backend.Address, r => route = r with { User = "mallory" });
        proxy.Controller.Add(kept, backend.Address, _ => route with { User = "alice" });
        using var cut = await StreamingTests.OpenAsync(proxy, revoked);
        using var open = await StreamingTests.OpenAsync(proxy, kept);
        var ends = cut.ReceiveAsync(new byte[1], CancellationToken.None);

        proxy.Controller.Revoke(revoked);

        await Assert.ThrowsAsync<WebSocketException>(() => Eventually.EndsAsync(ends, "the socket is cut"));
        Assert.Equal(HttpStatusCode.Gone, (await proxy.Http.GetAsync($"/{revoked.Value}/")).StatusCode);
        await open.SendAsync("x"u8.ToArray(), WebSocketMessageType.Text, true, CancellationToken.None);
        Assert.Equal(1, (await Eventually.EndsAsync(open.ReceiveAsync(new byte[1], CancellationToken.None), "the echo")).Count);
    }

    [Fact]
    public async Task An_ended_backend_loses_what_is_open_and_its_routes()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = await StreamingTests.EchoAsync();
        var token = BearerToken.NewRandom();
        var route = proxy.Controller.Add(token, backend.Address);
        using var socket = await StreamingTests.OpenAsync(proxy, token);
        var ends = socket.ReceiveAsync(new byte[1], CancellationToken.None);
        proxy.Controller.State(route, BackendStatus.Terminated);
        await Assert.ThrowsAsync<WebSocketException>(() => Eventually.EndsAsync(ends, "the socket is cut"));
        Assert.Equal(HttpStatusCode.Gone, (await proxy.Http.GetAsync($"/{token.Value}/")).StatusCode);
    }

    [Fact]
    public async Task A_backend_that_is_ending_keeps_what_is_open_and_gets_nothing_new()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = await StreamingTests.EchoAsync();
        var token = BearerToken.NewRandom();
        var route = proxy.Controller.Add(token, backend.Address);
        using var socket = await StreamingTests.OpenAsync(proxy, token);
        proxy.Controller.State(route, BackendStatus.Terminating);
        await Eventually.SeenAsync(
            async cancel => (await proxy.Http.GetAsync($"/{token.Value}/", cancel)).StatusCode, s => s == HttpStatusCode.Gone, "new requests are refused");
        await socket.SendAsync("x"u8.ToArray(), WebSocketMessageType.Text, true, CancellationToken.None);
        Assert.Equal(1, (await Eventually.EndsAsync(socket.ReceiveAsync(new byte[1], CancellationToken.None), "the echo")).Count);
    }

    [Fact]
    public async Task A_token_revoked_unseen_loses_its_open_connection_when_reading_goes_on()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = await StreamingTests.EchoAsync();
        var token = proxy.Route(backend.Address);
        using var socket = await StreamingTests.OpenAsync(proxy, token);
        var ends = socket.ReceiveAsync(new byte[1], CancellationToken.None);
        proxy.Controller.ForgetSilently(token);
        proxy.Controller.NextPageHasGap = true;
        proxy.Controller.Wake();
        await Assert.ThrowsAsync<WebSocketException>(() => Eventually.EndsAsync(ends, "the socket is cut"));
    }

    [Fact]
    public async Task Reports_name_what_is_open_and_what_was_used_since_the_last()
    {
        await using var proxy = await TestProxy.StartAsync(o => o.ReportEvery = TimeSpan.FromMilliseconds(50));
        var release = new TaskCompletionSource();
        await using var backend = await WebBackend.StartAsync(async context =>
        {
            if (context.Request.Path == "/long")
            {
                await release.Task;
            }
        });
        var (brief, lasting) = (BearerToken.NewRandom(), BearerToken.NewRandom());
        var used = proxy.Controller.Add(brief, backend.Address).Backend;
        var open = proxy.Controller.Add(lasting, backend.Address).Backend;
        var waiting = proxy.Http.GetAsync($"/{lasting.Value}/long");
        await Eventually.TrueAsync(() => proxy.Status.OpenRequests == 1, "one request is open");
        await proxy.Http.GetAsync($"/{brief.Value}/");

        await Eventually.TrueAsync(() => proxy.Controller.Reports.Any(r => r.Contains(used)), "the used one is reported");
        proxy.Controller.Reports.Clear();
        await Eventually.TrueAsync(() => proxy.Controller.Reports.Count >= 4, "more reports");
        Assert.All(proxy.Controller.Reports.Skip(1), r => Assert.Equal([open], r));

        release.SetResult();
        await waiting;
        await Eventually.TrueAsync(() => proxy.Controller.Reports.Last().Length == 0, "nothing is reported any more");
    }

    [Fact]
    public async Task What_could_not_be_reported_is_reported_later()
    {
        await using var proxy = await TestProxy.StartAsync(o => o.ReportEvery = TimeSpan.FromMilliseconds(50));
        await using var backend = RawBackend.Answering();
        var token = BearerToken.NewRandom();
        var used = proxy.Controller.Add(token, backend.Address).Backend;
        await proxy.Http.GetStringAsync($"/{token.Value}/");
        proxy.Controller.IsAway = true;
        await proxy.Http.GetStringAsync($"/{token.Value}/");
        await Eventually.TrueAsync(() => proxy.Log.Lines.Any(l => l.Contains(" 6521 ", StringComparison.Ordinal)), "a report fails");
        proxy.Controller.Reports.Clear();
        proxy.Controller.IsAway = false;
        await Eventually.TrueAsync(() => proxy.Controller.Reports.Any(r => r.Contains(used)), "the use is reported");
    }

    /// <summary>A part that counted as the whole report's sign of life would have what the next one names ended as idle, were that to fail.</summary>
    [Fact]
    public async Task A_report_that_is_too_long_for_one_call_comes_in_parts_that_say_so()
    {
        await using var proxy = await TestProxy.StartAsync();
        var open = new OpenExchanges(proxy.Service<ProxyMetrics>());
        open.GiveBack(Enumerable.Range(1, ProxyReport.MaxBackends + 7).Select(i => new BackendIdentity(BackendName.NewRandom(), new FencingToken(i))));
        var controller = new FakeController();
        using var reporter = new UseReporter(
            proxy.Service<ProxyOptions>(), controller, open, proxy.Service<ControllerContact>(), TimeProvider.System, NullLogger<UseReporter>.Instance);

        await reporter.StartAsync(default);
        await Eventually.TrueAsync(() => controller.Parts.Count >= 2, "both parts are told");
        await reporter.StopAsync(default);

        Assert.Equal([(ProxyReport.MaxBackends, true), (7, false)], controller.Parts.Take(2));
    }

    [Fact]
    public async Task A_stopping_proxy_lets_open_requests_end_and_takes_no_new_ones()
    {
        // The report at the start is the only one before that at the end.
        var controller = new FakeController { ReportAgainAfter = TimeSpan.FromMinutes(5) };
        await using var proxy = await TestProxy.StartAsync(o => o.Drain = TimeSpan.FromMinutes(3), controller);
        await Eventually.TrueAsync(() => !controller.Reports.IsEmpty, "the first report");
        var release = new TaskCompletionSource();
        await using var backend = await WebBackend.StartAsync(async context =>
        {
            await release.Task;
            await context.Response.WriteAsync("done");
        });
        var token = BearerToken.NewRandom();
        var used = proxy.Controller.Add(token, backend.Address).Backend;
        var response = proxy.Http.GetStringAsync($"/{token.Value}/");
        await Eventually.TrueAsync(() => proxy.Status.OpenRequests == 1, "one request is open");

        var stopping = proxy.StopAsync();
        Assert.Equal("the proxy is stopping", proxy.Status.NotReadyBecause);
        await Eventually.SeenAsync(
            async _ =>
            {
                try
                {
                    using var client = await proxy.ConnectAsync();
                    return "accepted";
                }
                catch (System.Net.Sockets.SocketException e)
                {
                    return e.SocketErrorCode.ToString();
                }
            },
            seen => seen == "ConnectionRefused",
            "the listener is closed");
        Assert.False(stopping.IsCompleted);
        release.SetResult();
        Assert.Equal("done", await response);
        await Eventually.EndsAsync(stopping, "the proxy stops");
        Assert.Contains(used, proxy.Controller.Reports.Last());
    }

    [Fact]
    public async Task What_is_still_open_when_the_drain_is_over_is_cut()
    {
        await using var proxy = await TestProxy.StartAsync(o => o.Drain = TimeSpan.FromMilliseconds(200));
        await using var backend = await StreamingTests.EchoAsync();
        using var socket = await StreamingTests.OpenAsync(proxy, proxy.Route(backend.Address));
        var ends = socket.ReceiveAsync(new byte[1], CancellationToken.None);
        await Eventually.EndsAsync(proxy.StopAsync(), "the proxy stops");
        await Assert.ThrowsAsync<WebSocketException>(() => ends);
    }

    [Fact]
    public async Task Both_sides_have_tcp_keep_alive()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = await StreamingTests.EchoAsync();
        using var socket = await StreamingTests.OpenAsync(proxy, proxy.Route(backend.Address));

        // Column 6 of /proc/net/tcp: the timer; 02 is keep-alive (proc(5)).
        var (client, server) = (proxy.Port.ToString("X4", null), int.Parse(backend.Address.Split(':')[1], null).ToString("X4", null));
        await Eventually.SeenAsync(
            () => File.ReadAllLines("/proc/net/tcp").Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Where(l => l.Length > 5 && l[3] == "01").ToArray(),
            lines => lines.Any(l => l[1].EndsWith(":" + client, StringComparison.Ordinal) && l[5].StartsWith("02:", StringComparison.Ordinal))
                && lines.Any(l => l[2].EndsWith(":" + server, StringComparison.Ordinal) && l[5].StartsWith("02:", StringComparison.Ordinal)),
            "keep-alive timers run on the proxy's connections");
    }
}
