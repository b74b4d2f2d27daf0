using System.Net;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;
using Plane.Tests.Proxy;
using Plane.Tests.Support;
using Plane.Tests.Tls;

namespace Plane.Tests.Acme;

/// <summary>A proxy and an authority, from nothing to traffic and on to renewal.</summary>
[Collection(WorldTests.Name)]
public sealed class IssuanceTests(World world) : IDisposable
{
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task A_certificate_for_the_cluster_and_its_wildcard_is_ordered_stored_and_served()
    {
        // Half of all nonces are turned away, and validation takes its time.
        await using var pebble = await Pebble.StartAsync(
            world.Resolver, environment: [("PEBBLE_WFE_NONCEREJECT", "60"), ("PEBBLE_VA_NOSLEEP", ""), ("PEBBLE_VA_SLEEPTIME", "2")]);
        var cluster = world.NewCluster();
        await using var proxy = await TlsProxy.StartAsync(cluster, pebble.For(_directory["certs"]), world.Client);
        await using var backend = RawBackend.Answering();
        var token = proxy.Route(backend.Address);

        using var plain = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false }) { BaseAddress = proxy.Plain };
        var early = await plain.GetAsync("/ready");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, early.StatusCode);
        Assert.Contains("HTTPS is closed: ", await early.Content.ReadAsStringAsync(), StringComparison.Ordinal);

        using var client = await proxy.ClientAsync(await pebble.RootAsync());
        Assert.Equal("ok", await client.GetStringAsync($"/{token.Value}/"));
        using var wildcard = await proxy.HandshakeAsync("sub." + cluster);
        Assert.True(wildcard.MatchesHostname("sub." + cluster));
        Assert.Equal("ecdsa-p256", Kind(wildcard));
        Assert.Equal(HttpStatusCode.OK, (await plain.GetAsync("/ready")).StatusCode);
        Assert.Empty(await world.Grain(cluster).ListTxt(ClusterName.Parse(cluster)));
        await Eventually.SeenAsync(async _ => (await world.Grain(cluster).ReadChallenge(ClusterName.Parse(cluster)))?.Owner, o => o is null, "the lease was given back");

        Assert.Equal("rwx------", Mode(_directory["certs"]));
        var files = Directory.GetFiles(_directory["certs"]);
        Assert.Equal(2, files.Length);
        Assert.All(files, f => Assert.Equal("rw-------", Mode(f)));
    }

    private static string Kind(X509Certificate2 certificate) => certificate.GetECDsaPublicKey() is { } key ? $"ecdsa-p{key.KeySize}" : "rsa";

    private static string Mode(string path)
    {
        var mode = File.GetUnixFileMode(path);
        return string.Concat(Enumerable.Range(0, 9).Select(i => ((int)mode >> (8 - i) & 1) == 1 ? "rwx"[i % 3] : '-'));
    }
}
