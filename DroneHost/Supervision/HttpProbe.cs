using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Plane.DroneHost.Supervision;

/// <summary>
/// Asks an address whether it answers HTTP: any answer that begins with <c>HTTP/</c>, whatever its status; of one that speaks h2c the frame that each connection begins with. A socket of our own, because an HTTP client would insist on a well-formed
/// answer. The answer is read to its end, within bounds: a connection that is closed with data unread is reset, and a server that still writes would log that as an error.
/// </summary>
internal sealed class HttpProbe(TimeProvider time)
{
    private const int MaxAnswer = 256 * 1024;

    /// <summary>A backend that takes a connection and answers later than this is asked again.</summary>
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(5);

    /// <summary>How long the rest of an answer is waited for: one that has no end, such as a stream of events, must not delay its backend.</summary>
    private static readonly TimeSpan RestLimit = TimeSpan.FromMilliseconds(500);

    // The client's connection preface and an empty SETTINGS frame (RFC 9113 section 3.4); and a GOAWAY without an error, which ends what these began.
    private static readonly byte[] s_preface = [.. "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8, 0, 0, 0, Settings, 0, 0, 0, 0, 0];
    private static readonly byte[] s_goAway = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    private const int FrameHead = 9;
    private const byte Settings = 4;

    /// <summary>Asks once.</summary>
    public async Task<bool> AnswersAsync(IPEndPoint endPoint, BackendProtocol protocol, CancellationToken cancellationToken)
    {
        using var timer = new CancellationTokenSource(AnswerLimit, time);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timer.Token);
        var answered = false;
        try
        {
            using var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(endPoint, limit.Token);
            var isH2c = protocol == BackendProtocol.H2c;
            await socket.SendAsync(isH2c ? s_preface : Request(endPoint), limit.Token);
            var buffer = new byte[16 * 1024];
            var read = 0;
            while (read < (isH2c ? FrameHead : "HTTP/".Length))
            {
                var count = await socket.ReceiveAsync(buffer.AsMemory(read), limit.Token);
                if (count == 0)
                {
                    return false;
                }

                read += count;
            }

            answered = isH2c ? IsSettings(buffer) : buffer.AsSpan().StartsWith("HTTP/"u8);
            timer.CancelAfter(RestLimit);
            if (isH2c)
            {
                await socket.SendAsync(s_goAway, limit.Token);
                socket.Shutdown(SocketShutdown.Send);
            }

            for (int count; read < MaxAnswer && (count = await socket.ReceiveAsync(buffer, limit.Token)) > 0;)
            {
                read += count;
            }

            return answered;
        }
        catch (SocketException)
        {
            // Nothing listens yet, or it reset the connection, after its answer or before.
            return answered;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return answered;
        }
    }

    private static byte[] Request(IPEndPoint endPoint) =>
        Encoding.ASCII.GetBytes($"GET / HTTP/1.1\r\nHost: {endPoint}\r\nUser-Agent: plane-probe\r\nConnection: close\r\n\r\n");

    // The first frame of a server must be one, on stream 0. An answer in HTTP/1.1 has a letter where the frame's type is.
    private static bool IsSettings(ReadOnlySpan<byte> frame) => frame[3] == Settings && frame[4] == 0 && frame[5..FrameHead].IndexOfAnyExcept((byte)0) < 0;
}
