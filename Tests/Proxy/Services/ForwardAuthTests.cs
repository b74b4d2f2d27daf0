using System.Net;
using System.Net.WebSockets;

namespace Plane.Tests.Proxy;

/// <summary>A service whose visitors another web service lets in.</summary>
public sealed class ForwardAuthTests
{
    [Fact]
    public async Task What_it_lets_in_reaches_the_application_as_the_user_that_it_names()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        await using var auth = RawBackend.Answering("HTTP/1.1 200 OK\r\nx-verified-username: ada\r\nx-verified-user-data: { \"role\": \"editor\" }\r\nContent-Length: 0\r\n\r\n");
        using var service = Add(proxy, backend.Address, auth.Address);
        using var client = await proxy.ConnectAsync();

        var answer = await client.TalkAsync(
            $"POST /a%2Fb?c=d HTTP/1.1\r\nHost: {service.HostOf("room")}\r\nCookie: login=1; {TestService.Cookie}=x\r\nAuthorization: Basic eDp5\r\nX-Api-Key: 7\r\nX-Original-Path: /admin\r\n"
            + "x_original_uri: /admin\r\nX-Forwarded-User: root\r\nx-verified-username: root\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi");

        Assert.StartsWith("HTTP/1.1 200 ", answer, StringComparison.Ordinal);
        var question = Assert.Single(auth.Requests);
        Assert.StartsWith("POST /check?x=1 HTTP/1.1\r\n", question, StringComparison.Ordinal);
        foreach (var header in new[]
        {
            "Cookie: login=1", "Authorization: Basic eDp5", "X-Api-Key: 7", "x-original-method: POST", $"x-original-host: {service.HostOf("room")}", "x-original-path: /a%2Fb", "x-original-uri: /a%2Fb?c=d",
            "x-original-proto: http", "x-forwarded-for: 127.0.0.1", "x-forwarded-uri: /a%2Fb?c=d", $"Host: {auth.Address}",
        })
        {
            Assert.Contains($"\r\n{header}\r\n", question, StringComparison.OrdinalIgnoreCase);
        }

        Assert.DoesNotContain("/admin", question, StringComparison.Ordinal);
        Assert.DoesNotContain("root", question, StringComparison.Ordinal);
        Assert.DoesNotContain(TestService.Cookie, question, StringComparison.Ordinal);
        Assert.DoesNotContain("\r\n\r\nhi", question, StringComparison.Ordinal);

        var request = Assert.Single(backend.Requests);
        Assert.Contains("\r\nx-verified-username: ada\r\n", request, StringComparison.Ordinal);
        Assert.Contains("\r\nx-verified-user-data: {\"role\":\"editor\"}\r\n", request, StringComparison.Ordinal);
        Assert.Contains("\r\nAuthorization: Basic eDp5\r\n", request, StringComparison.Ordinal);
        Assert.EndsWith("\r\n\r\nhi", request, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_web_socket_over_http_2_is_asked_for_as_the_get_that_it_is()
    {
        await using var proxy = await TestProxy.StartAsync(o => o.PriorKnowledgeHttp2 = true);
        await using var backend = await StreamingTests.EchoAsync();
        await using var auth = RawBackend.Answering();
        using var service = Add(proxy, backend.Address, auth.Address);
        using var socket = new ClientWebSocket { Options = { HttpVersion = HttpVersion.Version20, HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact } };
        socket.Options.SetRequestHeader("Host", service.HostOf("room"));
        using var invoker = new HttpMessageInvoker(new SocketsHttpHandler { UseProxy = false });
        await socket.ConnectAsync(new Uri($"ws://127.0.0.1:{proxy.Port}/"), invoker, CancellationToken.None);
        var question = Assert.Single(auth.Requests);
        Assert.StartsWith("GET /check?x=1 ", question, StringComparison.Ordinal);
        Assert.Contains("x-original-method: GET\r\n", question, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("401 Unauthorized\r\nWWW-Authenticate: Basic realm=x", 401, "Unauthorized")]
    [InlineData("403 Forbidden", 403, "Forbidden")]
    [InlineData("404 Not Found", 403, "Forbidden")]
    [InlineData("500 Oops", 502, "ForwardAuthUnavailable")]
    [InlineData("302 Found", 502, "ForwardAuthUnavailable")]
    [InlineData("200 OK\r\nx-verified-user-data: [1]", 502, "ForwardAuthUnavailable")]
    [InlineData("200 OK\r\nx-verified-user-data: nonsense", 502, "ForwardAuthUnavailable")]
    public async Task What_it_refuses_starts_nothing(string head, int status, string kind)
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        await using var auth = RawBackend.Answering($"HTTP/1.1 {head}\r\nContent-Length: 6\r\n\r\nsecret");
        using var service = Add(proxy, backend.Address, auth.Address);
        using var response = await service.SendAsync();
        Assert.Equal((status, kind), ((int)response.StatusCode, await TestService.KindAsync(response)));
        Assert.Equal(head.Contains("Basic", StringComparison.Ordinal), response.Headers.WwwAuthenticate.ToString().Contains("Basic", StringComparison.Ordinal));
        Assert.Empty(service.Fake.Entries);
        Assert.Empty(backend.Requests);
    }

    [Fact]
    public async Task It_may_lead_to_a_login()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var auth = RawBackend.Answering(
            $"HTTP/1.1 302 Found\r\nLocation: https://login.example/?back=x\r\nSet-Cookie: state=1; HttpOnly\r\nSet-Cookie: {TestService.Cookie}=stolen\r\nContent-Length: 0\r\n\r\n");
        using var service = Add(proxy, null, auth.Address);
        using var response = await service.SendAsync();
        Assert.Equal((HttpStatusCode.Found, "https://login.example/?back=x"), (response.StatusCode, response.Headers.Location?.OriginalString));
        Assert.Equal("state=1; HttpOnly", Assert.Single(response.Headers.GetValues("Set-Cookie")));
        Assert.True(response.Headers.CacheControl?.NoStore);
    }

    [Fact]
    public async Task An_answer_stands_for_the_same_question_and_for_no_other()
    {
        await using var proxy = await TestProxy.StartAsync(o => o.ForwardAuthCache = TimeSpan.FromMinutes(1));
        await using var backend = RawBackend.Answering();
        await using var auth = RawBackend.Answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        using var service = Add(proxy, backend.Address, auth.Address);
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal("200", await service.KindAsync(null));
        }

        Assert.Single(auth.Requests);
        Assert.Equal("200", await service.KindAsync(null, path: "/other"));
        Assert.Equal("200", await service.KindAsync(null, "another"));
        Assert.Equal("200", await service.KindAsync(null, headers: ("Authorization", "Basic eDp6")));
        Assert.Equal("200", await service.KindAsync(null, headers: ("Cookie", "login=2")));
        Assert.Equal("200", await service.KindAsync(null, headers: ("X-Api-Key", "8")));
        using var post = await service.SendAsync(method: HttpMethod.Delete);
        Assert.Equal(7, auth.Requests.Count);
    }

    [Fact]
    public async Task An_answer_that_is_not_to_be_stored_is_not()
    {
        await using var proxy = await TestProxy.StartAsync(o => o.ForwardAuthCache = TimeSpan.FromMinutes(1));
        await using var backend = RawBackend.Answering();
        await using var auth = RawBackend.Answering("HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 0\r\n\r\n");
        using var service = Add(proxy, backend.Address, auth.Address);
        Assert.Equal("200", await service.KindAsync(null));
        Assert.Equal("200", await service.KindAsync(null));
        Assert.Equal(2, auth.Requests.Count);
    }

    [Fact]
    public async Task One_that_does_not_answer_lets_nobody_in()
    {
        await using var proxy = await TestProxy.StartAsync(o => o.ForwardAuthTimeout = TimeSpan.FromMilliseconds(100));
        await using var hanging = await WebBackend.StartAsync(context => Task.Delay(Timeout.Infinite, context.RequestAborted));
        using var service = Add(proxy, null, hanging.Address);
        Assert.Equal("ForwardAuthUnavailable", await service.KindAsync(null));
        Assert.Contains(proxy.Log.Lines, l => l.Contains("6585", StringComparison.Ordinal) && l.Contains("no answer within", StringComparison.Ordinal));

        using var gone = new TestService(proxy, "gone");
        gone.Fake.Set("gone", ServiceAccess.ByForwardAuth($"http://127.0.0.1:{Testing.FreePort.Next()}/"));
        Assert.Equal("ForwardAuthUnavailable", await gone.KindAsync(null));
        Assert.Empty(service.Fake.Entries);
    }

    private static TestService Add(TestProxy proxy, string? backend, string auth)
    {
        var service = new TestService(proxy);
        service.Fake.Address = backend;
        service.Fake.Set("board", ServiceAccess.ByForwardAuth($"http://{auth}/check?x=1"));
        return service;
    }
}
