using Plane.Testing;
using Plane.Tests.Tls;

namespace Plane.Tests.Acme;

/// <summary>Another ACME client gets a certificate through our DNS server, and the proxy serves it from that client's files.</summary>
[Collection(WorldTests.Name)]
public sealed class CertbotTests(World world) : IDisposable
{
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task Certbot_sets_the_values_by_our_command_and_the_proxy_serves_what_it_got()
    {
        // It rejects one nonce in twenty to try its clients, and this one gives up at the second in a row.
        await using var pebble = await Pebble.StartAsync(world.Resolver, environment: [("PEBBLE_WFE_NONCEREJECT", "0")]);
        var cluster = world.NewCluster();
        var plane = $"{Checkout.Dotnet} {Checkout.Cli} dns txt";
        var (code, lines) = await RunningProgram.RunAsync(
            "certbot",
            [
                "certonly", "--non-interactive", "--agree-tos", "--no-eff-email", "-m", "ops@example.com", "--server", pebble.Directory.AbsoluteUri,
                "--config-dir", _directory["config"], "--work-dir", _directory["work"], "--logs-dir", _directory["logs"],
                "--manual", "--preferred-challenges", "dns",
                "--manual-auth-hook", $"{plane} set --cluster {cluster} --owner certbot --add -- $CERTBOT_VALIDATION",
                "--manual-cleanup-hook", $"{plane} clear --cluster {cluster} --owner certbot",
                "-d", cluster, "-d", "*." + cluster,
            ],
            environment: new Dictionary<string, string?>
            {
                ["REQUESTS_CA_BUNDLE"] = Loopback.CaFile,
                ["PLANE_CONTROLLER"] = world.Api.AbsoluteUri,
                ["NO_PROXY"] = "127.0.0.1,localhost",
            },
            deadline: TimeSpan.FromSeconds(60));
        Assert.True(code == 0, string.Join('\n', lines));
        Assert.Empty(await world.Grain(cluster).ListTxt(ClusterName.Parse(cluster)));

        var live = Path.Combine(_directory["config"], "live", cluster);
        await using var proxy = await TlsProxy.StartAsync(cluster, o => (o.Cert, o.Key) = (Path.Combine(live, "fullchain.pem"), Path.Combine(live, "privkey.pem")));
        using var shown = await proxy.HandshakeAsync("any." + cluster);
        Assert.True(shown.MatchesHostname("any." + cluster));
    }
}
