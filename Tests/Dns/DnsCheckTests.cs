using System.Net;
using Plane.DnsHost.Check;
using Plane.DnsHost.Protocol;
using Plane.Testing;

namespace Plane.Tests.Dns;

/// <summary>
/// The check of a cluster's DNS. nsd stands for the public DNS, with the clusters' domain and the delegations, and a DNS server of ours on another address of
/// loopback, with the same port.
/// </summary>
public sealed class DnsCheckTests(DnsCheckTests.World world) : IClassFixture<DnsCheckTests.World>
{
    [Fact]
    public async Task What_is_right_is_called_right()
    {
        var findings = await world.CheckAsync("good.example.test");
        Assert.All(findings, f => Assert.True(f.Kind == FindingKind.Right, f.ToString()));
        Assert.Contains(findings, f => f.Subject == "CNAME _acme-challenge.good.example.test" && f.Said == "leads to good.example.test.acme.example.test");
        Assert.Contains(findings, f => f.Subject == "NS acme.example.test" && f.Said.EndsWith("delegates it to ns.acme.example.test", StringComparison.Ordinal));
        Assert.Contains(findings, f => f.Subject.StartsWith("ns.acme.example.test at 127.0.0.2:", StringComparison.Ordinal) && f.Subject.EndsWith("UDP", StringComparison.Ordinal));
        Assert.Contains(findings, f => f.Subject.StartsWith("ns.acme.example.test at 127.0.0.2:", StringComparison.Ordinal) && f.Subject.EndsWith("TCP", StringComparison.Ordinal));
        Assert.Contains(findings, f => f.Subject == "CAA good.example.test");

        // The zone given, the same.
        Assert.Equal(findings.Select(f => f.ToString()), (await world.CheckAsync("good.example.test", "acme.example.test")).Select(f => f.ToString()));
    }

    [Theory]
    [InlineData("none.example.test", "acme.example.test", FindingKind.Missing, "there is none", "set: _acme-challenge.none.example.test. CNAME none.example.test.acme.example.test.")]
    [InlineData("none.example.test", null, FindingKind.Missing, "there is none", "CNAME none.example.test.<zone>. where <zone> is the --zone of plane dns")]
    [InlineData("wrong.example.test", "acme.example.test", FindingKind.Wrong, "leads to elsewhere.example.test, not to", "set: _acme-challenge.wrong.example.test. CNAME wrong.example.test.acme.example.test.")]
    [InlineData("wrong.example.test", null, FindingKind.Wrong, "which is not wrong.example.test below a zone", "set: _acme-challenge.wrong.example.test. CNAME")]
    [InlineData("txt.example.test", "acme.example.test", FindingKind.Missing, "there is a TXT record in its place", "remove the TXT record")]
    public async Task An_alias_that_is_not_right_is_told_with_what_to_set(string cluster, string? zone, FindingKind kind, string said, string toDo) =>
        Check(await world.CheckAsync(cluster, zone), $"CNAME _acme-challenge.{cluster}", kind, said, toDo);

    [Theory]
    [InlineData("undelegated.example.test", "NS undelegated.example.test", FindingKind.Missing, "does not delegate", "set: undelegated.example.test. NS ns.undelegated.example.test. and ns.undelegated.example.test. A")]
    [InlineData("gone.example.test", "ns.gone.example.test at 127.0.0.3:PORT, UDP", FindingKind.Wrong, "did not answer within 1 s, asked 3 times", "firewall lets port PORT in over UDP")]
    [InlineData("gone.example.test", "ns.gone.example.test at 127.0.0.3:PORT, TCP", FindingKind.Wrong, "nothing listens there", "firewall lets port PORT in over TCP")]
    [InlineData("other.example.test", "ns.other.example.test at 127.0.0.2:PORT, UDP", FindingKind.Wrong, "not for other.example.test (REFUSED)", "start plane dns there with --zone other.example.test")]
    [InlineData("away.example.test", "TXT none.example.test.away.example.test at 127.0.0.4:PORT", FindingKind.Wrong, "cannot reach its controller", "--gateway")]
    [InlineData("away.example.test", "NS away.example.test at 127.0.0.4:PORT", FindingKind.Wrong, "the server names ns.away.example.test", "--name-server ns1.away.example.test=ADDRESS")]
    [InlineData("lost.example.test", "address of ns.nowhere.test", FindingKind.Missing, "has no address", "set: ns.nowhere.test. A")]
    public async Task A_zone_that_does_not_answer_is_told_with_where_to_look(string zone, string subject, FindingKind kind, string said, string toDo) =>
        Check(
            await world.CheckAsync("none.example.test", zone, seconds: zone == "gone.example.test" ? 1 : 5), subject.Replace("PORT", $"{world.Port}", StringComparison.Ordinal), kind, said,
            toDo.Replace("PORT", $"{world.Port}", StringComparison.Ordinal));

    [Theory]
    [InlineData("caa.example.test", "letsencrypt.org", "letsencrypt.org may not issue for the name: only other.test")]
    [InlineData("below.caa.example.test", "letsencrypt.org", "letsencrypt.org may not issue for the name: only other.test")]
    [InlineData("caa.example.test", "other.test", null)]
    [InlineData("wild.example.test", "letsencrypt.org", "letsencrypt.org may not issue for its wildcard: nobody may")]
    [InlineData("method.example.test", "letsencrypt.org", "letsencrypt.org may not issue for the name by the method dns-01")]
    [InlineData("critical.example.test", "letsencrypt.org", "marked as critical")]
    [InlineData("account.example.test", "letsencrypt.org", null)]
    public async Task A_caa_record_that_forbids_is_told(string cluster, string authority, string? problem)
    {
        var finding = Assert.Single(await world.CheckAsync(cluster, "acme.example.test", authority), f => f.Subject.StartsWith("CAA ", StringComparison.Ordinal));
        if (problem is null)
        {
            Assert.Equal(FindingKind.Right, finding.Kind);
            return;
        }

        Assert.Equal(FindingKind.Wrong, finding.Kind);
        Assert.Contains(problem, finding.Said, StringComparison.Ordinal);
        Assert.Contains($"CAA 0 issue \"{authority}\"", finding.ToDo, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_command_says_it_in_plain_words_and_by_its_exit_code()
    {
        var good = await world.PlaneAsync("--cluster", "good.example.test");
        Assert.True(good.ExitCode == 0, string.Join('\n', good.Lines));
        Assert.Contains(good.Lines, l => l.StartsWith("right\tCNAME _acme-challenge.good.example.test\tleads to", StringComparison.Ordinal));
        var bad = await world.PlaneAsync("--cluster", "none.example.test", "--zone", "acme.example.test");
        Assert.Equal(1, bad.ExitCode);
        Assert.Contains(bad.Lines, l => l.StartsWith("missing\tCNAME", StringComparison.Ordinal));
        Assert.Contains(
            "to do: in the DNS of none.example.test set: _acme-challenge.none.example.test. CNAME none.example.test.acme.example.test.", bad.Lines);
        var port = await world.PlaneAsync("--cluster", "example.test:9090");
        Assert.Equal(2, port.ExitCode);
        Assert.Contains(port.Lines, l => l.Contains("has no DNS form", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_resolver_that_does_not_answer_is_told()
    {
        var (code, lines) = await RunningProgram.RunAsync(
            Checkout.Dotnet, [Checkout.Cli, "dns", "check", "--cluster", "good.example.test", "--resolver", $"127.0.0.3:{world.Port}"]);
        Assert.Equal(3, code);
        Assert.Contains(lines, l => l.Contains("give another with --resolver", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(nameof(RecordType.Cname), "CNAME _acme-challenge.good.example.test", "NS acme.example.test", "CAA good.example.test")]
    [InlineData(nameof(RecordType.Soa), "SOA example.test", "CNAME _acme-challenge.good.example.test", "CAA good.example.test")]
    [InlineData(nameof(RecordType.Caa), "CAA good.example.test", "CNAME _acme-challenge.good.example.test", "NS acme.example.test")]
    public async Task A_question_that_gets_no_answer_is_reported_as_unanswered_and_the_others_are_judged(string dropped, string unanswered, params string[] judged)
    {
        await using var resolver = DroppingResolver.Start(world.Resolver, Enum.Parse<RecordType>(dropped));
        var findings = await world.CheckAsync("good.example.test", "acme.example.test", resolver: resolver.At, seconds: 1);
        var finding = Assert.Single(findings, f => f.Kind != FindingKind.Right);
        Assert.Equal((FindingKind.Unanswered, unanswered), (finding.Kind, finding.Subject));
        Assert.Contains($"the resolver {resolver.At} did not answer", finding.Said, StringComparison.Ordinal);
        Assert.All(judged, subject => Assert.Contains(findings, f => f.Kind == FindingKind.Right && f.Subject == subject));
    }

    private static void Check(IReadOnlyList<Finding> findings, string subject, FindingKind kind, string said, string toDo)
    {
        var finding = findings.FirstOrDefault(f => f.Subject == subject);
        Assert.True(finding is not null, $"nothing about {subject}:\n{string.Join('\n', findings)}");
        Assert.Equal(kind, finding.Kind);
        Assert.Contains(said, finding.Said, StringComparison.Ordinal);
        Assert.Contains(toDo, finding.ToDo, StringComparison.Ordinal);
    }

    /// <summary>The public DNS, a server of ours, and one whose controller is away.</summary>
    public sealed class World : IAsyncLifetime
    {
        private Nsd _nsd = null!;
        private DnsServer _server = null!;
        private DnsServer _away = null!;

        public int Port => _nsd.At.Port;

        public IPEndPoint Resolver => _nsd.At;

        public async Task InitializeAsync()
        {
            _server = await DnsServer.StartAsync(o =>
            {
                o.Zone = "acme.example.test";
                o.Host = ["127.0.0.2"];
                o.NameServer = ["ns.acme.example.test=127.0.0.2"];
            });
            var port = _server.At.Port;
            var away = Controller.Make();
            away.Read = (_, _) => Task.FromException<string[]>(new TimeoutException("away"));
            _away = await DnsServer.StartAsync(
                o =>
                {
                    o.Zone = "away.example.test";
                    o.Host = ["127.0.0.4"];
                    o.Port = port;
                    o.NameServer = [];
                    o.Hostmaster = "";
                },
                away);
            _nsd = await Nsd.StartAsync(
                new IPEndPoint(IPAddress.Loopback, port),
                (".", """
                    . 60 IN SOA ns.root.test. admin.root.test. 1 60 60 60 60
                    . 60 IN NS ns.root.test.
                    ns.root.test. 60 IN A 127.0.0.1
                    """),
                ("example.test", """
                    $ORIGIN example.test.
                    $TTL 60
                    @ IN SOA ns admin 1 60 60 60 60
                    @ IN NS ns
                    ns IN A 127.0.0.1
                    acme IN NS ns.acme
                    ns.acme IN A 127.0.0.2
                    gone IN NS ns.gone
                    ns.gone IN A 127.0.0.3
                    other IN NS ns.other
                    ns.other IN A 127.0.0.2
                    away IN NS ns1.away
                    ns1.away IN A 127.0.0.4
                    lost IN NS ns.nowhere.test.
                    _acme-challenge.good IN CNAME good.example.test.acme
                    _acme-challenge.wrong IN CNAME elsewhere
                    _acme-challenge.txt IN TXT "by hand"
                    caa IN CAA 0 issue "other.test"
                    wild IN CAA 0 issue "letsencrypt.org"
                    wild IN CAA 0 issuewild ";"
                    method IN CAA 0 issue "letsencrypt.org; validationmethods=http-01"
                    critical IN CAA 128 unheard "of"
                    account IN CAA 0 issue "letsencrypt.org; accounturi=https://ca.test/1; validationmethods=dns-01,http-01"

                    """));
        }

        public async Task DisposeAsync()
        {
            await _nsd.DisposeAsync();
            await _server.DisposeAsync();
            await _away.DisposeAsync();
        }

        internal Task<IReadOnlyList<Finding>> CheckAsync(string cluster, string? zone = null, string authority = "letsencrypt.org", IPEndPoint? resolver = null, int seconds = 5) => DnsCheck.RunAsync(
            new DnsCheckRequest
            {
                Cluster = ClusterName.Parse(cluster),
                Zone = zone,
                Resolver = resolver ?? _nsd.At,
                Port = Port,
                Authority = authority,
                Timeout = TimeSpan.FromSeconds(seconds),
            },
            default);

        internal Task<(int ExitCode, IReadOnlyList<string> Lines)> PlaneAsync(params string[] arguments) =>
            RunningProgram.RunAsync(Checkout.Dotnet, [Checkout.Cli, "dns", "check", "--resolver", _nsd.At.ToString(), "--port", $"{Port}", .. arguments]);
    }
}
