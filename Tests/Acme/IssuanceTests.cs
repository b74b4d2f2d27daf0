using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Plane.ProxyHost.Certificates;
using Plane.Tests.Proxy;
using Plane.Testing;
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
        // More than half of all nonces are turned away, and validation takes its time.
        await using var pebble = await Pebble.StartAsync(
            world.Resolver, environment: [("PEBBLE_WFE_NONCEREJECT", "60"), ("PEBBLE_VA_NOSLEEP", ""), ("PEBBLE_VA_SLEEPTIME", "2")]);
        var cluster = world.NewCluster();
        await using var proxy = await TlsProxy.StartAsync(cluster, pebble.For(_directory["certs"]), world.Connection);
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
        Assert.Equal(256, wildcard.GetECDsaPublicKey()?.KeySize);
        await Eventually.SeenAsync(async stop => (await plain.GetAsync("/ready", stop)).StatusCode, s => s == HttpStatusCode.OK, "the proxy is ready");
        Assert.Empty(await world.Grain(cluster).ListTxt(ClusterName.Parse(cluster)));
        await Eventually.SeenAsync(async stop => (await world.Grain(cluster).TryHoldChallenge(ClusterName.Parse(cluster), new ChallengeHold { Owner = "test" }, stop)).Owner, o => o == "test", "the lease was given back");

        Assert.Equal("rwx------", Mode(_directory["certs"]));
        var files = Directory.GetFiles(_directory["certs"]);
        Assert.Equal(2, files.Length);
        Assert.All(files, f => Assert.Equal("rw-------", Mode(f)));
    }

    [Fact]
    public async Task A_certificate_is_renewed_at_two_thirds_of_its_life_while_its_connections_go_on()
    {
        await using var pebble = await Pebble.StartAsync(world.Resolver);
        var time = new ShiftedTime();
        await using var proxy = await TlsProxy.StartAsync(world.NewCluster(), pebble.For(_directory["certs"], Settled), world.Connection, time);
        await using var backend = RawBackend.Answering();
        var token = proxy.Route(backend.Address);
        using var client = await proxy.ClientAsync(await pebble.RootAsync(), HttpVersion.Version11);
        Assert.Equal("ok", await client.GetStringAsync($"/{token.Value}/"));
        using var first = await proxy.HandshakeAsync();

        var life = first.NotAfter - first.NotBefore;
        time.Shift = life * 0.62;
        await Task.Delay(TimeSpan.FromMilliseconds(300));
        using (var before = await proxy.HandshakeAsync())
        {
            Assert.Equal(first.SerialNumber, before.SerialNumber);
        }

        time.Shift = life * 0.68;
        var second = await Eventually.SeenAsync(
            async _ => (await proxy.HandshakeAsync()).SerialNumber, s => s != first.SerialNumber, "the certificate was renewed");
        time.Shift = TimeSpan.Zero;

        // The connection of the first certificate is the one in the pool.
        Assert.Equal("ok", await client.GetStringAsync($"/{token.Value}/"));
        Assert.NotEqual(first.SerialNumber, second);
    }

    [Fact]
    public async Task Authorisations_that_stand_are_not_proved_again()
    {
        await using var pebble = await Pebble.StartAsync(world.Resolver, environment: [("PEBBLE_AUTHZREUSE", "100")]);
        await using var front = await CaFront.StartAsync(pebble);
        var cluster = world.NewCluster();
        await using var proxy = await TlsProxy.StartAsync(cluster, Pebble.Options(front.Directory, _directory["certs"]), world.Connection);
        using var first = await proxy.HandshakeAsync();
        var proofs = front.Count("/chalZ");
        Assert.Equal(2, proofs);
        new CertificateDirectory(_directory["certs"], ClusterName.Parse(cluster), TimeProvider.System).Renew();
        await Eventually.SeenAsync(async _ => (await proxy.HandshakeAsync()).SerialNumber, s => s != first.SerialNumber, "the operator's wish was heard");
        Assert.Equal(proofs, front.Count("/chalZ"));
    }

    [Fact]
    public async Task An_rsa_key_and_another_chain_are_had_on_request()
    {
        await using var pebble = await Pebble.StartAsync(world.Resolver, environment: [("PEBBLE_ALTERNATE_ROOTS", "2"), ("PEBBLE_CHAIN_LENGTH", "2")]);
        var roots = new[] { await pebble.RootAsync(0), await pebble.RootAsync(1), await pebble.RootAsync(2) };
        using var wanted = X509Certificate2.CreateFromPem(roots[2]);
        await using var proxy = await TlsProxy.StartAsync(
            world.NewCluster(),
            pebble.For(_directory["certs"], acme =>
            {
                acme.KeyKind = CertificateKeyKind.Rsa;
                acme.PreferredIssuer = wanted.GetNameInfo(X509NameType.SimpleName, forIssuer: false);
            }),
            world.Connection);
        using var shown = await proxy.HandshakeAsync();
        Assert.Equal(2048, shown.GetRSAPublicKey()?.KeySize);
        await using var backend = RawBackend.Answering();
        var token = proxy.Route(backend.Address);
        using (var trusts = await proxy.ClientAsync(roots[2]))
        {
            Assert.Equal("ok", await trusts.GetStringAsync($"/{token.Value}/"));
        }

        using var other = await proxy.ClientAsync(roots[0]);
        await Assert.ThrowsAsync<HttpRequestException>(() => other.GetStringAsync($"/{token.Value}/"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Two_proxies_that_start_together_take_turns(bool sharedDirectory)
    {
        await using var pebble = await Pebble.StartAsync(world.Resolver);
        await using var front = await CaFront.StartAsync(pebble);
        var cluster = world.NewCluster();
        var proxies = await Task.WhenAll(Enumerable.Range(0, 2).Select(i => TlsProxy.StartAsync(
            cluster, Pebble.Options(front.Directory, _directory[sharedDirectory ? "certs" : $"certs-{i}"], Settled), world.Connection)));
        try
        {
            var shown = await Task.WhenAll(proxies.Select(p => p.HandshakeAsync()));
            Assert.Equal(sharedDirectory, shown[0].SerialNumber == shown[1].SerialNumber);
            var orders = front.Calls.Where(c => !c.Answer.Contains(":badNonce", StringComparison.Ordinal)).Select(c => c.Path).Where(p => p.StartsWith("/order-plz", StringComparison.Ordinal) || p.StartsWith("/certZ", StringComparison.Ordinal))
                .Select(p => p[1]).ToArray();
            Assert.Equal(sharedDirectory ? "oc" : "ococ", new string(orders));
        }
        finally
        {
            foreach (var proxy in proxies)
            {
                await proxy.DisposeAsync();
            }
        }
    }

    [Fact]
    public async Task A_restarted_proxy_goes_on_with_the_order_that_it_had_begun()
    {
        await using var pebble = await Pebble.StartAsync(world.Resolver);
        await using var front = await CaFront.StartAsync(pebble);
        var finalised = new TaskCompletionSource();
        front.Before = call => call.Path.StartsWith("/certZ", StringComparison.Ordinal) || (call.Path.StartsWith("/my-order", StringComparison.Ordinal) && finalised.Task.IsCompleted)
            ? call.AnswerAsync(503, "text/plain", "later", ("Retry-After", "60"))
            : Task.FromResult(false);
        front.After = call =>
        {
            if (call.Path.StartsWith("/finalize-order", StringComparison.Ordinal))
            {
                finalised.TrySetResult();
            }
        };
        var cluster = world.NewCluster();
        var options = Pebble.Options(front.Directory, _directory["certs"]);
        await using (await TlsProxy.StartAsync(cluster, options, world.Connection))
        {
            await Eventually.EndsAsync(finalised.Task, "the order was finalised");
        }

        front.Before = null;
        await using var proxy = await TlsProxy.StartAsync(cluster, options, world.Connection);
        using var shown = await proxy.HandshakeAsync();
        Assert.Equal(1, front.Count("/order-plz"));
    }

    [Fact]
    public async Task The_authoritys_word_on_when_to_renew_is_followed()
    {
        await using var pebble = await Pebble.StartAsync(world.Resolver);
        await using var front = await CaFront.StartAsync(pebble);
        var renew = false;
        front.After = call =>
        {
            if (call.Path == "/dir")
            {
                var directory = JsonNode.Parse(call.Answer)!;
                directory["renewalInfo"] = new Uri(front.Directory, "/renewal").AbsoluteUri;
                call.Answer = directory.ToJsonString();
            }
        };
        front.Before = call =>
        {
            var start = DateTimeOffset.UtcNow.AddDays(renew ? -2 : 20);
            return call.Path.StartsWith("/renewal/", StringComparison.Ordinal)
                ? call.AnswerAsync(
                    200,
                    "application/json",
                    new JsonObject
                    {
                        ["suggestedWindow"] = new JsonObject { ["start"] = start.ToString("O"), ["end"] = start.AddDays(1).ToString("O") },
                        ["explanationURL"] = "https://example.com/why",
                    }.ToJsonString(),
                    ("Retry-After", "120"))
                : Task.FromResult(false);
        };
        var time = new ShiftedTime();
        await using var proxy = await TlsProxy.StartAsync(world.NewCluster(), Pebble.Options(front.Directory, _directory["certs"], Settled), world.Connection, time);
        using var first = await proxy.HandshakeAsync();
        // Not only asked but heard: the pause until it is asked again counts from there.
        await Eventually.TrueAsync(
            () => proxy.Log.Lines.Any(l => l.Contains("https://example.com/why", StringComparison.Ordinal)), "the authority's word was heard");
        Assert.Equal(1, front.Count("/renewal/"));
        var id = front.Calls.First(c => c.Path.StartsWith("/renewal/", StringComparison.Ordinal)).Path["/renewal/".Length..];

        // Asked again as often as it said, and no sooner.
        renew = true;
        time.Shift = TimeSpan.FromSeconds(121);
        await Eventually.SeenAsync(async _ => (await proxy.HandshakeAsync()).SerialNumber, s => s != first.SerialNumber, "the certificate was renewed as suggested");
        renew = false;
        Assert.Contains(front.Calls, c => c.Path == "/order-plz" && c.Payload?["replaces"]?.ToString() == id);
    }

    [Fact]
    public async Task A_certificate_is_revoked_and_an_account_key_changed_by_the_operator()
    {
        await using var pebble = await Pebble.StartAsync(world.Resolver);
        var cluster = world.NewCluster();
        var configure = pebble.For(_directory["certs"], Settled);
        await using var proxy = await TlsProxy.StartAsync(cluster, configure, world.Connection);
        using var first = await proxy.HandshakeAsync();
        var directory = new CertificateDirectory(_directory["certs"], ClusterName.Parse(cluster), TimeProvider.System);
        var account = File.ReadAllText(Directory.GetFiles(_directory["certs"], "account-*").Single());
        await directory.ChangeAccountKeyAsync(proxy.Options.Acme, CancellationToken.None);
        Assert.NotEqual(account, File.ReadAllText(Directory.GetFiles(_directory["certs"], "account-*").Single()));

        // With the new key, whose account is the old one: another's certificate can't be revoked.
        await directory.RevokeAsync(proxy.Options.Acme, 4, CancellationToken.None);
        Assert.Equal("Revoked", await pebble.StatusAsync(first.SerialNumber));
        await Eventually.SeenAsync(async _ => (await proxy.HandshakeAsync()).SerialNumber, s => s != first.SerialNumber, "another certificate was ordered");
    }

    // Where an order follows another, the values of the first must have left every cache. The world's are shorter than by default, and so is the wait.
    private static void Settled(AcmeOptions acme) => acme.Settle = TimeSpan.FromSeconds(1.3);

    private static string Mode(string path)
    {
        var mode = (int)File.GetUnixFileMode(path);
        return string.Concat(Enumerable.Range(0, 9).Select(i => ((mode >> (8 - i)) & 1) == 1 ? "rwx"[i % 3] : '-'));
    }
}
