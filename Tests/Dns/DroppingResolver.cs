using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Plane.DnsHost.Protocol;

namespace Plane.Tests.Dns;

/// <summary>A resolver that passes questions on to another, and loses those of one type, as a firewall or a broken server does.</summary>
internal sealed class DroppingResolver : IAsyncDisposable
{
    private const int HeaderLength = 12;

    private readonly CancellationTokenSource _stop = new();
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
    private readonly IPEndPoint _behind;
    private readonly RecordType _dropped;
    private readonly Task _running;

    private DroppingResolver(IPEndPoint behind, RecordType dropped)
    {
        (_behind, _dropped) = (behind, dropped);
        _socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _running = RunAsync();
    }

    public IPEndPoint At => (IPEndPoint)_socket.LocalEndPoint!;

    public static DroppingResolver Start(IPEndPoint behind, RecordType dropped) => new(behind, dropped);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _socket.Dispose();
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        var buffer = new byte[4096];
        while (true)
        {
            var question = await _socket.ReceiveFromAsync(buffer, SocketFlags.None, new IPEndPoint(IPAddress.Any, 0), _stop.Token);
            if (TypeOf(buffer) == _dropped)
            {
                continue;
            }

            using var onward = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            await onward.ConnectAsync(_behind, _stop.Token);
            await onward.SendAsync(buffer.AsMemory(0, question.ReceivedBytes), SocketFlags.None, _stop.Token);
            var length = await onward.ReceiveAsync(buffer, SocketFlags.None, _stop.Token);
            await _socket.SendToAsync(buffer.AsMemory(0, length), SocketFlags.None, question.RemoteEndPoint, _stop.Token);
        }
    }

    private static RecordType TypeOf(ReadOnlySpan<byte> question)
    {
        var at = HeaderLength;
        while (question[at] != 0)
        {
            at += question[at] + 1;
        }

        return (RecordType)BinaryPrimitives.ReadUInt16BigEndian(question[(at + 1)..]);
    }
}
