using System.Text;
using Plane.DnsHost.Protocol;
using Plane.Testing;

namespace Plane.Tests.Dns;

/// <summary>
/// The same questions to this server and to nsd with the same zone. What differs stands in a table with its reason; an entry that no longer differs fails
/// too.
/// </summary>
public sealed class NsdComparisonTests
{
    private const string Alias =
        "a name that a cluster could have exists here, with or without values: \"no such name\" would deny what is below it (RFC 8020), and resolvers that ask label by label begin there";

    private const string Class = "nsd takes the class ANY for IN and does not call it authoritative; this server knows IN alone";

    private const string Transfer = "neither transfers the zone over UDP; nsd calls it not implemented, this server refuses it";

    /// <summary>The question, or the name for every type of it, and why the two servers differ.</summary>
    private static readonly Dictionary<string, string> s_explained = new()
    {
        ["nobody.example.acme.test"] = Alias,
        ["deep.below.example.com.acme.test"] = Alias,
        ["acme.test TXT class ANY"] = Class,
        ["example.com.acme.test TXT class ANY"] = Class,
        ["acme.test AXFR"] = Transfer,
    };

    [Fact]
    public async Task The_same_questions_get_the_same_answers_but_for_those_that_are_explained()
    {
        string[] many = [.. Enumerable.Range(0, 12).Select(i => $"{i:00}".PadRight(120, 'x'))];
        await using var ours = await DnsServer.StartAsync();
        ours.Controller.Set("example.com", "value-a", "value-b");
        ours.Controller.Set("ns", "ns-is-a-cluster");
        ours.Controller.Set("many.example", many);
        var zone = new StringBuilder("""
            $ORIGIN acme.test.
            @ 3600 IN SOA ns dns\.admin.example.net. 1 7200 900 1209600 1
            @ 3600 IN NS ns
            @ 3600 IN NS ns2.example.net.
            ns 3600 IN A 192.0.2.53
            ns 3600 IN AAAA 2001:db8::53
            ns 1 IN TXT "ns-is-a-cluster"
            example.com 1 IN TXT "value-a"
            example.com 1 IN TXT "value-b"

            """);
        foreach (var value in many)
        {
            zone.Append($"many.example 1 IN TXT \"{value}\"\n");
        }

        zone.Replace("dns\\.admin.example.net.", "dns.admin.example.net.");
        await using var nsd = await Nsd.StartAsync(Nsd.FreeAt("127.0.0.1"), ("acme.test", zone.ToString()));

        string[] names =
        [
            "acme.test", "example.com.acme.test", "EXAMPLE.com.ACME.Test", "com.acme.test", "ns.acme.test", "many.example.acme.test",
            "nobody.example.acme.test", "deep.below.example.com.acme.test", "_acme-challenge.acme.test", "a._b.acme.test", "example.org", "test", "xacme.test",
        ];
        RecordType[] types = [RecordType.Txt, RecordType.A, RecordType.Aaaa, RecordType.Ns, RecordType.Soa, RecordType.Caa, RecordType.Cname, RecordType.Any];
        var questions = new List<(string What, byte[] Message)>();
        foreach (var name in names)
        {
            foreach (var type in types)
            {
                foreach (var edns in (int?[])[null, 512, 1232])
                {
                    questions.Add(($"{name} {Show(type)}", Packet.Question(name, type, edns)));
                }
            }
        }

        foreach (var name in (string[])["acme.test", "example.com.acme.test"])
        {
            questions.Add(($"{name} TXT class CH", Packet.Question(Packet.Name(name), RecordType.Txt, cls: 3)));
            questions.Add(($"{name} TXT class ANY", Packet.Question(Packet.Name(name), RecordType.Txt, cls: 255)));
            questions.Add(($"{name} SOA version 1", Packet.Question(Packet.Name(name), RecordType.Soa, edns: 1232, version: 1)));
            questions.Add(($"{name} SOA DO", Packet.Question(Packet.Name(name), RecordType.Soa, edns: 1232, dnssecOk: true)));
        }

        questions.Add(("acme.test AXFR", Packet.Question("acme.test", RecordType.Transfer)));
        questions.Add(("acme.test IXFR", Packet.Question("acme.test", RecordType.IncrementalTransfer)));
        questions.Add(("acme.test SOA status", Packet.Question(Packet.Name("acme.test"), RecordType.Soa, opCode: 2)));
        questions.Add(("cut off", Packet.Question("acme.test", RecordType.Soa)[..15]));

        var different = new Dictionary<string, string>();
        foreach (var (what, message) in questions)
        {
            foreach (var overTcp in (bool[])[false, true])
            {
                // Over TCP a transfer is another protocol, and what is cut off is refused by ending the connection.
                if (overTcp && (what.EndsWith("XFR", StringComparison.Ordinal) || what == "cut off"))
                {
                    continue;
                }

                var mine = Describe(await AskAsync(ours.At, message, overTcp));
                var theirs = Describe(await AskAsync(nsd.At, message, overTcp));
                if (mine != theirs)
                {
                    different.TryAdd(what, $"{(overTcp ? "TCP" : "UDP")}\n  ours: {mine}\n  nsd:  {theirs}");
                }
            }
        }

        var all = string.Join('\n', different.Select(d => $"{d.Key} {d.Value}"));
        var used = different.Keys.ToDictionary(k => k, k => s_explained.Keys.FirstOrDefault(e => k == e || (k.StartsWith(e + " ", StringComparison.Ordinal) && !e.Contains(' ', StringComparison.Ordinal))));
        Assert.True(!used.ContainsValue(null), $"unexplained: {string.Join(", ", used.Where(u => u.Value is null).Select(u => u.Key))}\n{all}");
        var idle = s_explained.Keys.Except(used.Values).ToList();
        Assert.True(idle.Count == 0, $"explained, and the same: {string.Join(", ", idle)}\n{all}");
    }

    private static async Task<DnsReply> AskAsync(System.Net.IPEndPoint at, byte[] message, bool overTcp)
    {
        if (overTcp)
        {
            using var socket = new System.Net.Sockets.TcpClient();
            await socket.ConnectAsync(at);
            await using var stream = socket.GetStream();
            await stream.WriteAsync(Packet.Framed(message));
            return await Eventually.EndsAsync(Packet.ReadAsync(stream), $"an answer of {at} to {Convert.ToHexString(message)}");
        }

        using var udp = new System.Net.Sockets.UdpClient();
        udp.Connect(at);
        await udp.SendAsync(message);
        var answer = await Eventually.EndsAsync(udp.ReceiveAsync(), $"an answer of {at} to {Convert.ToHexString(message)}");
        return DnsReply.TryRead(answer.Buffer) ?? throw new InvalidDataException(Convert.ToHexString(answer.Buffer));
    }

    private static string Show(RecordType type) => type.ToString().ToUpperInvariant();

    // The size that a server takes itself is its own affair, as is the order of records.
    private static string Describe(DnsReply reply)
    {
        string Set(IEnumerable<DnsRecord> records) =>
            string.Join(", ", records.Select(r => $"{r.Name.ToString().ToLowerInvariant()} {r.Ttl} {Show(r.Type)} {r.Data}").Order(StringComparer.Ordinal));
        return $"{reply.Code} aa={reply.IsAuthoritative} tc={reply.IsTruncated} rd={reply.RecursionDesired} question={reply.Question?.Name} "
            + $"edns={reply.Edns?.Version} do={reply.Edns?.DnssecOk} answer=[{Set(reply.Answers)}] authority=[{Set(reply.Authority)}] additional=[{Set(reply.Additional)}]";
    }
}
