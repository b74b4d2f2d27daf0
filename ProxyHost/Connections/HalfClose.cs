using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace Plane.ProxyHost.Connections;

/// <summary>
/// A client that has sent its request may end its own direction and still read the answer (RFC 9293 section 3.6), as scripts around <c>nc</c> do. Kestrel takes that for the client's departure,
/// which looks the same until something is written, and abandons the request. Here the request gets a moment to be answered; one that takes longer is abandoned, since a client that has left must not
/// count as use of its backend.
/// </summary>
internal sealed class HalfClose(TimeProvider time)
{
    /// <summary>How long a request continues after its client's end.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(2);

    /// <summary>Adds it to a listener.</summary>
    public static void AddTo(ListenOptions listen) => listen.Use(next =>
    {
        var middleware = new HalfClose(listen.ApplicationServices.GetRequiredService<TimeProvider>());
        return connection => middleware.OnConnectionAsync(connection, next);
    });

    private async Task OnConnectionAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        // Not disposed of: the timer may just be cancelling it.
        var left = new CancellationTokenSource();
        ITimer? grace = null;
        var end = connection.ConnectionClosed.UnsafeRegister(
            _ => grace = time.CreateTimer(static state => ((CancellationTokenSource)state!).Cancel(), left, Grace, Timeout.InfiniteTimeSpan), null);
        connection.ConnectionClosed = left.Token;
        try
        {
            await next(connection);
        }
        finally
        {
            await end.DisposeAsync();
            grace?.Dispose();
        }
    }
}
