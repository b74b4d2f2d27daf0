using System.Net;
using System.Net.Sockets;
using Plane.DnsHost.Check;
using Plane.DnsHost.Protocol;
using Plane.Hosting.Running;
using Plane.Testing;

namespace Plane.Tests.Dns;

/// <summary>Sockets: who gets through, in which order, for how long.</summary>
public sealed class TransportTests
{
    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    [InlineData("::")]
    public async Task Both_transports_and_both_families_are_served(string host)
    {
        await using var server = await DnsServer.StartAsync(o => o.Host = [host]);
        server.Controller.Set("example.com", "v");
        IPAddress[] ways = host == "::" ? [IPAddress.Loopback, IPAddress.IPv6Loopback] : [IPAddress.Parse(host)];
        foreach (var way in ways)
        {
            foreach (var transport in (Transport[])[Transport.Udp, Transport.Tcp])
            {
                var outcome = await new RawDnsClient(TimeProvider.System, TimeSpan.FromSeconds(60)).AskAsync(
                    new IPEndPoint(way, server.At.Port), DomainName.Parse("example.com.acme.test"), RecordType.Txt, false, transport, default);
                Assert.True(outcome.Reply is { Answers.Count: 1 }, $"{way} {transport}: {outcome.Problem}");
            }
        }
    }

    [Fact]
    public async Task Several_addresses_share_one_port()
    {
        await using var server = await DnsServer.StartAsync(o => o.Host = ["127.0.0.1", "127.0.0.2", "::1"]);
        foreach (var address in (string[])["127.0.0.1", "127.0.0.2", "::1"])
        {
            var outcome = await new RawDnsClient(TimeProvider.System, TimeSpan.FromSeconds(60)).AskAsync(
                new IPEndPoint(IPAddress.Parse(address), server.At.Port), DomainName.Parse("acme.test"), RecordType.Soa, false, Transport.Udp, default);
            Assert.True(outcome.Reply is { Answers.Count: 1 }, $"{address}: {outcome.Problem}");
        }
    }

    [Fact]
    public async Task A_port_that_is_taken_is_said_so_and_what_to_look_at()
    {
        using var taken = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        taken.Listen();
        var port = ((IPEndPoint)taken.LocalEndPoint!).Port;
        var refused = await Assert.ThrowsAsync<StartRefusedException>(() => DnsServer.StartAsync(o => o.Port = port));
        Assert.Contains($"127.0.0.1:{port}: another program does", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Questions_of_one_connection_are_answered_without_waiting_for_each_other()
    {
        await using var server = await DnsServer.StartAsync();
        var late = new TaskCompletionSource<string[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        server.Controller.Read = (cluster, _) => cluster.Value == "late.example" ? late.Task : Task.FromResult<string[]>(["v"]);
        await using var stream = await server.TcpAsync();
        byte[] both =
        [
            .. Packet.Framed(Packet.Question(Packet.Name("late.example.acme.test"), RecordType.Txt, id: 1)),
            .. Packet.Framed(Packet.Question(Packet.Name("soon.example.acme.test"), RecordType.Txt, id: 2)),
            .. Packet.Framed(Packet.Question(Packet.Name("acme.test"), RecordType.Soa, id: 3)),
        ];

        // Octet by octet, as a network may cut them.
        foreach (var octet in both)
        {
            await stream.WriteAsync(new[] { octet });
        }

        ushort[] first = [(await Packet.ReadAsync(stream)).Id, (await Packet.ReadAsync(stream)).Id];
        Assert.Equal((ushort[])[2, 3], first.Order().ToArray());
        late.SetResult(["late"]);
        var reply = await Packet.ReadAsync(stream);
        Assert.Equal((1, "\"late\""), (reply.Id, Assert.Single(reply.Answers).Data));
    }

    [Fact]
    public async Task Answers_of_one_connection_that_become_known_together_arrive_each_whole()
    {
        const int Questions = 64;
        await using var server = await DnsServer.StartAsync(o => o.ControllerTimeout = TimeSpan.FromSeconds(10));
        var late = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        server.Controller.Read = async (cluster, _) =>
        {
            await late.Task;
            return [.. Enumerable.Range(0, 16).Select(i => $"{cluster.Value} {i} ".PadRight(200, 'x'))];
        };
        await using var stream = await server.TcpAsync();
        for (var i = 0; i < Questions; i++)
        {
            var question = Packet.Question(Packet.Name($"c{i}.example.acme.test"), RecordType.Txt, id: (ushort)i);
            await stream.WriteAsync(Packet.Framed(question));
        }

        await Eventually.TrueAsync(() => server.Controller.Asked == Questions, "all questions arrived");
        late.SetResult();
        var seen = new List<int>();
        for (var i = 0; i < Questions; i++)
        {
            var reply = await Packet.ReadAsync(stream);
            seen.Add(reply.Id);
            Assert.Equal(16, reply.Answers.Count);
            Assert.All(reply.Answers, a => Assert.StartsWith($"\"c{reply.Id}.example ", a.Data, StringComparison.Ordinal));
        }

        Assert.Equal(Enumerable.Range(0, Questions), seen.Order());
    }

    [Fact]
    public async Task A_peer_that_has_said_all_it_will_still_gets_its_answers()
    {
        await using var server = await DnsServer.StartAsync();
        var late = new TaskCompletionSource<string[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        server.Controller.Read = (_, _) => late.Task;
        await using var stream = await server.TcpAsync();
        await stream.WriteAsync(Packet.Framed(Packet.Question("late.example.acme.test", RecordType.Txt)));
        stream.Socket.Shutdown(SocketShutdown.Send);
        await Eventually.TrueAsync(() => server.Controller.Asked == 1, "the question arrived");
        late.SetResult(["v"]);
        Assert.Single((await Packet.ReadAsync(stream)).Answers);
        Assert.Equal(0, await Eventually.EndsAsync(stream.ReadAsync(new byte[1]).AsTask(), "the end of the connection"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("00")]
    [InlineData("0020ABCD")]
    public async Task A_connection_that_says_nothing_more_is_closed(string begun)
    {
        await using var server = await DnsServer.StartAsync(o => o.TcpIdle = TimeSpan.FromMilliseconds(200));
        await using var stream = await server.TcpAsync();
        await stream.WriteAsync(Convert.FromHexString(begun));
        Assert.Equal(0, await Eventually.EndsAsync(ReadEndAsync(stream), "the end of the connection"));
    }

    [Fact]
    public async Task Connections_over_the_limits_are_closed_and_room_comes_back()
    {
        await using var server = await DnsServer.StartAsync(o => (o.MaxConnections, o.MaxNetworkConnections) = (100, 3));
        var held = new List<NetworkStream>();
        for (var i = 0; i < 3; i++)
        {
            held.Add(await server.TcpAsync());
            await held[^1].WriteAsync(Packet.Framed(Packet.Question("acme.test", RecordType.Soa)));
            await Packet.ReadAsync(held[^1]);
        }

        await using (var beyond = await server.TcpAsync())
        {
            Assert.Equal(0, await Eventually.EndsAsync(ReadEndAsync(beyond), "the end of the connection beyond"));
        }

        await held[0].DisposeAsync();
        await Eventually.SeenAsync(
            _ => server.AskAsync("acme.test", RecordType.Soa, Transport.Tcp), r => r.Answers.Count == 1, "room again");
        foreach (var stream in held)
        {
            await stream.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_controller_that_is_away_or_silent_is_answered_with_servfail()
    {
        await using var server = await DnsServer.StartAsync(o => (o.ControllerTimeout, o.CacheFor) = (TimeSpan.FromMilliseconds(100), TimeSpan.Zero));
        server.Controller.Read = (_, _) => Task.FromException<string[]>(new TimeoutException("away"));
        Assert.Equal(ResponseCode.ServerFailure, (await server.AskAsync("example.com.acme.test", RecordType.Txt)).Code);
        server.Controller.Read = (_, t) => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, t).ContinueWith(_ => Array.Empty<string>(), TaskScheduler.Default);
        Assert.Equal(ResponseCode.ServerFailure, (await server.AskAsync("example.com.acme.test", RecordType.Txt)).Code);

        // What the controller has no part in is answered all the time.
        Assert.Equal(ResponseCode.NoError, (await server.AskAsync("acme.test", RecordType.Soa)).Code);
        Assert.Equal(ResponseCode.NoError, (await server.AskAsync("example.com.acme.test", RecordType.Caa)).Code);
        server.Controller.Read = (_, _) => Task.FromResult<string[]>(["back"]);
        await Eventually.SeenAsync(_ => server.AskAsync("example.com.acme.test", RecordType.Txt), r => r.Answers.Count == 1, "the controller is back");
    }

    [Fact]
    public async Task Values_are_kept_for_a_moment_and_asked_for_again_after_it()
    {
        await using var server = await DnsServer.StartAsync(o => o.CacheFor = TimeSpan.FromSeconds(1));
        server.Controller.Set("example.com", "first");
        await server.AskAsync("example.com.acme.test", RecordType.Txt);
        for (var i = 0; i < 50; i++)
        {
            await server.AskAsync("example.com.acme.test", RecordType.Txt);
        }

        // A busy machine may take some seconds for 50 questions, never one for each.
        Assert.InRange(server.Controller.Asked, 1, 25);
        server.Controller.Set("example.com", "second");
        await Eventually.SeenAsync(
            _ => server.AskAsync("example.com.acme.test", RecordType.Txt), r => r.Answers.Single().Data == "\"second\"", "the new value");
    }

    [Fact]
    public async Task Over_the_rate_limit_a_resolver_is_sent_to_tcp_and_gets_its_answer_there()
    {
        await using var server = await DnsServer.StartAsync(o => (o.RateLimit, o.RateSlip) = (5, 1));
        server.Controller.Set("example.com", "v");
        var truncated = await Eventually.SeenAsync(
            _ => server.AskAsync("example.com.acme.test", RecordType.Txt, Transport.Udp), r => r.IsTruncated, "a truncated answer");
        Assert.Empty(truncated.Answers);
        Assert.Single((await server.AskAsync("example.com.acme.test", RecordType.Txt, Transport.Any)).Answers);
    }

    [Fact]
    public async Task Stopping_ends_what_waits()
    {
        var server = await DnsServer.StartAsync(o => o.ControllerTimeout = TimeSpan.FromSeconds(1));
        var never = new TaskCompletionSource<string[]>(TaskCreationOptions.RunContinuationsAsynchronously);
        server.Controller.Read = (_, _) => never.Task;
        using var udp = server.Udp();
        await udp.SendAsync(Packet.Question("a.example.acme.test", RecordType.Txt));
        await using var tcp = await server.TcpAsync();
        await tcp.WriteAsync(Packet.Framed(Packet.Question("b.example.acme.test", RecordType.Txt)));
        await Eventually.TrueAsync(() => server.Controller.Asked == 2, "both questions arrived");
        await server.DisposeAsync();
    }

    private static async Task<int> ReadEndAsync(NetworkStream stream)
    {
        try
        {
            return await stream.ReadAsync(new byte[1]);
        }
        catch (IOException)
        {
            return 0;
        }
    }
}
