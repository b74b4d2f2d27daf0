using System.Buffers;
using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Plane.DnsHost.Server;

/// <summary>
/// One UDP socket. A few threads of their own receive from it, blocking: a known name costs one system call to take the
/// question and one to answer it, and nothing is allocated. Only a name whose values are not known yet is answered
/// later, by the pool; a bounded number of these is in work, and more are dropped, as a full network would.
/// </summary>
internal sealed partial class UdpServer : IAsyncDisposable
{
    /// <summary>Questions that wait for the controller at a time.</summary>
    private const int MaxInWork = 4_096;

    /// <summary>The longest datagram there is: a longer buffer than any question, so that none is cut.</summary>
    private const int MaxDatagram = 65_535;

    private readonly Socket _socket;
    private readonly DnsResponder _responder;
    private readonly RateLimiter _limiter;
    private readonly Counter<long> _limited;
    private readonly ILogger _logger;
    private readonly Thread[] _threads;
    private readonly InFlight _inWork = new(MaxInWork);
    private volatile bool _stopping;

    public UdpServer(Socket socket, DnsResponder responder, RateLimiter limiter, IMeterFactory meters, ILogger logger)
    {
        _socket = socket;
        _responder = responder;
        _limiter = limiter;
        _limited = meters.Create("plane.dns").CreateCounter<long>("plane.dns.limited", "{answer}", "UDP answers over the rate limit, by what became of them.");
        _logger = logger;
        _threads =
        [
            .. Enumerable.Range(0, Math.Clamp(Environment.ProcessorCount, 1, 4))
                .Select(i => new Thread(Serve) { IsBackground = true, Name = $"dns udp {i}" }),
        ];
    }

    public void Start() => Array.ForEach(_threads, t => t.Start());

    public async ValueTask DisposeAsync()
    {
        _stopping = true;
        _socket.Dispose();
        foreach (var thread in _threads.Where(t => t.IsAlive))
        {
            thread.Join();
        }

        await _inWork.EndAsync();
    }

    private void Serve()
    {
        var message = GC.AllocateUninitializedArray<byte>(MaxDatagram, pinned: true);
        var answer = GC.AllocateUninitializedArray<byte>(DnsResponder.UdpLimit, pinned: true);
        var from = new SocketAddress(_socket.AddressFamily);
        while (!_stopping)
        {
            try
            {
                var length = _socket.ReceiveFrom(message.AsSpan(), SocketFlags.None, from);
                if (Network.TryRead(from, out var network))
                {
                    Answer(message.AsSpan(0, length), answer, from, network);
                }
            }
            catch (Exception e) when (_stopping && e is SocketException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException e)
            {
                // This question gets no answer, and its client retries. The next question is answered.
                LogNotReceived(_logger, e);
            }
            catch (Exception e)
            {
                LogFailed(_logger, e);
            }
        }
    }

    private void Answer(ReadOnlySpan<byte> message, byte[] answer, SocketAddress from, ulong network)
    {
        int length;
        switch (_limiter.Check(network))
        {
            case RateVerdict.Drop:
                _limited.Add(1, new KeyValuePair<string, object?>("action", "dropped"));
                return;
            case RateVerdict.Slip:
                _limited.Add(1, new KeyValuePair<string, object?>("action", "slipped"));
                length = DnsResponder.Slip(message, answer);
                break;
            default:
                length = _responder.Respond(message, answer, isUdp: true, out var pending);
                if (pending is not null && _inWork.TryEnter())
                {
                    var to = new SocketAddress(from.Family, from.Size);
                    from.Buffer.CopyTo(to.Buffer);
                    _ = AnswerLaterAsync(message.ToArray(), to, pending);
                }

                break;
        }

        if (length > 0)
        {
            _socket.SendTo(answer.AsSpan(0, length), SocketFlags.None, from);
        }
    }

    private async Task AnswerLaterAsync(byte[] message, SocketAddress to, Task<TxtAnswer?> pending)
    {
        var answer = ArrayPool<byte>.Shared.Rent(DnsResponder.UdpLimit);
        try
        {
            var values = await pending;
            var length = _responder.Complete(message, answer.AsSpan(0, DnsResponder.UdpLimit), isUdp: true, values);
            if (length > 0)
            {
                _socket.SendTo(answer.AsSpan(0, length), SocketFlags.None, to);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            LogUnsent(_logger, e);
        }
        catch (Exception e)
        {
            LogFailed(_logger, e);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(answer);
            _inWork.Leave();
        }
    }

    [LoggerMessage(EventId = EventIds.UdpServerNotReceived, Level = LogLevel.Debug, Message = "A datagram was not received, or not answered")]
    private static partial void LogNotReceived(ILogger logger, Exception exception);

    [LoggerMessage(EventId = EventIds.UdpServerUnsent, Level = LogLevel.Debug, Message = "A late answer was not sent")]
    private static partial void LogUnsent(ILogger logger, Exception exception);

    [LoggerMessage(EventId = EventIds.UdpServerFailed, Level = LogLevel.Error, Message = "A question over UDP could not be answered")]
    private static partial void LogFailed(ILogger logger, Exception exception);
}
