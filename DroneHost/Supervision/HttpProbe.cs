using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Plane.Drone.Supervision;

/// <summary>
/// Asks an address whether it answers HTTP: any answer that begins with <c>HTTP/</c>, whatever its status. A socket of our own, because an HTTP client would insist on a well-formed
/// answer. The answer is read to its end, within bounds: a connection that is closed with data unread is reset, and a server that still writes would log that as an error.
/// </summary>
internal sealed class HttpProbe(TimeProvider time)
{
    private const int MaxAnswer = 256 * 1024;

    /// <summary>A backend that takes a connection and answers later than this is asked anew.</summary>
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(5);

    /// <summary>How long the rest of an answer is waited for: one that has no end, such as a stream of events, must not delay its backend.</summary>
    private static readonly TimeSpan RestLimit = TimeSpan.FromMilliseconds(500);

    /// <summary>Asks once.</summary>
    public async Task<bool> AnswersAsync(IPEndPoint endPoint, CancellationToken cancellationToken)
    {
        using var timer = new CancellationTokenSource(AnswerLimit, time);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timer.Token);
        var answered = false;
        try
        {
            using var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(endPoint, limit.Token);
            var request = Encoding.ASCII.GetBytes($"GET / HTTP/1.1\r\nHost: {endPoint}\r\nUser-Agent: plane-probe\r\nConnection: close\r\n\r\n");
            await socket.SendAsync(request, limit.Token);
            var buffer = new byte[16 * 1024];
            var read = 0;
            while (read < "HTTP/".Length)
            {
                var count = await socket.ReceiveAsync(buffer.AsMemory(read), limit.Token);
                if (count == 0)
                {
                    return false;
                }

                read += count;
            }

            answered = buffer.AsSpan().StartsWith("HTTP/"u8);
            timer.CancelAfter(RestLimit);
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
}
