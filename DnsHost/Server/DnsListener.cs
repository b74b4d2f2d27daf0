using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Plane.Dns.Server;

/// <summary>The sockets: UDP and TCP on one port. A message that can't be answered costs its sender the answer, never the server.</summary>
internal sealed partial class DnsListener(DnsResponder responder, DnsOptions options, TimeProvider time, ILogger<DnsListener> logger) : BackgroundService
{
    /// <summary>How long a TCP connection may say nothing (RFC 7766 section 6.2.3 leaves it to the server).</summary>
    private static readonly TimeSpan s_tcpIdle = TimeSpan.FromSeconds(10);

    /// <summary>Questions in work at a time; more are dropped, as a full network would.</summary>
    private const int MaxInWork = 4_096;

    private readonly TaskCompletionSource<IPEndPoint> _bound = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Where it listens, once it does.</summary>
    public Task<IPEndPoint> Bound => _bound.Task;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            var (udp, tcp) = Bind();
            using (udp)
            using (tcp)
            {
                var at = (IPEndPoint)tcp.LocalEndPoint!;
                _bound.SetResult(at);
                LogListening(logger, options.Zone, at);
                await Task.WhenAll(ServeUdpAsync(udp, stoppingToken), ServeTcpAsync(tcp, stoppingToken)).ConfigureAwait(false);
            }
        }
        catch (SocketException e)
        {
            _bound.TrySetException(e);
            throw;
        }
    }

    private (Socket Udp, Socket Tcp) Bind()
    {
        var address = IPAddress.Parse(options.Host);

        // With port 0 the free TCP port may be taken for UDP: try another.
        for (var attempt = 0; ; attempt++)
        {
            var tcp = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            var udp = new Socket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
            try
            {
                if (address.Equals(IPAddress.IPv6Any))
                {
                    tcp.DualMode = true;
                    udp.DualMode = true;
                }

                tcp.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
                tcp.Bind(new IPEndPoint(address, options.Port));
                tcp.Listen(128);
                udp.ReceiveBufferSize = 1 << 20;
                udp.Bind(new IPEndPoint(address, ((IPEndPoint)tcp.LocalEndPoint!).Port));
                return (udp, tcp);
            }
            catch (SocketException) when (options.Port == 0 && attempt < 20)
            {
                tcp.Dispose();
                udp.Dispose();
            }
            catch (SocketException)
            {
                tcp.Dispose();
                udp.Dispose();
                throw;
            }
        }
    }

    private async Task ServeUdpAsync(Socket socket, CancellationToken stopping)
    {
        using var inWork = new SemaphoreSlim(MaxInWork);
        var buffer = new byte[4096];
        EndPoint any = new IPEndPoint(socket.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, 0);
        while (!stopping.IsCancellationRequested)
        {
            SocketReceiveFromResult received;
            try
            {
                received = await socket.ReceiveFromAsync(buffer, SocketFlags.None, any, stopping).ConfigureAwait(false);
            }
            catch (SocketException e)
            {
                // An ICMP error of an earlier answer, or a datagram over the buffer: neither concerns the next one.
                LogNotReceived(logger, e);
                continue;
            }
            catch (OperationCanceledException)
            {
                break;
            }

            if (inWork.Wait(0, CancellationToken.None))
            {
                _ = AnswerDatagramAsync(socket, buffer.AsMemory(0, received.ReceivedBytes).ToArray(), received.RemoteEndPoint, inWork, stopping);
            }
        }

        // The last answers are on their way: wait for them, so that nothing touches a closed socket.
        for (var i = 0; i < MaxInWork; i++)
        {
            await inWork.WaitAsync(CancellationToken.None).ConfigureAwait(false);
        }
    }

    private async Task AnswerDatagramAsync(Socket socket, byte[] message, EndPoint from, SemaphoreSlim inWork, CancellationToken stopping)
    {
        try
        {
            var answer = new byte[DnsResponder.UdpLimit];
            var length = await responder.RespondAsync(message, answer, isUdp: true, stopping).ConfigureAwait(false);
            if (length > 0)
            {
                await socket.SendToAsync(answer.AsMemory(0, length), SocketFlags.None, from, stopping).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException)
        {
            LogUnsent(logger, e);
        }
        catch (Exception e)
        {
            LogFailed(logger, e);
        }
        finally
        {
            inWork.Release();
        }
    }

    private async Task ServeTcpAsync(Socket listener, CancellationToken stopping)
    {
        using var open = new SemaphoreSlim(options.MaxConnections);
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                var connection = await listener.AcceptAsync(stopping).ConfigureAwait(false);
                if (open.Wait(0, CancellationToken.None))
                {
                    _ = ServeConnectionAsync(connection, open, stopping);
                }
                else
                {
                    connection.Dispose();
                }
            }
            catch (SocketException e)
            {
                LogNotReceived(logger, e);
            }
            catch (OperationCanceledException)
            {
                break;
            }
        }

        for (var i = 0; i < options.MaxConnections; i++)
        {
            await open.WaitAsync(CancellationToken.None).ConfigureAwait(false);
        }
    }

    private async Task ServeConnectionAsync(Socket connection, SemaphoreSlim open, CancellationToken stopping)
    {
        try
        {
            using (connection)
            using (var stream = new NetworkStream(connection))
            {
                var answer = new byte[2 + ushort.MaxValue];
                var length = new byte[2];
                while (true)
                {
                    using var idle = new CancellationTokenSource(s_tcpIdle, time);
                    using var either = CancellationTokenSource.CreateLinkedTokenSource(idle.Token, stopping);
                    if (await stream.ReadAtLeastAsync(length, 2, throwOnEndOfStream: false, either.Token).ConfigureAwait(false) < 2)
                    {
                        return;
                    }

                    var message = new byte[BinaryPrimitives.ReadUInt16BigEndian(length)];
                    await stream.ReadExactlyAsync(message, either.Token).ConfigureAwait(false);
                    var written = await responder.RespondAsync(message, answer.AsMemory(2), isUdp: false, either.Token).ConfigureAwait(false);
                    if (written == 0)
                    {
                        return;
                    }

                    BinaryPrimitives.WriteUInt16BigEndian(answer, (ushort)written);
                    await stream.WriteAsync(answer.AsMemory(0, 2 + written), either.Token).ConfigureAwait(false);
                }
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or SocketException)
        {
            LogUnsent(logger, e);
        }
        catch (Exception e)
        {
            LogFailed(logger, e);
        }
        finally
        {
            open.Release();
        }
    }

    [LoggerMessage(EventId = 8010, Level = LogLevel.Information, Message = "Answering for zone {Zone} on {Address}, UDP and TCP")]
    private static partial void LogListening(ILogger logger, string zone, IPEndPoint address);

    [LoggerMessage(EventId = 8011, Level = LogLevel.Debug, Message = "A datagram or connection was not received")]
    private static partial void LogNotReceived(ILogger logger, Exception exception);

    [LoggerMessage(EventId = 8012, Level = LogLevel.Debug, Message = "An answer was not sent")]
    private static partial void LogUnsent(ILogger logger, Exception exception);

    [LoggerMessage(EventId = 8013, Level = LogLevel.Error, Message = "A question could not be answered")]
    private static partial void LogFailed(ILogger logger, Exception exception);
}
