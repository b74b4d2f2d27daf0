using System.Globalization;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans;
using Plane.DnsHost;
using Plane.Hosting.Cluster;
using Plane.Hosting.Ready;
using Plane.Silo.Cluster;
using Plane.Tests.Silo;
using Plane.Testing;

namespace Plane.Tests.Acme;

/// <summary>
/// What an authority needs to find challenge values as it does in production: our controller, our DNS server for the zone <c>acme.test</c>, and a resolver that
/// nobody here wrote (unbound) which follows the CNAME of each cluster <c>cN.plane.test</c> into that zone. Clusters beyond the last have no CNAME.
/// </summary>
public sealed class World : IAsyncLifetime, IDisposable
{
    public const string Zone = "acme.test";
    private const int Clusters = 200;

    private readonly TempDirectory _directory = new();
    private Controller _controller = null!;
    private IHost _dns = null!;
    private RunningProgram _resolver = null!;
    private int _next;

    public string Resolver { get; private set; } = "";

    /// <summary>For proxies that are processes of their own.</summary>
    public string Gateway { get; private set; } = "";

    /// <summary>The controller's HTTP API.</summary>
    public Uri Api => _controller.Http.BaseAddress!;

    public ClusterConnection Connection => new(_controller.Services.GetRequiredService<IClusterClient>());

    /// <summary>A cluster that nobody else uses.</summary>
    public string NewCluster() => $"c{Interlocked.Increment(ref _next)}.plane.test";

    public TempDirectory Directory => _directory;

    internal ICertificateGrain Grain(string cluster) => Connection.GetGrain<ICertificateGrain>(GrainKeys.Certificate(ClusterName.Parse(cluster)));

    public async Task InitializeAsync()
    {
        var gateway = FreePort.Next();
        Gateway = $"127.0.0.1:{gateway}";
        _controller = await Controller.StartAsync(
            addSilo: builder => builder.AddPlaneSilo(new ControllerClusterOptions { GatewayPort = gateway }));
        _dns = DnsRole.Build(
            new DnsOptions { Zone = Zone, Host = ["127.0.0.1"], Port = 0, CacheFor = TimeSpan.FromMilliseconds(100) },
            builder => builder.Services.AddSingleton(Connection),
            builder =>
            {
                builder.Logging.ClearProviders();
                builder.Services.Replace(ServiceDescriptor.Singleton<IReadyLine>(new ReadyLine(TextWriter.Null)));
            });
        await _dns.StartAsync();
        var dns = await DnsRole.WhenListeningAsync(_dns);
        var port = FreePort.Next();
        Resolver = $"127.0.0.1:{port}";
        var zone = new StringBuilder("$ORIGIN plane.test.\n$TTL 1\n@ SOA ns.plane.test. hostmaster.plane.test. 1 60 60 60 1\n@ NS ns.plane.test.\nns A 127.0.0.1\n");
        for (var i = 1; i <= Clusters; i++)
        {
            zone.Append(CultureInfo.InvariantCulture, $"_acme-challenge.c{i} CNAME c{i}.plane.test.{Zone}.\n");
        }

        await File.WriteAllTextAsync(_directory["plane.zone"], zone.ToString());
        await File.WriteAllTextAsync(_directory["unbound.conf"], $"""
            server:
              interface: 127.0.0.1
              port: {port}
              do-daemonize: no
              username: ""
              chroot: ""
              directory: "{_directory}"
              pidfile: ""
              use-syslog: no
              logfile: ""
              module-config: "iterator"
              do-not-query-localhost: no
              do-ip6: no
              access-control: 127.0.0.0/8 allow
              cache-max-ttl: 0
              cache-max-negative-ttl: 0
              infra-host-ttl: 1
              use-caps-for-id: yes
              local-zone: "test." nodefault
            remote-control:
              control-enable: no
            stub-zone:
              name: "{Zone}"
              stub-addr: 127.0.0.1@{dns.Port}
            auth-zone:
              name: "plane.test"
              zonefile: "plane.zone"
              for-downstream: no
              for-upstream: yes
            """);
        _resolver = await RunningProgram.StartAsync("/usr/sbin/unbound", ["-d", "-c", _directory["unbound.conf"]]);
        await _resolver.WaitForLineAsync("start of service");
    }

    public async Task DisposeAsync()
    {
        await _resolver.DisposeAsync();
        await _dns.StopAsync();
        _dns.Dispose();
        await _controller.DisposeAsync();
    }

    public void Dispose() => _directory.Dispose();
}

[CollectionDefinition(Name)]
public sealed class WorldTests : ICollectionFixture<World>
{
    public const string Name = "certification authority";
}
