using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Plane.DnsHost;
using Plane.DnsHost.Check;
using Plane.DnsHost.Protocol;
using Plane.DnsHost.Server;
using Plane.Testing;

namespace Plane.Tests.Dns;

/// <summary>The DNS server in this process, on free ports of loopback, with a controller of the test's.</summary>
internal sealed class DnsServer : IAsyncDisposable
{
    public const string Zone = "acme.test";

    private readonly IHost _host;

    private DnsServer(IHost host, Controller controller)
    {
        _host = host;
        Controller = controller;
    }

    public Controller Controller { get; }

    public IPEndPoint At { get; private set; } = null!;

    public static DnsOptions Options(Action<DnsOptions>? change = null)
    {
        var options = new DnsOptions
        {
            Zone = Zone,
            Host = ["127.0.0.1"],
            Port = 0,
            RateLimit = 0,
            NameServer = ["ns.acme.test=192.0.2.53", "ns.acme.test=2001:db8::53", "ns2.example.net"],
            Hostmaster = "dns.admin@example.net",
        };
        change?.Invoke(options);
        return options;
    }

    public static async Task<DnsServer> StartAsync(Action<DnsOptions>? change = null, Controller? controller = null)
    {
        controller ??= Controller.Make();
        var host = DnsRole.Build(Options(change), b => b.Services.AddSingleton(controller.Connection));
        var server = new DnsServer(host, controller);
        await host.StartAsync();
        server.At = await DnsRole.WhenListeningAsync(host);
        return server;
    }

    /// <summary>A responder alone.</summary>
    public static (DnsResponder Responder, Controller Controller) Responder(Action<DnsOptions>? change = null)
    {
        var controller = Controller.Make();
        var host = DnsRole.Build(Options(change), b => b.Services.AddSingleton(controller.Connection));
        return (host.Services.GetRequiredService<DnsResponder>(), controller);
    }

    public async Task<DnsReply> AskAsync(string name, RecordType type, Transport transport = Transport.Any)
    {
        var outcome = await new RawDnsClient(TimeProvider.System, TimeSpan.FromSeconds(60))
            .AskAsync(At, DomainName.Parse(name), type, recursive: false, transport, default);
        Assert.True(outcome.Reply is not null, outcome.Problem);
        return outcome.Reply!;
    }

    public UdpClient Udp()
    {
        var socket = new UdpClient(At.AddressFamily);
        socket.Connect(At);
        return socket;
    }

    public async Task<NetworkStream> TcpAsync()
    {
        var socket = new Socket(At.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(At);
        return new NetworkStream(socket, ownsSocket: true);
    }

    public async ValueTask DisposeAsync()
    {
        await Eventually.EndsAsync(_host.StopAsync(), "the server stops");
        await ((IAsyncDisposable)_host).DisposeAsync();
    }
}
