using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Plane.Hosting.Configuration;
using Plane.Hosting;

namespace Plane.ProxyHost.ProxyProtocol;

/// <summary>
/// Takes the client's address from the PROXY header of a connection that comes from a trusted network. There each connection must begin with one: a listener that guesses lets a client say where
/// it comes from. What comes from elsewhere is served as it is, so that a header in it is a malformed request.
/// </summary>
internal sealed partial class ProxyProtocolMiddleware
{
    private static readonly TimeSpan s_headerLimit = TimeSpan.FromSeconds(10);

    private readonly IPNetwork[] _trusted;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Lock _gate = new();
    private readonly Outage _refused;

    public ProxyProtocolMiddleware(ProxyOptions options, TimeProvider time, ILogger<ProxyProtocolMiddleware> logger)
    {
        (_trusted, _time, _logger) = ([.. options.TrustedProxies.Select(n => TrustedProxies.TryParse(n, out var network) ? network : throw new UsageException($"--trusted-proxies {TrustedProxies.Rule}"))], time, logger);
        _refused = new Outage(time);
    }

    /// <summary>Puts it before everything else that reads the listener's connections, TLS among them.</summary>
    public static void AddTo(ListenOptions listen) => listen.Use(next =>
    {
        var middleware = listen.ApplicationServices.GetRequiredService<ProxyProtocolMiddleware>();
        return connection => middleware.OnConnectionAsync(connection, next);
    });

    private async Task OnConnectionAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        if (connection.RemoteEndPoint is IPEndPoint peer && IsTrusted(peer.Address))
        {
            if (await TryReadAsync(connection) is not { } header)
            {
                Refuse(connection, peer.Address);
                return;
            }

            connection.RemoteEndPoint = header.Source ?? connection.RemoteEndPoint;
            connection.LocalEndPoint = header.Destination ?? connection.LocalEndPoint;
        }

        await next(connection);
    }

    private bool IsTrusted(IPAddress address)
    {
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        return Array.Exists(_trusted, network => network.BaseAddress.AddressFamily == plain.AddressFamily && network.Contains(plain));
    }

    private async Task<ProxyHeader?> TryReadAsync(ConnectionContext connection)
    {
        using var late = new CancellationTokenSource(s_headerLimit, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, connection.ConnectionClosed);
        var input = connection.Transport.Input;
        try
        {
            while (true)
            {
                var result = await input.ReadAsync(either.Token);
                switch (ProxyHeader.TryRead(result.Buffer, out var header, out var end))
                {
                    case ProxyHeaderOutcome.Valid:
                        input.AdvanceTo(end);
                        return header;
                    case ProxyHeaderOutcome.Incomplete when !result.IsCompleted:
                        input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
                        break;
                    default:
                        input.AdvanceTo(result.Buffer.Start);
                        return null;
                }
            }
        }
        catch (Exception e) when (e is OperationCanceledException or ConnectionResetException or SocketException)
        {
            return null;
        }
    }

    private void Refuse(ConnectionContext connection, IPAddress peer)
    {
        bool isNews;
        lock (_gate)
        {
            isNews = _refused.ShouldLog(peer.ToString());
        }

        if (isNews)
        {
            LogRefused(peer);
        }

        connection.Abort(new ConnectionAbortedException("the connection did not begin with a PROXY header"));
    }

    [LoggerMessage(EventIds.ProxyProtocolRefused, LogLevel.Warning, "A connection from {Peer}, a trusted proxy, did not begin with a PROXY header and was closed: let it send one, or run without --proxy-protocol")]
    private partial void LogRefused(IPAddress peer);
}
