using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Plane.Client;
using Plane.Hosting.Running;
using Yarp.ReverseProxy.Forwarder;

namespace Plane.ProxyHost.Forwarding;

/// <summary>The proxy's way to all backends: one pool of connections, single ones for uploads, none of a client's conveniences.</summary>
internal sealed class BackendHttp : IDisposable
{
    private static readonly ForwarderRequestConfig s_http1Config = ConfigOf(HttpVersion.Version11);
    private static readonly ForwarderRequestConfig s_h2cConfig = ConfigOf(HttpVersion.Version20);

    private readonly ProxyOptions _options;
    private readonly TimeProvider _time;
    private readonly HttpMessageInvoker _pooled;
    private readonly HttpMessageInvoker _single;
    private readonly HttpMessageInvoker _h2c;
    private readonly ServiceProvider _forwarding;

    public BackendHttp(ProxyOptions options, TimeProvider time)
    {
        _options = options;
        _time = time;
        _pooled = InvokerOf(Http1Handler());
        var single = Http1Handler();
        single.PooledConnectionLifetime = TimeSpan.Zero;
        _single = InvokerOf(single);

        // Over HTTP/2 a request is repeated only where the backend says that it has not looked at it (RFC 9113 section 8.7).
        _h2c = InvokerOf(Handler(static (_, _) => Encoding.Latin1, static socket => new NetworkStream(socket, ownsSocket: true)));

        // In a container of its own without any logger: YARP logs each request's URL, and a static token is part of it.
        _forwarding = new ServiceCollection().AddLogging().AddSingleton(time).AddHttpForwarder().BuildServiceProvider();
        Forwarder = _forwarding.GetRequiredService<IHttpForwarder>();
    }

    public IHttpForwarder Forwarder { get; }

    /// <summary>
    /// Sends a request to its backend and the response back, in the protocol that the backend speaks. In HTTP/1.1 an upload has a connection of its own, others use those of the pool.
    /// </summary>
    public ValueTask<ForwarderError> SendAsync(HttpContext context, Exchange exchange)
    {
        var entry = exchange.Entry;
        return entry.IsH2c
            ? Forwarder.SendAsync(context, entry.Prefix, _h2c, s_h2cConfig, exchange, exchange.Deadline)
            : Forwarder.SendAsync(context, entry.Prefix, exchange.IsUpload ? _single : _pooled, s_http1Config, exchange, exchange.Deadline);
    }

    public void Dispose()
    {
        _pooled.Dispose();
        _single.Dispose();
        _h2c.Dispose();
        _forwarding.Dispose();
    }

    // No activity time-out: it would cut idle streams. The time until a response begins is limited by Exchange.
    private static ForwarderRequestConfig ConfigOf(Version version) => new()
    {
        ActivityTimeout = Timeout.InfiniteTimeSpan,
        Version = version,
        VersionPolicy = HttpVersionPolicy.RequestVersionExact,
    };

    private static HttpMessageInvoker InvokerOf(SocketsHttpHandler handler) => new(new RequestBodyHandler(handler));

    private SocketsHttpHandler Http1Handler() => Handler(NonReplayableRequest.EncodingOf, static socket => new BackendStream(socket));

    private SocketsHttpHandler Handler(HeaderEncodingSelector<HttpRequestMessage> encoding, Func<Socket, Stream> stream) => new()
    {
        UseProxy = false,
        UseCookies = false,
        AllowAutoRedirect = false,
        AutomaticDecompression = DecompressionMethods.None,
        ActivityHeadersPropagator = null,
        EnableMultipleHttp2Connections = true,
        MaxConnectionsPerServer = int.MaxValue,
        PooledConnectionIdleTimeout = _options.BackendIdle,
        ConnectTimeout = Timeout.InfiniteTimeSpan,
        ConnectCallback = async (context, cancellationToken) => stream(await ConnectAsync(context, cancellationToken)),

        RequestHeaderEncodingSelector = encoding,
        ResponseHeaderEncodingSelector = static (_, _) => Encoding.Latin1,
    };

    private async ValueTask<Socket> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var address = IPAddress.Parse(context.DnsEndPoint.Host);
        using var slow = new CancellationTokenSource(_options.ConnectTimeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(slow.Token, cancellationToken);
        Socket? socket = null;
        try
        {
            socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            if (FileDescriptors.IsOfTheLast(socket))
            {
                throw new SocketException((int)SocketError.TooManyOpenSockets);
            }

            TcpKeepAlive.Set(socket);
            socket.NoDelay = true;
            await socket.ConnectAsync(address, context.DnsEndPoint.Port, either.Token);
            return socket;
        }
        catch (OperationCanceledException e) when (slow.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            socket?.Dispose();
            throw new BackendConnectException("the backend did not accept a connection in time", isSlow: true, e);
        }
        catch (SocketException e)
        {
            socket?.Dispose();
            throw new BackendConnectException($"the backend can't be reached: {e.SocketErrorCode}", e.SocketErrorCode == SocketError.TimedOut, e)
            {
                IsExhausted = e.SocketErrorCode == SocketError.TooManyOpenSockets,
            };
        }
        catch
        {
            socket?.Dispose();
            throw;
        }
    }
}
