using System.Net;
using System.Net.Sockets;
using Plane.DnsHost.Check;
using Plane.DnsHost.Protocol;
using Plane.Testing;

namespace Plane.Tests.Dns;

/// <summary>The name server nsd as a process of its own: the public DNS of a test, or a peer to compare with.</summary>
internal sealed class Nsd : IAsyncDisposable
{
    private readonly TempDirectory _directory = new();
    private RunningProgram? _program;

    public IPEndPoint At { get; private set; } = null!;

    /// <param name="address">Where it listens.</param>
    /// <param name="zones">Zone files by name.</param>
    public static async Task<Nsd> StartAsync(IPEndPoint address, params (string Name, string Text)[] zones)
    {
        var nsd = new Nsd { At = address };
        var configuration = $"""
            server:
              ip-address: {address.Address}@{address.Port}
              username: ""
              zonesdir: "{nsd._directory.Path}"
              database: ""
              pidfile: "{nsd._directory["nsd.pid"]}"
              xfrdfile: "{nsd._directory["xfrd.state"]}"
              xfrdir: "{nsd._directory.Path}"
              zonelistfile: "{nsd._directory["zone.list"]}"
              minimal-responses: yes
              hide-version: yes
              rrl-ratelimit: 0
              server-count: 1
            remote-control:
              control-enable: no

            """;
        foreach (var (name, text) in zones)
        {
            var file = nsd._directory[(name == "." ? "root" : name) + ".zone"];
            await File.WriteAllTextAsync(file, text);
            configuration += $"zone:\n  name: {name}\n  zonefile: \"{file}\"\n";
        }

        await File.WriteAllTextAsync(nsd._directory["nsd.conf"], configuration);
        var program = File.Exists("/usr/sbin/nsd") ? "/usr/sbin/nsd" : "nsd";
        nsd._program = await RunningProgram.StartAsync(program, ["-d", "-c", nsd._directory["nsd.conf"]], workingDirectory: nsd._directory.Path);
        var client = new RawDnsClient(TimeProvider.System, TimeSpan.FromMilliseconds(300));
        foreach (var (name, _) in zones)
        {
            await Eventually.SeenAsync(
                t => client.AskAsync(address, name == "." ? default : DomainName.Parse(name), RecordType.Soa, false, Transport.Udp, t),
                o => o.Reply is { Code: ResponseCode.NoError },
                $"nsd answers for {name}. {nsd._program.Transcript()}");
        }

        return nsd;
    }

    /// <summary>An address of loopback with a port that is free there over UDP and TCP.</summary>
    public static IPEndPoint FreeAt(string address)
    {
        using var udp = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        for (var attempt = 0; ; attempt++)
        {
            var at = new IPEndPoint(IPAddress.Parse(address), FreePort.Next());
            try
            {
                udp.Bind(at);
                return at;
            }
            catch (SocketException) when (attempt < 20)
            {
                continue;
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_program is not null)
        {
            await _program.StopAsync();
            await _program.DisposeAsync();
        }

        _directory.Dispose();
    }
}
