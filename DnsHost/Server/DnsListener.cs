using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Plane.Hosting.Running;

namespace Plane.DnsHost.Server;

/// <summary>Binds the addresses, UDP and TCP on one port, and owns what serves them.</summary>
internal sealed partial class DnsListener(
    DnsResponder responder, RateLimiter limiter, Zone zone, DnsOptions options, IMeterFactory meters, TimeProvider time, ILogger<DnsListener> logger)
    : IHostedService, IAsyncDisposable
{
    /// <summary>Room for questions that come while the threads are at work; the kernel may give less.</summary>
    private const int ReceiveBuffer = 1 << 22;

    private readonly List<IAsyncDisposable> _servers = [];
    private readonly TaskCompletionSource<IPEndPoint> _bound = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Where it listens, once it does: the first address.</summary>
    public Task<IPEndPoint> Bound => _bound.Task;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        var sockets = BindAll();
        foreach (var (udp, tcp) in sockets)
        {
            var udpServer = new UdpServer(udp, responder, limiter, meters, logger);
            var tcpServer = new TcpServer(tcp, responder, options, time, logger);
            _servers.Add(udpServer);
            _servers.Add(tcpServer);
            udpServer.Start();
            tcpServer.Start();
            LogListening(logger, options.Zone, (IPEndPoint)tcp.LocalEndPoint!);
        }

        foreach (var server in zone.Servers.Where(s => s.Name.IsInZone && s.Addresses.Count == 0))
        {
            LogNoAddress(logger, server.Name.Name.ToString().TrimEnd('.'));
        }

        _bound.SetResult((IPEndPoint)sockets[0].Tcp.LocalEndPoint!);
        return Task.CompletedTask;
    }

    public async Task StopAsync(CancellationToken cancellationToken) => await DisposeAsync();

    public async ValueTask DisposeAsync()
    {
        foreach (var server in _servers)
        {
            await server.DisposeAsync();
        }

        _servers.Clear();
    }

    private List<(Socket Udp, Socket Tcp)> BindAll()
    {
        // With port 0 the port that is free for the first socket may be taken for another: try again.
        for (var attempt = 0; ; attempt++)
        {
            var bound = new List<(Socket Udp, Socket Tcp)>();
            var port = options.Port;
            IPEndPoint at = null!;
            try
            {
                foreach (var host in options.Host)
                {
                    at = new IPEndPoint(Address(host), port);
                    bound.Add(Bind(at));
                    port = ((IPEndPoint)bound[^1].Tcp.LocalEndPoint!).Port;
                }

                return bound;
            }
            catch (SocketException e)
            {
                foreach (var (udp, tcp) in bound)
                {
                    udp.Dispose();
                    tcp.Dispose();
                }

                if (options.Port != 0 || attempt >= 20)
                {
                    throw new StartRefusedException(Explain(at, e), e);
                }
            }
        }
    }

    private static string Explain(IPEndPoint at, SocketException e) => e.SocketErrorCode switch
    {
        SocketError.AccessDenied =>
            $"cannot listen on {at}: a port below 1024 needs root or the capability CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities; Docker has it)",
        SocketError.AddressAlreadyInUse =>
            $"cannot listen on {at}: another program does (ss -lnup 'sport = :{at.Port}' shows it); where it is a resolver of this machine on 127.0.0.53, give --host with the address that the world asks",
        SocketError.AddressNotAvailable => $"cannot listen on {at}: this machine does not have the address; see ip address",
        _ => $"cannot listen on {at}: {e.Message}",
    };

    // A machine without IPv6 still has the default.
    private static IPAddress Address(string host)
    {
        var address = IPAddress.Parse(host);
        return address.Equals(IPAddress.IPv6Any) && !Socket.OSSupportsIPv6 ? IPAddress.Any : address;
    }

    private static (Socket Udp, Socket Tcp) Bind(IPEndPoint at)
    {
        var tcp = new Socket(at.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        var udp = new Socket(at.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            if (at.AddressFamily == AddressFamily.InterNetworkV6)
            {
                // The any-address serves both families; a single one is of its own family, and IPv4's may be named beside it.
                tcp.DualMode = udp.DualMode = at.Address.Equals(IPAddress.IPv6Any);
            }

            tcp.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            tcp.Bind(at);
            tcp.Listen(128);
            udp.ReceiveBufferSize = ReceiveBuffer;
            udp.Bind(new IPEndPoint(at.Address, ((IPEndPoint)tcp.LocalEndPoint!).Port));
            return (udp, tcp);
        }
        catch (SocketException)
        {
            tcp.Dispose();
            udp.Dispose();
            throw;
        }
    }

    [LoggerMessage(EventId = EventIds.DnsListenerListening, Level = LogLevel.Information, Message = "Answering for zone {Zone} on {Address}, UDP and TCP")]
    private static partial void LogListening(ILogger logger, string zone, IPEndPoint address);

    [LoggerMessage(
        EventId = EventIds.DnsListenerNoAddress,
        Level = LogLevel.Warning,
        Message = "The name server {NameServer} is in the zone, and no address is known for it: give it as --name-server {NameServer}=ADDRESS, or resolvers that check its address will not come")]
    private static partial void LogNoAddress(ILogger logger, string nameServer);
}
