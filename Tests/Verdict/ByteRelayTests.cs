using System.Net;
using System.Net.Sockets;
using Plane.Chaos.Parts;
using Plane.Testing;

namespace Plane.Tests.Verdict;

/// <summary>What the relay between two programs does to a stream: a fault that does nothing proves nothing.</summary>
public sealed class ByteRelayTests : IAsyncLifetime, IDisposable
{
    private readonly LinkConditions _weather = new();
    private readonly TcpListener _target = new(IPAddress.Loopback, 0);
    private ByteRelay _relay = null!;
    private TcpClient _client = null!;
    private TcpClient _server = null!;

    public async Task InitializeAsync()
    {
        _target.Start();
        var listen = new IPEndPoint(IPAddress.Loopback, FreePort.Next());
        _relay = new ByteRelay(listen, (IPEndPoint)_target.LocalEndpoint, _ => new Way(_weather), seed: 1);
        _client = new TcpClient { NoDelay = true };
        await _client.ConnectAsync(listen);
        _server = await Eventually.EndsAsync(_target.AcceptTcpClientAsync(), "the relay connects");
    }

    public async Task DisposeAsync()
    {
        Dispose();
        await _relay.DisposeAsync();
    }

    public void Dispose()
    {
        _client.Dispose();
        _server.Dispose();
        _target.Dispose();
    }

    [Fact]
    public async Task A_fine_day_changes_nothing()
    {
        await SendAsync(_client, 1, 2, 3);
        Assert.Equal([1, 2, 3], await ReceiveAsync(_server, 3));
        await SendAsync(_server, 4);
        Assert.Equal([4], await ReceiveAsync(_client, 1));
        _client.Close();
        Assert.Equal(0, await Eventually.EndsAsync(_server.GetStream().ReadAsync(new byte[1]).AsTask(), "the end is passed on"));
    }

    [Fact]
    public async Task What_is_held_waits_and_the_other_direction_goes_on()
    {
        _weather.Hold(up: true, down: false);
        await SendAsync(_client, 1);
        await SendAsync(_server, 2);
        Assert.Equal([2], await ReceiveAsync(_client, 1));
        Assert.Equal(0, _server.Available);
        _weather.Clear();
        await SendAsync(_client, 3);
        Assert.Equal([1, 3], await ReceiveAsync(_server, 2));
    }

    [Fact]
    public async Task What_is_lost_is_lost_with_its_connection_when_the_way_is_open_again()
    {
        _weather.LoseUp = true;
        await SendAsync(_client, 1);
        await SendAsync(_server, 2);
        Assert.Equal([2], await ReceiveAsync(_client, 1));
        await Eventually.TrueAsync(() => _weather.DidAnything, "it is lost");
        _weather.Clear();
        await BreaksAsync(_client);
        await BreaksAsync(_server);
    }

    [Fact]
    public async Task What_is_delayed_keeps_its_order()
    {
        _weather.Delay = TimeSpan.FromMilliseconds(50);
        for (byte i = 0; i < 20; i++)
        {
            await SendAsync(_client, i);
        }

        Assert.Equal(Enumerable.Range(0, 20).Select(i => (byte)i), await ReceiveAsync(_server, 20));
        Assert.True(_weather.DidAnything);
    }

    [Fact]
    public async Task A_connection_that_is_cut_breaks_at_both_ends()
    {
        _weather.Cut = 1;
        await SendAsync(_client, 1);
        await BreaksAsync(_client);
        await BreaksAsync(_server);
    }

    private static async Task SendAsync(TcpClient to, params byte[] bytes) => await to.GetStream().WriteAsync(bytes);

    private static async Task<byte[]> ReceiveAsync(TcpClient from, int count)
    {
        var bytes = new byte[count];
        await Eventually.EndsAsync(from.GetStream().ReadExactlyAsync(bytes).AsTask(), $"{count} bytes");
        return bytes;
    }

    private static async Task BreaksAsync(TcpClient end) =>
        await Assert.ThrowsAnyAsync<IOException>(() => Eventually.EndsAsync(end.GetStream().ReadExactlyAsync(new byte[1]).AsTask(), "the connection breaks"));
}
