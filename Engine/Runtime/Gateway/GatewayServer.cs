using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans.Activations;
using Orleans.Configuration;
using Orleans.Connections.Security;
using Orleans.Hosting;
using Orleans.Runtime;

namespace Orleans.Gateway;

/// <summary>The gateway: a web server of its own, with one path, that turns each client's WebSocket into a session.</summary>
internal sealed partial class GatewayServer(
    SiloRuntime silo,
    IOptions<EndpointOptions> endpoints,
    IOptions<EmbeddedEngineOptions> engine,
    IOptions<ClusterOptions> cluster,
    EngineMetrics metrics,
    TimeProvider time,
    ILoggerFactory loggers,
    ILogger<GatewayServer> log,
    TlsOptions? tls = null) : IGatewayAddress, IAsyncDisposable
{
    private const int MinSecret = 16;

    private readonly ConcurrentDictionary<GatewaySession, TaskCompletionSource> _sessions = new();
    private readonly CancellationTokenSource _aborted = new();
    private readonly Repeats _refusals = new(time);
    private WebApplication? _app;
    private int _connections;
    private int _disposed;

    /// <summary>Where it listens; null: nowhere.</summary>
    public IPEndPoint? EndPoint { get; private set; }

    /// <exception cref="OrleansConfigurationException">Strangers could call grains.</exception>
    public void Validate()
    {
        var options = engine.Value;
        if (options.SharedSecret is { Length: < MinSecret })
        {
            throw new OrleansConfigurationException($"the gateway's shared secret has fewer than {MinSecret} characters");
        }

        if (endpoints.Value.ListeningGateway is not { } endpoint || IPAddress.IsLoopback(endpoint.Address))
        {
            return;
        }

        var authenticates = options.SharedSecret is not null || tls is { RemoteCertificateMode: RemoteCertificateMode.RequireCertificate };
        if (!authenticates && !options.AllowInsecureGateway)
        {
            throw new OrleansConfigurationException(
                $"the gateway would listen on {endpoint}, beyond loopback, for anyone: a client may call every grain. "
                + "Give it a shared secret, or TLS with client certificates, or accept that with --insecure-gateway");
        }
    }

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (endpoints.Value.ListeningGateway is not { } endpoint)
        {
            return;
        }

        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton(loggers);
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxConcurrentUpgradedConnections = engine.Value.MaxConnections;
            kestrel.Limits.MaxConcurrentConnections = engine.Value.MaxConnections + 100;
            kestrel.Limits.RequestHeadersTimeout = engine.Value.ConnectTimeout;
            kestrel.Limits.MaxRequestBodySize = 0;
            kestrel.Listen(endpoint, listen =>
            {
                listen.Protocols = HttpProtocols.Http1;
                if (tls is not null)
                {
                    listen.UseHttps(Https(tls));
                }
            });
        });
        _app = builder.Build();
        _app.UseWebSockets(new WebSocketOptions { KeepAliveInterval = TimeSpan.Zero });
        _app.Run(ServeAsync);
        try
        {
            await _app.StartAsync(cancellationToken);
        }
        catch (SocketException e)
        {
            // Of an address in use the web server says itself which one it is.
            throw new OrleansConfigurationException($"the gateway cannot listen on {endpoint}: {e.Message}", e);
        }

        var address = _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        EndPoint = new IPEndPoint(endpoint.Address, new Uri(address).Port);
    }

    /// <summary>Tells every client why, and lets it go elsewhere.</summary>
    public async Task CloseConnectionsAsync(string reason)
    {
        var sessions = _sessions.ToArray();
        foreach (var (session, _) in sessions)
        {
            session.End(new WireException(reason, WebSocketCloseStatus.EndpointUnavailable, "stopping"));
        }

        // Bounded by the sessions' own grace; new ones are refused by now.
        await Task.WhenAll(sessions.Select(s => s.Value.Task));
    }

    public void Abort() => _aborted.Cancel();

    public async Task StopAsync()
    {
        if (_app is not null)
        {
            await _aborted.CancelAsync();
            await _app.StopAsync(new CancellationToken(canceled: true));
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        if (_app is not null)
        {
            await _app.DisposeAsync();
        }

        _aborted.Dispose();
    }

    private static HttpsConnectionAdapterOptions Https(TlsOptions tls) => new()
    {
        ServerCertificate = tls.LocalCertificate,
        CheckCertificateRevocation = tls.CheckCertificateRevocation,
        ClientCertificateMode = tls.RemoteCertificateMode switch
        {
            RemoteCertificateMode.RequireCertificate => ClientCertificateMode.RequireCertificate,
            RemoteCertificateMode.AllowCertificate => ClientCertificateMode.AllowCertificate,
            _ => ClientCertificateMode.NoCertificate,
        },
        ClientCertificateValidation = tls.RemoteCertificateValidation is { } validate ? (certificate, chain, errors) => validate(certificate, chain, errors) : null,
    };

    private async Task ServeAsync(HttpContext context)
    {
        if (context.Request.Path != Wire.Path || !context.WebSockets.IsWebSocketRequest)
        {
            Refused(context, "not a client", "http");
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }

        // Every browser tells by it which page asks, and no client of ours sends it. A gateway on loopback trusts this machine, not the pages in its browsers: to them a
        // WebSocket is open whatever its origin.
        if (context.Request.Headers.Origin.Count != 0)
        {
            Refused(context, "a page in a browser is no client", "browser");
            context.Response.StatusCode = StatusCodes.Status403Forbidden;
            return;
        }

        if (silo.Closed is { } closed)
        {
            Refused(context, closed, "closed");
            context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            return;
        }

        if (Interlocked.Increment(ref _connections) > engine.Value.MaxConnections)
        {
            Interlocked.Decrement(ref _connections);
            Refused(context, "too many connections", "full");
            context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            return;
        }

        try
        {
            using var socket = await context.WebSockets.AcceptWebSocketAsync();
            await using var abort = _aborted.Token.UnsafeRegister(static s => ((WebSocket)s!).Abort(), socket);
            if (await ShakeHandsAsync(context, socket))
            {
                await ServeSessionAsync(context, socket);
            }
        }
        finally
        {
            Interlocked.Decrement(ref _connections);
        }
    }

    private async Task<bool> ShakeHandsAsync(HttpContext context, WebSocket socket)
    {
        using var patience = new CancellationTokenSource(engine.Value.ConnectTimeout, time);
        try
        {
            await Handshake.AsSiloAsync(socket, engine.Value, cluster.Value, patience.Token);
            return true;
        }
        catch (WireException e)
        {
            Refused(context, e.Message, e.Kind);
            await CloseAsync(socket, e, patience.Token);
        }
        catch (Exception e) when (e is WebSocketException or OperationCanceledException or IOException)
        {
            Refused(context, "the handshake broke off: " + e.Message, "handshake");
        }

        return false;
    }

    private static async Task CloseAsync(WebSocket socket, WireException reason, CancellationToken patience)
    {
        try
        {
            await WireConnection.SayWhyAsync(socket, reason, patience);
            await WireConnection.DrainAsync(socket, patience);
        }
        catch (Exception e) when (e is WebSocketException or OperationCanceledException or IOException)
        {
            // Gone before it could be told why.
            socket.Abort();
        }
    }

    private async Task ServeSessionAsync(HttpContext context, WebSocket socket)
    {
        await using var wire = new WireConnection(socket, engine.Value, time);
        var session = new GatewaySession(silo, wire, engine.Value, metrics);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _sessions.TryAdd(session, ended);
        metrics.Connected(1);
        try
        {
            if (silo.Closed is { } closed)
            {
                session.End(new WireException(closed, WebSocketCloseStatus.EndpointUnavailable, "stopping"));
            }

            LogConnected(log, Peer(context));
            var reason = await session.RunAsync();
            if (reason.Kind is "closed" or "stopping")
            {
                LogDisconnected(log, Peer(context), reason.Message);
            }
            else
            {
                metrics.Cut(reason.Kind);
                LogCut(log, Peer(context), reason.Message);
            }
        }
        finally
        {
            _sessions.TryRemove(session, out _);
            metrics.Connected(-1);
            ended.TrySetResult();
        }
    }

    private void Refused(HttpContext context, string reason, string kind)
    {
        metrics.Refused(kind);
        // A client that is refused comes again within a second or two, and so do all others.
        if (_refusals.IsNews($"{context.Connection.RemoteIpAddress} {reason}"))
        {
            LogRefused(log, Peer(context), reason);
        }
    }

    private static string Peer(HttpContext context) => $"{context.Connection.RemoteIpAddress}:{context.Connection.RemotePort}";

    [LoggerMessage(7030, LogLevel.Information, "client {Peer} connected")]
    private static partial void LogConnected(ILogger logger, string peer);

    [LoggerMessage(7031, LogLevel.Information, "client {Peer} disconnected: {Reason}")]
    private static partial void LogDisconnected(ILogger logger, string peer, string reason);

    [LoggerMessage(7032, LogLevel.Warning, "client {Peer} was cut: {Reason}")]
    private static partial void LogCut(ILogger logger, string peer, string reason);

    [LoggerMessage(7033, LogLevel.Warning, "connection of {Peer} refused: {Reason}")]
    private static partial void LogRefused(ILogger logger, string peer, string reason);
}
