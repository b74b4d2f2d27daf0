using System.Net;
using System.Net.WebSockets;
using Plane.ProxyHost.Services;
using Plane.Testing;

namespace Plane.Tests.Proxy;

/// <summary>A service's URL starts its backend on request, once, and leads to the next one when that has ended.</summary>
public sealed class ServiceWakeTests
{
    [Fact]
    public async Task A_thousand_requests_at_once_to_a_sleeping_key_start_one_backend()
    {
        await using var proxy = await TestProxy.StartAsync();
        var asked = 0;

        // With pooled buffers: other tests of this process measure its memory.
        await using var backend = await WebBackend.StartAsync(context =>
        {
            Interlocked.Increment(ref asked);
            return Task.CompletedTask;
        });
        using var service = TestService.Public(proxy);

        var requests = Enumerable.Range(0, 1_000).Select(_ => service.StatusAsync(null)).ToArray();
        await Eventually.TrueAsync(() => proxy.Status.OpenRequests == 0 && service.Fake.Started == 1, "the backend is being started");
        service.Fake.Ready("room", backend.Address);

        Assert.All(await Eventually.EndsAsync(Task.WhenAll(requests), "all are answered"), status => Assert.Equal(HttpStatusCode.OK, status));
        Assert.Equal(1, service.Fake.Started);
        Assert.Single(service.Fake.Entries);
        Assert.Equal(1_000, asked);
    }

    [Fact]
    public async Task A_known_route_costs_the_controller_nothing()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        using var service = TestService.Signed(proxy, backend.Address);
        Assert.Equal(HttpStatusCode.OK, await service.StatusAsync(service.Token()));
        var (reads, resolves, entries) = (service.Fake.Reads, proxy.Controller.Resolves, service.Fake.Entries.Count);

        // Another visitor, whose token this proxy has never seen, is none of the controller's business either.
        for (var i = 0; i < 20; i++)
        {
            Assert.Equal(HttpStatusCode.OK, await service.StatusAsync(service.Token(with: c => c["sub"] = $"user-{i}")));
        }

        Assert.Equal((reads, resolves, entries), (service.Fake.Reads, proxy.Controller.Resolves, service.Fake.Entries.Count));
    }

    [Fact]
    public async Task The_next_request_after_a_backends_end_wakes_another()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var first = RawBackend.Answering();
        await using var second = RawBackend.Answering();
        using var service = TestService.Public(proxy, first.Address);
        Assert.Equal(HttpStatusCode.OK, await service.StatusAsync(null));

        service.Fake.Address = second.Address;
        service.Fake.End("room");
        await Eventually.SeenAsync(async _ => { await service.StatusAsync(null); return second.Requests.Count; }, count => count > 0, "the second backend is asked");
        Assert.Equal(2, service.Fake.Started);
    }

    [Fact]
    public async Task A_backend_that_ended_between_route_and_request_is_replaced_for_that_request()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var second = RawBackend.Answering();
        using var service = TestService.Public(proxy);
        await using (var first = RawBackend.Answering())
        {
            service.Fake.Address = first.Address;
            Assert.Equal(HttpStatusCode.OK, await service.StatusAsync(null));
        }

        // The proxy has heard nothing of its end; the connection is refused, and the controller knows more.
        var entered = Assert.Single(service.Fake.Entries).Token;
        proxy.Controller.ForgetSilently(entered);
        service.Fake.Forget("room");
        service.Fake.Address = second.Address;
        Assert.Equal(HttpStatusCode.OK, await service.StatusAsync(null));
        Assert.Single(second.Requests);
    }

    [Fact]
    public async Task A_holder_that_is_ending_is_waited_for_and_its_successor_found()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        using var service = TestService.Public(proxy, backend.Address);
        var ending = new BackendIdentity(BackendName.NewRandom(), new FencingToken(7));
        var isOver = false;
        service.Fake.OnEnter = command => Task.FromResult(Volatile.Read(ref isOver) ? null : FakeServices.Entered(command, ending, new KeyConfig { Name = "room" }, BackendStatus.Terminating));

        var request = service.StatusAsync(null);
        await Eventually.TrueAsync(() => service.Fake.Entries.Count > 6, "the key is asked for again and again");
        Assert.False(request.IsCompleted);
        Volatile.Write(ref isOver, true);
        Assert.Equal(HttpStatusCode.OK, await Eventually.EndsAsync(request, "the successor answers"));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("document")]
    public async Task A_backend_that_takes_no_more_connections_while_it_ends_is_waited_for_and_its_successor_found(string? destination)
    {
        await using var proxy = await TestProxy.StartAsync(o => o.StartingPageAfter = TimeSpan.FromMilliseconds(50));
        await using var second = RawBackend.Answering();
        using var service = TestService.Public(proxy);
        await using (var first = RawBackend.Answering())
        {
            service.Fake.Address = first.Address;
            Assert.Equal(HttpStatusCode.OK, await service.StatusAsync(null));
        }

        // As a program that closes its listener when it is asked to end, and then saves what it has.
        var entered = Assert.Single(service.Fake.Entries).Token;
        proxy.Controller.OnResolve = (token, _, _) =>
        {
            var answer = proxy.Controller.Answer(token);
            return Task.FromResult(token == entered && answer.Route is { } route ? answer with { Route = route with { Status = BackendStatus.Terminating } } : answer);
        };
        service.Fake.Address = second.Address;
        var asked = proxy.Controller.Resolves;
        async Task<HttpStatusCode> AskAsync()
        {
            using var response = await service.SendAsync(
                headers: destination is null ? [] : [("Accept", "text/html"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", destination)]);
            return response.StatusCode;
        }

        var request = AskAsync();
        if (destination is null)
        {
            await Eventually.TrueAsync(() => proxy.Controller.Resolves > asked, "the controller is asked where the backend is");
            service.Fake.End("room");
            Assert.Equal(HttpStatusCode.OK, await Eventually.EndsAsync(request, "the successor answers"));
        }
        else
        {
            // The page that follows the status.
            Assert.Equal(HttpStatusCode.ServiceUnavailable, await request);
            service.Fake.End("room");
            await Eventually.SeenAsync(_ => AskAsync(), status => status == HttpStatusCode.OK, "the successor answers");
        }

        Assert.Equal(2, service.Fake.Started);
    }

    [Theory]
    [InlineData(TerminationReason.Lost, HttpStatusCode.OK)]
    [InlineData(TerminationReason.KeyExpired, HttpStatusCode.OK)]
    [InlineData(TerminationReason.External, HttpStatusCode.OK)]
    [InlineData(TerminationReason.InternalError, HttpStatusCode.BadGateway)]
    [InlineData(TerminationReason.StartupTimeout, HttpStatusCode.BadGateway)]
    [InlineData(null, HttpStatusCode.BadGateway)]
    public async Task A_backend_that_was_lost_while_it_started_is_replaced_and_one_that_failed_is_an_answer(TerminationReason? reason, HttpStatusCode expected)
    {
        await using var proxy = await TestProxy.StartAsync(o => o.ControllerWait = TimeSpan.FromMilliseconds(100));
        await using var backend = RawBackend.Answering();
        using var service = TestService.Public(proxy);
        var request = service.StatusAsync(null);
        await Eventually.TrueAsync(() => service.Fake.Started == 1, "a backend is being started");
        var lost = Assert.Single(service.Fake.Entries).Token;
        service.Fake.Address = backend.Address;
        proxy.Controller.OnResolve = (token, _, _) => token == lost
            ? Task.FromResult(new RouteReply { Outcome = RouteOutcome.Gone, NeverReady = true, Reason = reason, ReadAt = proxy.Controller.Position })
            : Task.FromResult(proxy.Controller.Answer(token));
        service.Fake.Forget("room");
        proxy.Controller.Wake();
        Assert.Equal(expected, await Eventually.EndsAsync(request, "the request is answered"));

        // Either way the next one starts from anew.
        Assert.Equal(HttpStatusCode.OK, await service.StatusAsync(null));
    }

    [Theory]
    [InlineData(ErrorKind.ServiceFull, "ServiceFull", 503, 7, "7")]
    [InlineData(ErrorKind.CrashLoop, "CrashLoop", 503, 30, "30")]
    [InlineData(ErrorKind.WakeLimited, "WakeLimited", 429, 2, "2")]
    [InlineData(ErrorKind.NoDroneAvailable, "NoDroneAvailable", 503, null, "5")]
    [InlineData(ErrorKind.KeysHeldOff, "Unavailable", 503, 9, "9")]
    [InlineData(ErrorKind.DatabaseError, "Unavailable", 503, null, "5")]
    [InlineData(ErrorKind.Other, "NotStartable", 502, null, null)]
    [InlineData(ErrorKind.KeyHeld, "NotStartable", 502, null, null)]
    public async Task A_refusal_is_said_in_the_visitors_words_and_with_its_time(ErrorKind refusal, string kind, int status, int? retryAfter, string? header)
    {
        await using var proxy = await TestProxy.StartAsync();
        using var service = TestService.Public(proxy);
        service.Fake.OnEnter = _ => Task.FromResult<EnterReply?>(FakeServices.Refused(refusal, retryAfter is { } s ? TimeSpan.FromSeconds(s) : null));

        using var response = await service.SendAsync();
        Assert.Equal((kind, status), (await TestService.KindAsync(response), (int)response.StatusCode));
        Assert.Equal(header, response.Headers.RetryAfter?.ToString());
        Assert.DoesNotContain("not for visitors", await response.Content.ReadAsStringAsync(), StringComparison.Ordinal);

        using var page = await service.SendAsync(headers: ("Accept", "text/html"));
        var text = await page.Content.ReadAsStringAsync();
        Assert.Equal(kind is "ServiceFull" or "CrashLoop" or "WakeLimited" or "NoDroneAvailable", text.Contains($"<meta http-equiv=\"refresh\" content=\"{header}\">", StringComparison.Ordinal));
        Assert.DoesNotContain("not for visitors", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_refusal_is_asked_for_once_in_a_moment()
    {
        await using var proxy = await TestProxy.StartAsync(o => o.NegativeAnswer = TimeSpan.FromMinutes(1));
        using var service = TestService.Public(proxy);
        service.Fake.OnEnter = _ => Task.FromResult<EnterReply?>(FakeServices.Refused(ErrorKind.ServiceFull));
        for (var i = 0; i < 10; i++)
        {
            Assert.Equal("ServiceFull", await service.KindAsync(null));
        }

        Assert.Single(service.Fake.Entries);
        Assert.Equal("ServiceFull", await service.KindAsync(null, "another"));
    }

    [Fact]
    public async Task A_hashed_label_is_known_by_its_url_or_by_the_token_that_names_its_key()
    {
        await using var proxy = await TestProxy.StartAsync(o => o.NegativeAnswer = TimeSpan.FromMinutes(1));
        await using var backend = RawBackend.Answering();
        using var service = TestService.Signed(proxy, backend.Address);
        var key = new KeyConfig { Name = "Raum 1", Namespace = "team" };
        var label = ServiceLabel.Of(ServiceName.Parse("board"), key);
        var anyOfTeam = service.Token(null, c => { c["keys"] = "*"; c["namespace"] = "team"; });
        var anyOfOthers = service.Token(null, c => { c["keys"] = "*"; c["namespace"] = "others"; });
        var named = service.Token("Raum 1", c => c["namespace"] = "team");

        // No controller has heard of the key; a token that names its beginning does not name it.
        Assert.Equal("NotFound", await service.KindAsync(anyOfTeam, label));
        Assert.Equal("200", await service.KindAsync(named, label));
        Assert.Equal(key, service.Fake.Entries.Last().Key);
        Assert.Equal("200", await service.KindAsync(anyOfTeam, label));
        Assert.Equal("TokenForbidden", await service.KindAsync(anyOfOthers, label));
        Assert.Single(service.Fake.Entries, e => e.Key is not null);
    }

    [Fact]
    public async Task A_key_that_the_token_does_not_open_is_not_entered_by_its_hash()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        using var service = TestService.Signed(proxy, backend.Address);
        var label = service.Fake.Know("board", new KeyConfig { Name = "Raum 1" });
        Assert.Equal("TokenForbidden", await service.KindAsync(service.Token(null, c => c["keys"] = "Room*"), label));
        Assert.Equal(0, service.Fake.Started);
        Assert.Empty(backend.Requests);
        Assert.Equal("200", await service.KindAsync(service.Token(null, c => c["keys"] = "Ra*"), label));
    }

    [Fact]
    public async Task An_entry_whose_answer_is_lost_is_repeated_as_the_same()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        using var service = TestService.Public(proxy, backend.Address);
        var lost = 2;
        service.Fake.OnEnter = _ => Interlocked.Decrement(ref lost) >= 0 ? throw new TimeoutException("lost") : Task.FromResult<EnterReply?>(null);
        Assert.Equal(HttpStatusCode.OK, await service.StatusAsync(null));
        var entries = service.Fake.Entries.ToArray();
        Assert.Equal(3, entries.Length);
        Assert.All(entries, e => Assert.Equal((entries[0].Token, entries[0].BackendId, entries[0].SecretToken), (e.Token, e.BackendId, e.SecretToken)));
    }

    [Fact]
    public async Task Without_a_controller_a_sleeping_key_is_unavailable_and_known_sessions_go_on()
    {
        await using var proxy = await TestProxy.StartAsync(o => o.UnknownRouteWait = TimeSpan.FromMilliseconds(200));
        await using var backend = RawBackend.Answering();
        using var service = TestService.Public(proxy, backend.Address);
        Assert.Equal(HttpStatusCode.OK, await service.StatusAsync(null));
        proxy.Controller.IsAway = true;
        Assert.Equal(HttpStatusCode.OK, await service.StatusAsync(null));
        Assert.Equal("Unavailable", await service.KindAsync(null, "asleep"));
        proxy.Controller.IsAway = false;
        Assert.Equal("200", await service.KindAsync(null, "asleep"));
    }

    [Fact]
    public async Task A_revoked_token_of_the_proxys_is_drawn_anew_and_what_was_open_is_cut()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = await StreamingTests.EchoAsync();
        using var service = TestService.Public(proxy, backend.Address);
        using var socket = await SignedEntryTests.OpenAsync(proxy, service, null);
        proxy.Controller.Revoke(Assert.Single(service.Fake.Entries).Token);
        await Assert.ThrowsAsync<WebSocketException>(() => Eventually.EndsAsync(socket.ReceiveAsync(new byte[1], CancellationToken.None), "the socket is cut"));
        using var again = await SignedEntryTests.OpenAsync(proxy, service, null);
        Assert.Equal(2, service.Fake.Entries.Count);
        Assert.Equal(1, service.Fake.Started);
    }

    [Fact]
    public async Task What_is_open_on_a_services_host_is_reported_as_use()
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = await StreamingTests.EchoAsync();
        using var service = TestService.Public(proxy, backend.Address);
        using var socket = await SignedEntryTests.OpenAsync(proxy, service, null);
        var before = proxy.Controller.Reports.Count;
        await Eventually.TrueAsync(
            () => proxy.Controller.Reports.Skip(before).Take(3).ToArray() is { Length: 3 } later && later.All(r => r.Length == 1), "each report names the backend");
    }

    [Theory]
    [InlineData("nobody--", "room", "nosuch")]
    [InlineData("", "room", "nosuch")]
    public async Task A_host_of_no_service_is_like_any_other(string prefix, string label, string name)
    {
        await using var proxy = await TestProxy.StartAsync(o => o.NegativeAnswer = TimeSpan.FromMinutes(1));
        await using var backend = RawBackend.Answering();
        var session = BrowserSession.Add(proxy, backend.Address, $"{prefix}{label}--{name}");
        Assert.Equal(HttpStatusCode.OK, await session.StatusAsync());
        Assert.Equal(HttpStatusCode.OK, await session.StatusAsync($"/{session.Token.Value}/", cookie: ""));
        Assert.Equal(HttpStatusCode.Unauthorized, await session.StatusAsync(cookie: ""));

        // That there is none is asked for once in a moment.
        Assert.Equal(1, proxy.Controller.Services.Reads);
    }

    [Fact]
    public async Task A_session_whose_host_looks_like_a_services_is_served_while_no_controller_answers()
    {
        await using var proxy = await TestProxy.StartAsync(o => o.NegativeAnswer = TimeSpan.FromTicks(1));
        await using var backend = RawBackend.Answering();
        var session = BrowserSession.Add(proxy, backend.Address, "team--a");
        Assert.Equal(HttpStatusCode.OK, await session.StatusAsync());
        proxy.Controller.Services.OnRead = _ => new TaskCompletionSource<ServiceAccessInfo?>().Task;
        Assert.Equal(HttpStatusCode.OK, await session.StatusAsync());
        Assert.Equal(1, proxy.Controller.Services.Reads);
    }

    [Fact]
    public async Task A_service_that_is_made_later_takes_its_hosts()
    {
        await using var proxy = await TestProxy.StartAsync(o => o.NegativeAnswer = TimeSpan.FromMinutes(1));
        await using var backend = RawBackend.Answering();
        using var service = new TestService(proxy);
        service.Fake.Address = backend.Address;
        Assert.Equal("Unauthorized", await service.KindAsync(null));
        service.Fake.Set("board", ServiceAccess.Public);
        await Eventually.SeenAsync(async _ => await service.KindAsync(null), kind => kind == "200", "the service is there");
    }

    [Theory]
    [InlineData("203.0.113.77", "203.0.113.0/24")]
    [InlineData("::ffff:203.0.113.77", "203.0.113.0/24")]
    [InlineData("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48")]
    [InlineData("::1", "::/48")]
    public void Starts_are_counted_by_the_visitors_network(string address, string network) => Assert.Equal(network, ClientNetwork.Of(IPAddress.Parse(address)));

    [Fact]
    public async Task Visitors_of_another_network_are_not_refused_for_those_of_one()
    {
        await using var proxy = await TestProxy.StartAsync(o =>
        {
            o.TrustedProxies = ["127.0.0.1/32"];
            o.NegativeAnswer = TimeSpan.FromMinutes(1);
        });
        await using var backend = RawBackend.Answering();
        using var service = TestService.Public(proxy, backend.Address);
        service.Fake.OnEnter = command => Task.FromResult(command.ClientNetwork == "203.0.113.0/24" ? FakeServices.Refused(ErrorKind.WakeLimited) : null);
        Assert.Equal("WakeLimited", await service.KindAsync(null, headers: ("X-Forwarded-For", "203.0.113.9")));
        Assert.Equal("WakeLimited", await service.KindAsync(null, headers: ("X-Forwarded-For", "203.0.113.10")));
        Assert.Equal("200", await service.KindAsync(null, headers: ("X-Forwarded-For", "198.51.100.1")));
    }

    [Theory]
    [InlineData("ROOM--BOARD.cluster.test:4321")]
    [InlineData("Room--board.CLUSTER.test:4321")]
    public async Task Hosts_compare_without_case(string host)
    {
        await using var proxy = await TestProxy.StartAsync();
        await using var backend = RawBackend.Answering();
        using var service = TestService.Signed(proxy, backend.Address);
        using var client = await proxy.ConnectAsync();
        var answer = await client.TalkAsync($"GET / HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {service.Token()}\r\nConnection: close\r\n\r\n");
        Assert.StartsWith("HTTP/1.1 200 ", answer, StringComparison.Ordinal);
        Assert.Equal("room", Assert.Single(service.Fake.Entries).Label);
    }

    [Fact]
    public void One_wildcard_certificate_covers_every_session_of_every_service()
    {
        var names = new Plane.ProxyHost.Tls.CertificateNames(["example.com", "*.example.com"]);
        var key = new KeyConfig { Name = new string('ü', 200), Namespace = "team" };
        foreach (var host in new[] { ServiceLabel.HostOf(ServiceName.Parse("board"), "room", ClusterName.Parse("example.com")), new Uri(ServiceLabel.UrlOf(ServiceName.Parse("a-service-of-thirty-characters"), key, ClusterName.Parse("example.com"))).Host })
        {
            Assert.True(names.Cover(host), host);
        }
    }
}
