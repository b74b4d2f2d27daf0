using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Plane.Drone.Supervision;

/// <summary>
/// Waits until an address answers HTTP: any answer that begins with <c>HTTP/</c>, whatever its status. At once, then every 25 ms growing to 500 ms. A socket of our
/// own, because an HTTP client would insist on a well-formed answer.
/// </summary>
internal sealed class HttpProbe(TimeProvider time)
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(25);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(500);

    /// <summary>A backend that takes a connection and answers later than this is asked anew.</summary>
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(5);

    /// <summary>True once it answered, false where the time is over.</summary>
    public async Task<bool> WaitAsync(string address, TimeSpan limit, CancellationToken cancellationToken)
    {
        var endPoint = IPEndPoint.Parse(address);
        var start = time.GetTimestamp();
        var pause = FirstPause;
        while (!await AnswersAsync(endPoint, cancellationToken))
        {
            var left = limit - time.GetElapsedTime(start);
            if (left <= TimeSpan.Zero)
            {
                return false;
            }

            await Task.Delay(pause < left ? pause : left, time, cancellationToken);
            pause = pause * 1.5 < LongestPause ? pause * 1.5 : LongestPause;
        }

        return true;
    }

    private async Task<bool> AnswersAsync(IPEndPoint endPoint, CancellationToken cancellationToken)
    {
        using var timer = new CancellationTokenSource(AnswerLimit, time);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timer.Token);
        try
        {
            using var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(endPoint, limit.Token);
            var request = Encoding.ASCII.GetBytes($"GET / HTTP/1.1\r\nHost: {endPoint}\r\nUser-Agent: plane-probe\r\nConnection: close\r\n\r\n");
            await socket.SendAsync(request, limit.Token);
            var answer = new byte[5];
            for (var read = 0; read < answer.Length;)
            {
                var count = await socket.ReceiveAsync(answer.AsMemory(read), limit.Token);
                if (count == 0)
                {
                    return false;
                }

                read += count;
            }

            return answer.AsSpan().SequenceEqual("HTTP/"u8);
        }
        catch (SocketException)
        {
            // Nobody listens yet.
            return false;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return false;
        }
    }
}
