using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Orleans;
using Orleans.Configuration;
using Orleans.Gateway;
using Orleans.Hosting;

namespace Plane.Tests.Engine.Embedded;

public sealed class WireTests
{
    [Theory]
    [InlineData("")]
    [InlineData("not json")]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("[1]")]
    [InlineData("[\"hello\"]")]
    [InlineData("[\"hello\",1,\"0123456789abcdef\",5,6]")]
    [InlineData("[\"c\",1,\"tests.IProbe\",\"Peek\",\"k\",1000,[]]")]
    [InlineData("[[[[[[[[")]
    public async Task A_malformed_greeting_is_closed_with_a_reason(string greeting)
    {
        await using var silo = await GatewayHost.StartAsync();
        using var socket = await silo.ConnectAsync();
        await GatewayHost.SendAsync(socket, greeting);
        if (greeting.StartsWith("[\"hello\",1,\"0", StringComparison.Ordinal))
        {
            // The names are looked at after the proof.
            Assert.NotNull(await GatewayHost.ReceiveAsync(socket));
            await GatewayHost.SendAsync(socket, "[\"proof\",\"\"]");
        }

        Assert.Contains("malformed", await GatewayHost.ClosedAsync(socket), StringComparison.Ordinal);
        await silo.Log.LoggedAsync(7033);
    }

    [Theory]
    [InlineData("not json", "malformed")]
    [InlineData("{\"a\":1}", "malformed")]
    [InlineData("[\"c\"]", "malformed")]
    [InlineData("[\"c\",-1,\"tests.IProbe\",\"Peek\",\"k\",1000,[]]", "malformed")]
    [InlineData("[\"c\",1,\"tests.IProbe\",\"Peek\",\"k\",1000]", "malformed")]
    [InlineData("[\"c\",1,\"tests.IProbe\",\"Peek\",\"k\",1000,[]", "malformed")]
    [InlineData("[\"c\",1,\"tests.IProbe\",\"Peek\",\"k\",1000,[],[]]", "malformed")]
    [InlineData("[\"c\",1,7,\"Peek\",\"k\",1000,[]]", "malformed")]
    [InlineData("[\"c\",1,\"tests.IEcho\",\"Text\",\"k\",1000,[\"\\ud800\"", "malformed")]
    [InlineData("[\"launch\",1]", "unknown frame")]
    public async Task A_malformed_frame_closes_the_connection_with_a_reason(string frame, string reason)
    {
        await using var silo = await GatewayHost.StartAsync();
        using var socket = await silo.JoinAsync();
        await GatewayHost.SendAsync(socket, frame);
        Assert.Contains(reason, await GatewayHost.ClosedAsync(socket), StringComparison.Ordinal);
        await silo.Log.LoggedAsync(7032);
        await StillServesAsync(silo);
    }

    [Theory]
    [InlineData("[\"c\",9,\"tests.INobody\",\"Peek\",\"k\",1000,[]]")]
    [InlineData("[\"c\",9,\"tests.IProbe\",\"Nothing\",\"k\",1000,[]]")]
    [InlineData("[\"c\",9,\"tests.IProbe\",\"Peek\",\" \",1000,[]]")]
    [InlineData("[\"c\",9,\"tests.IProbe\",\"Peek\",\"k\",1000,[1]]")]
    [InlineData("[\"c\",9,\"tests.IProbe\",\"Spin\",\"k\",1000,[]]")]
    [InlineData("[\"c\",9,\"tests.IProbe\",\"Spin\",\"k\",1000,[\"many\"]]")]
    [InlineData("[\"c\",9,\"tests.IProbe\",\"Spin\",\"k\",1000,[null]]")]
    [InlineData("[\"c\",9,\"tests.IEcho\",\"Name\",\"k\",1000,[\"NOT A NAME\"]]")]
    [InlineData("[\"c\",9,\"tests.IEcho\",\"Shape\",\"k\",1000,[{\"$type\":\"System.IO.FileInfo\"}]]")]
    [InlineData("[\"c\",9,\"tests.IEcho\",\"Everything\",\"k\",1000,[{\"Colour\":4}]]")]
    [InlineData("[\"c\",9,\"tests.IEcho\",\"Everything\",\"k\",1000,[{\"Colour\":\"Red\"}]]")]
    [InlineData("[\"c\",9,\"tests.IEcho\",\"Everything\",\"k\",1000,[{\"Colour\":4294967299}]]")]
    public async Task A_call_that_cannot_be_read_is_refused_alone(string frame)
    {
        await using var silo = await GatewayHost.StartAsync();
        using var socket = await silo.JoinAsync();
        await GatewayHost.SendAsync(socket, frame);
        var answer = await GatewayHost.ReceiveAsync(socket);
        Assert.Equal(("e", 9, "rejected"), (answer![0].GetString(), answer[1].GetInt32(), answer[2].GetString()));
        await GatewayHost.SendAsync(socket, "[\"c\",10,\"tests.IProbe\",\"Peek\",\"k\",1000,[]]");
        Assert.Equal("r", (await GatewayHost.ReceiveAsync(socket))![0].GetString());
    }

    [Fact]
    public async Task Several_frames_in_one_message_are_all_served()
    {
        await using var silo = await GatewayHost.StartAsync();
        using var socket = await silo.JoinAsync();
        await GatewayHost.SendAsync(socket, string.Join('\n', Enumerable.Range(1, 50).Select(i => $"[\"c\",{i},\"tests.IProbe\",\"Peek\",\"k\",1000,[]]")));
        var seen = new HashSet<int>();
        var buffer = new byte[1 << 16];
        while (seen.Count < 50)
        {
            var result = await socket.ReceiveAsync(buffer, default).WaitAsync(TimeSpan.FromSeconds(90));
            foreach (var line in Encoding.UTF8.GetString(buffer, 0, result.Count).Split('\n').Where(l => l.StartsWith("[\"r\"", StringComparison.Ordinal)))
            {
                seen.Add(System.Text.Json.JsonSerializer.Deserialize<System.Text.Json.JsonElement[]>(line)![1].GetInt32());
            }
        }
    }

    [Fact]
    public async Task A_binary_message_closes_the_connection()
    {
        await using var silo = await GatewayHost.StartAsync();
        using var socket = await silo.JoinAsync();
        await socket.SendAsync(new byte[] { 1, 2, 3 }, WebSocketMessageType.Binary, true, default);
        Assert.Contains("not a text", await GatewayHost.ClosedAsync(socket), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_oversized_message_closes_the_connection()
    {
        await using var silo = await GatewayHost.StartAsync();
        using var socket = await silo.JoinAsync();
        var piece = new byte[1 << 20];
        Array.Fill(piece, (byte)' ');
        try
        {
            for (var i = 0; i < 20; i++)
            {
                await socket.SendAsync(piece, WebSocketMessageType.Text, endOfMessage: false, default).WaitAsync(TimeSpan.FromSeconds(90));
            }
        }
        catch (WebSocketException)
        {
            // Cut while it was still sending: as good.
            Assert.NotEqual(WebSocketState.Open, socket.State);
        }

        await silo.Log.LoggedAsync(7032);
        await StillServesAsync(silo);
    }

    [Fact]
    public async Task A_message_too_large_to_send_fails_its_call_and_keeps_the_connection()
    {
        await using var silo = await GatewayHost.StartAsync();
        using var client = await silo.ClientAsync();
        var echo = client.Services.GetRequiredService<IGrainFactory>().GetGrain<IEcho>("e");
        var e = await Assert.ThrowsAnyAsync<Exception>(() => echo.Bytes(new byte[17 << 20]));
        Assert.Contains("16 MiB", e.Message, StringComparison.Ordinal);
        Assert.Equal("still here", await echo.Text("still here"));
    }

    [Fact]
    public async Task What_is_no_client_gets_404()
    {
        await using var silo = await GatewayHost.StartAsync();
        using var http = new HttpClient();
        Assert.Equal(HttpStatusCode.NotFound, (await http.GetAsync(new Uri($"http://{silo.EndPoint}/"))).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await http.GetAsync(new Uri($"http://{silo.EndPoint}{Wire.Path}"))).StatusCode);
    }

    [Fact]
    public async Task Junk_on_the_port_harms_nobody()
    {
        await using var silo = await GatewayHost.StartAsync();
        using var tcp = new TcpClient();
        await tcp.ConnectAsync(silo.EndPoint);
        var junk = new byte[100_000];
        new Random(3).NextBytes(junk);
        try
        {
            await tcp.GetStream().WriteAsync(junk);
            while (await tcp.GetStream().ReadAsync(junk) > 0)
            {
                await Task.Yield();
            }
        }
        catch (IOException)
        {
            // Reset by the gateway.
            Assert.NotNull(silo.EndPoint);
        }

        await StillServesAsync(silo);
    }

    [Fact]
    public async Task A_peer_that_says_nothing_is_cut()
    {
        await using var silo = await GatewayHost.StartAsync(s => s.Configure<EmbeddedEngineOptions>(Quick));
        using var socket = await silo.JoinAsync();
        await silo.Log.LoggedAsync(7032);
        await StillServesAsync(silo, Quick);
    }

    [Fact]
    public async Task A_peer_that_only_pings_is_kept()
    {
        await using var silo = await GatewayHost.StartAsync(s => s.Configure<EmbeddedEngineOptions>(Quick));
        using var quiet = await silo.JoinAsync();
        using var pinging = await silo.JoinAsync();
        var cut = silo.Log.LoggedAsync(7032);
        while (!cut.IsCompleted)
        {
            await GatewayHost.SendAsync(pinging, "[\"p\"]");
            await Task.WhenAny(cut, Task.Delay(50));
        }

        await GatewayHost.SendAsync(pinging, "[\"c\",1,\"tests.IProbe\",\"Peek\",\"k\",1000,[]]");
        Assert.Equal("r", (await GatewayHost.ReceiveAsync(pinging))![0].GetString());
    }

    [Fact]
    public async Task A_peer_that_does_not_read_is_cut()
    {
        await using var silo = await GatewayHost.StartAsync(s => s.Configure<EmbeddedEngineOptions>(Quick));
        using var socket = await silo.JoinAsync();
        var text = new string('x', 1 << 20);
        var frame = $"[\"c\",ID,\"tests.IEcho\",\"Text\",\"k\",10000,[\"{text}\"]]";
        var cut = silo.Log.LoggedAsync(7032);
        for (var i = 1; i < 200 && !cut.IsCompleted; i++)
        {
            try
            {
                await GatewayHost.SendAsync(socket, frame.Replace("ID", $"{i}", StringComparison.Ordinal));
            }
            catch (Exception e) when (e is WebSocketException or TimeoutException)
            {
                break;
            }
        }

        await cut;
        await StillServesAsync(silo, Quick);
    }

    [Fact]
    public async Task Too_many_calls_of_one_client_are_refused()
    {
        await using var silo = await GatewayHost.StartAsync(s => s.Configure<EmbeddedEngineOptions>(o => o.MaxCallsPerConnection = 3));
        using var client = await silo.ClientAsync();
        var grain = client.Services.GetRequiredService<IGrainFactory>().GetGrain<IProbe>("k");
        var waiting = Enumerable.Range(0, 3).Select(_ => grain.IncrementInterleaved("gate")).ToArray();
        await silo.Signals.HeardAsync("increment k", 3);
        var e = await Assert.ThrowsAsync<Orleans.Runtime.GatewayTooBusyException>(() => grain.Peek());
        Assert.True(CallFailed.IsUnknownOutcome(e));
        silo.Signals.Open("gate");
        await Task.WhenAll(waiting);
    }

    [Fact]
    public async Task More_connections_than_allowed_are_refused()
    {
        await using var silo = await GatewayHost.StartAsync(s => s.Configure<EmbeddedEngineOptions>(o => o.MaxConnections = 2));
        using var first = await silo.JoinAsync();
        using var second = await silo.JoinAsync();
        await Assert.ThrowsAsync<WebSocketException>(silo.ConnectAsync);
    }

    [Fact]
    public async Task A_call_whose_caller_has_gone_is_not_begun()
    {
        await using var silo = await GatewayHost.StartAsync();
        var client = await silo.ClientAsync();
        var grain = client.Services.GetRequiredService<IGrainFactory>().GetGrain<IProbe>("k");
        var running = grain.Increment("gate");
        await silo.Signals.HeardAsync("increment k");
        var queued = grain.Increment(null);
        await grain.Peek();
        await client.StopAsync();
        client.Dispose();
        await silo.Log.LoggedAsync(7031);
        silo.Signals.Open("gate");
        Assert.Equal(2, await silo.Inside.GetGrain<IProbe>("k").Increment(null));
        await Assert.ThrowsAnyAsync<Orleans.Runtime.OrleansException>(() => running);
        await Assert.ThrowsAnyAsync<Orleans.Runtime.OrleansException>(() => queued);
    }

    [Fact]
    public async Task What_is_refused_or_cut_is_counted()
    {
        await using var silo = await GatewayHost.StartAsync();
        var counted = new TaskCompletionSource<string>();
        using var listener = new MeterListener();
        var meters = silo.Services.GetRequiredService<IMeterFactory>();
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (instrument.Name == "plane.engine.gateway.cut" && instrument.Meter.Scope == meters)
            {
                l.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((_, _, tags, _) => counted.TrySetResult((string)tags[0].Value!));
        listener.Start();
        using var socket = await silo.JoinAsync();
        await GatewayHost.SendAsync(socket, "nonsense");
        Assert.Equal("malformed", await counted.Task.WaitAsync(TimeSpan.FromSeconds(90)));
    }

    private static void Quick(EmbeddedEngineOptions options)
    {
        // Long enough for a busy machine to let the pings through; both ends must agree about them.
        options.PingInterval = TimeSpan.FromMilliseconds(500);
        options.DeadAfter = TimeSpan.FromSeconds(4);
    }

    private static async Task StillServesAsync(GatewayHost silo, Action<EmbeddedEngineOptions>? configure = null)
    {
        using var client = await silo.ClientAsync(c => c.Configure(configure ?? (_ => { })));
        Assert.Equal("x", await client.Services.GetRequiredService<IGrainFactory>().GetGrain<IProbe>("x").WhoAreYou());
        await client.StopAsync();
    }
}
