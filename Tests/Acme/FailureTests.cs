using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Text.Json.Nodes;
using Plane.ProxyHost.Certificates;
using Plane.Testing;
using Plane.Tests.Tls;

namespace Plane.Tests.Acme;

/// <summary>What goes wrong between a proxy and an authority: each is told in words that help, and none takes away what is served.</summary>
[Collection(WorldTests.Name)]
public sealed class FailureTests(World world) : IDisposable
{
    private const string Kid = "kid-1";
    private const string BindingKey = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";

    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task An_external_account_binding_is_made_where_the_authority_demands_one()
    {
        await using var pebble = await PebbleWithBindingAsync();
        await File.WriteAllTextAsync(_directory["eab"], BindingKey + "\n");
        await using var proxy = await TlsProxy.StartAsync(
            world.NewCluster(), pebble.For(_directory["certs"], a => (a.EabKid, a.EabKeyFile) = (Kid, _directory["eab"])), world.Connection);
        using var shown = await proxy.HandshakeAsync();
        Assert.True(shown.MatchesHostname(proxy.Host));
    }

    [Theory]
    [InlineData(null, "external account binding: get a key from it and set --acme-eab-kid")]
    [InlineData("b10lLJs8l1GPIzsLP0s6pMt8O0XVGnfTaCeROxQM0BIt2XrJMDHJZBM5NuQmQJQH", "external account binding")]
    public async Task A_missing_or_wrong_binding_is_told(string? key, string message)
    {
        await using var pebble = await PebbleWithBindingAsync();
        await File.WriteAllTextAsync(_directory["eab"], key ?? "");
        await using var proxy = await TlsProxy.StartAsync(
            world.NewCluster(),
            pebble.For(_directory["certs"], a => (a.EabKid, a.EabKeyFile) = key is null ? (null, null) : (Kid, _directory["eab"])),
            world.Connection);
        await ToldAsync(proxy, message);
    }

    [Fact]
    public async Task An_order_that_can_not_be_validated_is_told_with_the_record_and_does_not_count()
    {
        await using var pebble = await Pebble.StartAsync(world.Resolver);
        var cluster = $"nocname{Guid.NewGuid():N}.plane.test";
        var outcomes = new ConcurrentBag<string?>();
        using var listener = new MeterListener { InstrumentPublished = (i, l) => { if (i.Name == "plane.acme.orders") { l.EnableMeasurementEvents(i); } } };
        listener.SetMeasurementEventCallback<long>((_, _, tags, _) => outcomes.Add(tags[0].Value?.ToString()));
        listener.Start();
        await using var proxy = await TlsProxy.StartAsync(cluster, pebble.For(_directory["certs"], a => a.WeeklyLimit = 1), world.Connection);
        await ToldAsync(proxy, $"_acme-challenge.{cluster}");

        // With a limit of one a week the second try is only made if the first was not counted.
        await Eventually.TrueAsync(() => proxy.Log.Lines.Count(l => l.Contains(" 6710 ", StringComparison.Ordinal) && l.Contains("could not validate", StringComparison.Ordinal)) >= 2, "a second try failed alike");
        Assert.DoesNotContain("issued", outcomes.Where(o => o is "unauthorized" or "dns"));
        Assert.Contains(outcomes, o => o is "unauthorized" or "dns");
        Assert.Empty(await world.Grain(cluster).ListTxt(ClusterName.Parse(cluster)));
    }

    [Fact]
    public async Task An_authority_that_comes_late_and_leaves_in_the_middle_is_waited_for()
    {
        await using var pebble = await Pebble.StartAsync(world.Resolver);
        await using var front = await CaFront.StartAsync(pebble);
        var away = true;
        var failures = 0;
        front.Before = async call =>
        {
            if (away)
            {
                call.Context.Abort();
                return true;
            }

            // Every poll of an authorisation is lost twice before one is answered.
            return call.Path.StartsWith("/authZ", StringComparison.Ordinal) && Interlocked.Increment(ref failures) % 3 != 0 && failures > 2
                && await call.AnswerAsync(503, "text/html", "<html>overloaded</html>", ("Replay-Nonce", ""));
        };
        await using var proxy = await TlsProxy.StartAsync(world.NewCluster(), Pebble.Options(front.Directory, _directory["certs"]), world.Connection);
        await ToldAsync(proxy, "can't be reached");
        away = false;
        using var shown = await proxy.HandshakeAsync();
        Assert.Equal(1, front.Count("/order-plz"));
    }

    [Fact]
    public async Task The_weekly_limit_holds_over_all_proxies_of_the_cluster()
    {
        await using var pebble = await Pebble.StartAsync(world.Resolver);
        await using var front = await CaFront.StartAsync(pebble);
        var cluster = world.NewCluster();
        await using var first = await TlsProxy.StartAsync(cluster, Pebble.Options(front.Directory, _directory["a"], a => a.WeeklyLimit = 1), world.Connection);
        using var shown = await first.HandshakeAsync();
        await using var second = await TlsProxy.StartAsync(cluster, Pebble.Options(front.Directory, _directory["b"], a => a.WeeklyLimit = 1), world.Connection);
        await ToldAsync(second, "the most that --acme-weekly-limit allows");
        await Eventually.SeenAsync(
            () => new CertificateStore(_directory["b"], ClusterName.Parse(cluster)).ReadFailure()?.Reason ?? "", r => r.Contains("--acme-weekly-limit", StringComparison.Ordinal), "it is noted for plane cert show");
        Assert.Equal(1, front.Count("/order-plz"));
    }

    [Fact]
    public async Task A_limit_of_the_authoritys_is_kept_to()
    {
        await using var front = await CaFront.StartAsync(null);
        front.Before = call => call.Path switch
        {
            "/dir" => call.AnswerAsync(200, "application/json", Hostile.Directory(front.Directory)),
            "/nonce" => call.AnswerAsync(200, "text/plain", ""),
            "/account" => call.AnswerAsync(201, "application/json", """{"status":"valid","contact":["mailto:ops@example.com"]}""", ("Location", new Uri(front.Directory, "/acct/1").AbsoluteUri)),
            _ => call.ProblemAsync(429, "rateLimited", "too many certificates already issued", ("Retry-After", "3600")),
        };
        await using var proxy = await TlsProxy.StartAsync(world.NewCluster(), Pebble.Options(front.Directory, _directory["certs"]), world.Connection);
        await ToldAsync(proxy, "rateLimited: too many certificates already issued");
        Assert.Contains(proxy.Log.Lines, l => l.Contains("the next try is in 3600 s", StringComparison.Ordinal));
        await Eventually.TrueAsync(() => front.Count("/order") == 1, "the order was refused once");
    }

    [Fact]
    public async Task An_order_that_may_have_been_carried_out_is_gone_on_with_and_stays_counted()
    {
        await using var front = await CaFront.StartAsync(null);
        var order = new JsonObject
        {
            ["status"] = "ready",
            ["finalize"] = new Uri(front.Directory, "/finalize").AbsoluteUri,
            ["authorizations"] = new JsonArray(new Uri(front.Directory, "/authorization").AbsoluteUri),
        }.ToJsonString();
        front.Before = call => call.Path switch
        {
            "/dir" => call.AnswerAsync(200, "application/json", Hostile.Directory(front.Directory)),
            "/nonce" => call.AnswerAsync(200, "text/plain", ""),
            "/account" => call.AnswerAsync(201, "application/json", """{"status":"valid","contact":["mailto:ops@example.com"]}""", ("Location", new Uri(front.Directory, "/acct/1").AbsoluteUri)),
            "/order" => call.AnswerAsync(201, "application/json", order, ("Location", new Uri(front.Directory, "/made/1").AbsoluteUri)),
            "/finalize" => call.AnswerAsync(200, "application/json", order),
            _ => call.AnswerAsync(200, "text/html", "<html>Maintenance</html>"),
        };
        await using var proxy = await TlsProxy.StartAsync(world.NewCluster(), Pebble.Options(front.Directory, _directory["certs"], a => a.WeeklyLimit = 1), world.Connection);
        await ToldAsync(proxy, "not JSON: is it an ACME server?");
        await Eventually.TrueAsync(() => proxy.Log.Lines.Count(l => l.Contains(" 6701 ", StringComparison.Ordinal)) >= 2, "the proxy goes on with the order, and again");
        Assert.Equal(1, front.Calls.Count(c => c.Path == "/order"));
    }

    [Fact]
    public async Task An_operators_wish_does_not_wait_for_the_pause_after_a_failure()
    {
        await using var front = await CaFront.StartAsync(null);
        var cluster = world.NewCluster();
        front.Before = call => Hostile.AnswerAsync("order-invalid", call, front.Directory, cluster);
        await using var proxy = await TlsProxy.StartAsync(
            cluster, Pebble.Options(front.Directory, _directory["certs"], a => a.RetryAfter = TimeSpan.FromHours(2)), world.Connection);
        await ToldAsync(proxy, "the authority gave the order up");
        var directory = new Plane.ProxyHost.Certificates.CertificateDirectory(_directory["certs"], ClusterName.Parse(cluster), TimeProvider.System);
        for (var orders = 2; orders <= 3; orders++)
        {
            // One wish, one try: what failed once more waits as before, until the next wish.
            directory.Renew();
            await Eventually.SeenAsync(
                () => (front.Calls.Count(c => c.Path == "/order"), proxy.Log.Lines.Count(l => l.Contains(" 6710 ", StringComparison.Ordinal))),
                s => s == (orders, orders),
                "the wish was tried and failed");
        }
    }

    [Theory]
    [MemberData(nameof(Hostile.Cases), MemberType = typeof(Hostile))]
    public async Task An_authority_that_answers_nonsense_is_told_and_survived(string name, string message)
    {
        await using var front = await CaFront.StartAsync(null);
        var cluster = world.NewCluster();
        front.Before = call => Hostile.AnswerAsync(name, call, front.Directory, cluster);
        await using var proxy = await TlsProxy.StartAsync(cluster, Pebble.Options(front.Directory, _directory["certs"], a => a.RequestTimeout = TimeSpan.FromSeconds(2)), world.Connection);
        await ToldAsync(proxy, message);
    }

    private static async Task ToldAsync(TlsProxy proxy, string message)
    {
        await Eventually.SeenAsync(
            () => string.Join('\n', proxy.Log.Lines.Where(l => l.Contains(" 671", StringComparison.Ordinal)).TakeLast(3)),
            l => l.Contains(message, StringComparison.Ordinal),
            $"the log tells: {message}");
        Assert.Contains("HTTPS is closed", proxy.Status.NotReadyBecause ?? "", StringComparison.Ordinal);
        Assert.DoesNotContain(proxy.Log.Lines, l => l.Contains("CertificateRenewalService 6711 ", StringComparison.Ordinal));
    }

    private Task<Pebble> PebbleWithBindingAsync() => Pebble.StartAsync(
        world.Resolver,
        settings: new JsonObject { ["externalAccountBindingRequired"] = true, ["externalAccountMACKeys"] = new JsonObject { [Kid] = BindingKey } });
}

/// <summary>An authority that answers what none should.</summary>
public static class Hostile
{
    public static TheoryData<string, string> Cases { get; } = new()
    {
        { "html", "not JSON: is it an ACME server?" },
        { "junk", "JSON that is no directory of ACME" },
        { "array", "JSON that is no directory of ACME" },
        { "deep", "JSON that is no directory of ACME" },
        { "nothing", "names no newNonce, newAccount or newOrder" },
        { "plain-http", "which is not an https URL" },
        { "redirect", "redirects of an authority are not followed" },
        { "huge", "answered more than 1 MiB" },
        { "endless", "answered more than 1 MiB" },
        { "silent", "did not answer within 2 s" },
        { "no-nonce", "answered without a nonce" },
        { "bad-nonce-forever", "badNonce" },
        { "no-account-location", "without the account's address" },
        { "deactivated", "deactivated or revoked" },
        { "html-404", "answered 404 with text/html: is it an ACME server?" },
        { "problem-with-controls", "malformed: line one line two" },
        { "no-authorizations", "names no authorizations" },
        { "other-name", "wants evil.example authorised, which was not ordered" },
        { "no-dns", "offers no dns-01 challenge" },
        { "token-with-path", "offers no dns-01 challenge" },
        { "no-certificate-url", "names no address for certificate" },
        { "chain-is-html", "in place of a certificate chain" },
        { "chain-is-junk", "holds no certificate" },
        { "other-key", "for another key than ours" },
        { "order-invalid", "the authority gave the order up: caa: forbidden" },
    };

    public static string Directory(Uri url) => new JsonObject
    {
        ["newNonce"] = new Uri(url, "/nonce").AbsoluteUri,
        ["newAccount"] = new Uri(url, "/account").AbsoluteUri,
        ["newOrder"] = new Uri(url, "/order").AbsoluteUri,
    }.ToJsonString();

    internal static async Task<bool> AnswerAsync(string name, CaCall call, Uri directory, string host)
    {
        string At(string path) => new Uri(directory, path).AbsoluteUri;
        const string Json = "application/json";
        switch (call.Path)
        {
            case "/dir":
                return name switch
                {
                    "html" => await call.AnswerAsync(200, "text/html", "<html><body>Welcome</body></html>"),
                    "junk" => await call.AnswerAsync(200, Json, "{\"newNonce\": \u0000"),
                    "array" => await call.AnswerAsync(200, Json, "[1, 2, 3]"),
                    "deep" => await call.AnswerAsync(200, Json, string.Concat(Enumerable.Repeat("{\"meta\":", 5000))),
                    "nothing" => await call.AnswerAsync(200, Json, "{}"),
                    "plain-http" => await call.AnswerAsync(200, Json, Directory(new Uri("http://127.0.0.1:1/dir"))),
                    "redirect" => await call.AnswerAsync(302, Json, "", ("Location", "https://127.0.0.1:1/")),
                    "huge" => await call.AnswerAsync(200, Json, "\"" + new string('a', 3 * 1024 * 1024) + "\""),
                    "endless" => await EndlessAsync(call),
                    "silent" => await SilentAsync(call),
                    "html-404" => await call.AnswerAsync(404, "text/html", "<html>no</html>"),
                    "no-nonce" => await call.AnswerAsync(200, Json, Directory(directory), ("Replay-Nonce", "")),
                    _ => await call.AnswerAsync(200, Json, Directory(directory)),
                };
            case "/nonce":
                return name == "no-nonce"
                    ? await call.AnswerAsync(200, "text/plain", "", ("Replay-Nonce", ""))
                    : await call.AnswerAsync(200, "text/plain", "");
            case "/account":
                return name switch
                {
                    "bad-nonce-forever" => await call.ProblemAsync(400, "badNonce", "not that one"),
                    "no-account-location" => await call.AnswerAsync(201, Json, """{"status":"valid"}"""),
                    "deactivated" => await call.AnswerAsync(200, Json, """{"status":"deactivated"}""", ("Location", At("/acct/1"))),
                    "problem-with-controls" => await call.ProblemAsync(400, "malformed", "line one\nline two\u001b[31m"),
                    _ => await call.AnswerAsync(201, Json, """{"status":"valid","contact":["mailto:ops@example.com"]}""", ("Location", At("/acct/1"))),
                };
            case "/order":
                var order = new JsonObject { ["status"] = "pending", ["finalize"] = At("/finalize"), ["authorizations"] = new JsonArray(At("/authorization")) };
                if (name == "no-authorizations")
                {
                    order.Remove("authorizations");
                }

                if (name is "no-certificate-url" or "chain-is-html" or "chain-is-junk" or "other-key")
                {
                    order["status"] = "valid";
                    order["certificate"] = name == "no-certificate-url" ? null : At("/certificate");
                }

                if (name == "order-invalid")
                {
                    order["status"] = "invalid";
                    order["error"] = new JsonObject { ["type"] = "urn:ietf:params:acme:error:caa", ["detail"] = "forbidden" };
                }

                return await call.AnswerAsync(201, Json, order.ToJsonString(), ("Location", At("/order/1")));
            case "/authorization":
                return await call.AnswerAsync(200, Json, new JsonObject
                {
                    ["status"] = "pending",
                    ["identifier"] = new JsonObject { ["type"] = "dns", ["value"] = name == "other-name" ? "evil.example" : host },
                    ["challenges"] = name == "no-dns"
                        ? new JsonArray(new JsonObject { ["type"] = "http-01", ["url"] = At("/challenge"), ["token"] = "abc" })
                        : new JsonArray(new JsonObject { ["type"] = "dns-01", ["url"] = At("/challenge"), ["token"] = "../../etc/passwd" }),
                }.ToJsonString());
            case "/certificate":
                return name switch
                {
                    "chain-is-html" => await call.AnswerAsync(200, "text/html", "<html>your certificate</html>"),
                    "chain-is-junk" => await call.AnswerAsync(200, "application/pem-certificate-chain", "-----BEGIN NOTHING-----"),
                    _ => await call.AnswerAsync(200, "application/pem-certificate-chain", Loopback.Certificate.ChainPem),
                };
            default:
                return await call.ProblemAsync(404, "malformed", call.Path);
        }
    }

    private static async Task<bool> EndlessAsync(CaCall call)
    {
        call.Context.Response.ContentType = "application/json";
        var part = new byte[64 * 1024];
        try
        {
            while (!call.Context.RequestAborted.IsCancellationRequested)
            {
                await call.Context.Response.Body.WriteAsync(part, call.Context.RequestAborted);
            }
        }
        catch (OperationCanceledException)
        {
            // The proxy had enough.
        }

        return true;
    }

    private static async Task<bool> SilentAsync(CaCall call)
    {
        try
        {
            await Task.Delay(Timeout.Infinite, call.Context.RequestAborted);
        }
        catch (OperationCanceledException)
        {
            // The proxy had enough.
        }

        return true;
    }
}
