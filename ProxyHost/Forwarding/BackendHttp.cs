using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Yarp.ReverseProxy.Forwarder;

namespace Plane.Proxy.Forwarding;

/// <summary>The proxy's way to all backends: one pool of connections, none of a client's conveniences.</summary>
internal sealed class BackendHttp : IDisposable
{
    private readonly ProxyOptions _options;
    private readonly TimeProvider _time;
    private readonly ServiceProvider _forwarding;

    public BackendHttp(ProxyOptions options, TimeProvider time)
    {
        _options = options;
        _time = time;
        Invoker = new HttpMessageInvoker(new SocketsHttpHandler
        {
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            ActivityHeadersPropagator = null,
            EnableMultipleHttp2Connections = true,
            MaxConnectionsPerServer = int.MaxValue,
            PooledConnectionIdleTimeout = options.BackendIdle,
            ConnectTimeout = Timeout.InfiniteTimeSpan,
            ConnectCallback = ConnectAsync,

            RequestHeaderEncodingSelector = SentOnce.EncodingOf,
            ResponseHeaderEncodingSelector = static (_, _) => Encoding.Latin1,
        });

        // In a container of its own without any logger: YARP logs each request's URL, and a static token is part of it.
        _forwarding = new ServiceCollection().AddLogging().AddSingleton(time).AddHttpForwarder().BuildServiceProvider();
        Forwarder = _forwarding.GetRequiredService<IHttpForwarder>();
    }

    /// <summary>
    /// HTTP/1.1 to backends, and no activity time-out: it would cut idle streams. The time until a response begins is limited by <see cref="Exchange"/>.
    /// </summary>
    public static ForwarderRequestConfig Config { get; } = new()
    {
        ActivityTimeout = Timeout.InfiniteTimeSpan,
        Version = HttpVersion.Version11,
        VersionPolicy = HttpVersionPolicy.RequestVersionExact,
    };

    public HttpMessageInvoker Invoker { get; }

    public IHttpForwarder Forwarder { get; }

    public void Dispose()
    {
        Invoker.Dispose();
        _forwarding.Dispose();
    }

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var address = IPAddress.Parse(context.DnsEndPoint.Host);
        using var slow = new CancellationTokenSource(_options.ConnectTimeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(slow.Token, cancellationToken);
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            TcpKeepAlive.Set(socket);
            socket.NoDelay = true;
            await socket.ConnectAsync(address, context.DnsEndPoint.Port, either.Token);
            return new BackendStream(socket);
        }
        catch (OperationCanceledException e) when (slow.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            socket.Dispose();
            throw new BackendConnectException("the backend did not accept a connection in time", isSlow: true, e);
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new BackendConnectException($"the backend can't be reached: {e.SocketErrorCode}", e.SocketErrorCode == SocketError.TimedOut, e);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
