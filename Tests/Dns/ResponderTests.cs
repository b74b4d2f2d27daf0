using Plane.DnsHost.Protocol;
using Plane.DnsHost.Server;

namespace Plane.Tests.Dns;

/// <summary>One message in, one out.</summary>
public sealed class ResponderTests
{
    private readonly DnsResponder _responder;
    private readonly Controller _controller;

    public ResponderTests()
    {
        (_responder, _controller) = DnsServer.Responder();
        _controller.Set("example.com", "value-a", "value-b");
    }

    [Fact]
    public void Values_are_answered_and_the_name_comes_back_in_the_case_it_was_asked_in()
    {
        var reply = Ask(Packet.Question("eXaMple.cOm.AcMe.tEsT", RecordType.Txt));
        Assert.Equal((ResponseCode.NoError, true, false, true), (reply.Code, reply.IsAuthoritative, reply.IsTruncated, reply.RecursionDesired));
        Assert.Equal("eXaMple.cOm.AcMe.tEsT.", reply.Question!.Value.Name.ToString());
        Assert.Equal(["\"value-a\"", "\"value-b\""], reply.Answers.Select(r => r.Data));
        Assert.All(reply.Answers, r => Assert.Equal(1u, r.Ttl));
        Assert.Null(reply.Edns);
    }

    [Fact]
    public void The_apex_has_its_start_of_authority_and_its_name_servers_with_addresses()
    {
        var soa = Assert.Single(Ask(Packet.Question("acme.test", RecordType.Soa)).Answers);
        Assert.Equal("ns.acme.test. dns.admin.example.net. 1 7200 900 1209600 1", soa.Data);
        var ns = Ask(Packet.Question("acme.test", RecordType.Ns));
        Assert.Equal(["ns.acme.test.", "ns2.example.net."], ns.Answers.Select(r => r.Data));
        Assert.Equal(["192.0.2.53", "2001:db8::53"], ns.Additional.Select(r => r.Data));
        Assert.All(ns.Additional, r => Assert.Equal("ns.acme.test.", r.Name.ToString()));
    }

    [Theory]
    [InlineData("acme.test", RecordType.Caa, ResponseCode.NoError)]
    [InlineData("acme.test", RecordType.Txt, ResponseCode.NoError)]
    [InlineData("example.com.acme.test", RecordType.Caa, ResponseCode.NoError)]
    [InlineData("example.com.acme.test", RecordType.Ns, ResponseCode.NoError)]
    [InlineData("com.acme.test", RecordType.Ns, ResponseCode.NoError)]
    [InlineData("nobody.example.acme.test", RecordType.Txt, ResponseCode.NoError)]
    [InlineData("_nope.acme.test", RecordType.Txt, ResponseCode.NameError)]
    [InlineData("a._nope.acme.test", RecordType.Caa, ResponseCode.NameError)]
    [InlineData("-.acme.test", RecordType.A, ResponseCode.NameError)]
    [InlineData("ns.acme.test", RecordType.Caa, ResponseCode.NoError)]
    public void What_is_not_there_comes_with_the_start_of_authority_and_its_minimum(string name, object type, object code)
    {
        var reply = Ask(Packet.Question(name, (RecordType)type));
        Assert.Equal(((ResponseCode)code, true), (reply.Code, reply.IsAuthoritative));
        Assert.Empty(reply.Answers);
        var soa = Assert.Single(reply.Authority);
        Assert.Equal(("acme.test.", RecordType.Soa, 1u), (soa.Name.ToString(), soa.Type, soa.Ttl));
    }

    [Fact]
    public void A_name_server_inside_the_zone_has_its_addresses_and_may_be_a_cluster_too()
    {
        Assert.Equal("192.0.2.53", Assert.Single(Ask(Packet.Question("NS.acme.test", RecordType.A)).Answers).Data);
        Assert.Equal("2001:db8::53", Assert.Single(Ask(Packet.Question("ns.acme.test", RecordType.Aaaa)).Answers).Data);
        _controller.Set("ns", "v");
        Assert.Equal("\"v\"", Assert.Single(Ask(Packet.Question("ns.acme.test", RecordType.Txt)).Answers).Data);
    }

    [Fact]
    public void Any_is_answered_with_one_record_set()
    {
        Assert.Equal(2, Ask(Packet.Question("example.com.acme.test", RecordType.Any)).Answers.Count);
        Assert.Equal(RecordType.Soa, Assert.Single(Ask(Packet.Question("acme.test", RecordType.Any)).Answers).Type);
        Assert.Empty(Ask(Packet.Question("nobody.acme.test", RecordType.Any)).Answers);
        Assert.Equal("192.0.2.53", Assert.Single(Ask(Packet.Question("ns.acme.test", RecordType.Any)).Answers).Data);
    }

    [Theory]
    [InlineData(4096, ResponseCode.NoError)]
    [InlineData(4097, ResponseCode.FormatError)]
    [InlineData(ushort.MaxValue, ResponseCode.FormatError)]
    public void A_question_has_at_most_4096_octets(int length, object code)
    {
        // One option of EDNS, of any size: the padding of RFC 7830.
        var question = Packet.Question("example.com.acme.test", RecordType.Txt, edns: 1232);
        var option = length - question.Length - 4;
        question[^1] = (byte)(option + 4);
        question[^2] = (byte)((option + 4) >> 8);
        byte[] padded = [.. question, 0, 12, (byte)(option >> 8), (byte)option, .. new byte[option]];
        Assert.Equal(length, padded.Length);
        Assert.Equal((ResponseCode)code, DnsReply.TryRead(Respond(padded, isUdp: false))!.Code);
    }

    [Theory]
    [InlineData("example.org", RecordType.Txt, 1)]
    [InlineData("test", RecordType.Soa, 1)]
    [InlineData("", RecordType.Ns, 1)]
    [InlineData("xacme.test", RecordType.Txt, 1)]
    [InlineData("acme.test", RecordType.Transfer, 1)]
    [InlineData("acme.test", RecordType.IncrementalTransfer, 1)]
    [InlineData("example.com.acme.test", RecordType.Txt, 3)]
    [InlineData("example.com.acme.test", RecordType.Txt, 255)]
    [InlineData("example.com.acme.test", RecordType.Txt, 0)]
    public void What_is_not_ours_is_refused_in_no_more_octets_than_it_was_asked_in(string name, object type, int cls)
    {
        foreach (var edns in (int?[])[null, 4096])
        {
            var question = Packet.Question(Packet.Name(name), (RecordType)type, (ushort)cls, edns: edns);
            var answer = Respond(question);
            Assert.True(answer.Length <= question.Length);
            var reply = DnsReply.TryRead(answer)!;
            Assert.Equal((ResponseCode.Refused, false), (reply.Code, reply.IsAuthoritative));
            Assert.Empty(reply.Authority);
        }
    }

    [Fact]
    public void A_name_of_255_octets_is_read_and_one_of_256_is_malformed()
    {
        string l61 = new('a', 61), l63 = new('a', 63);
        var zone = new[] { "acme", "test" };

        // 64 + 64 + 64 + 52 + 11 of the zone.
        var longest = Packet.Labels([l63, l63, l63, new string('b', 51), .. zone]);
        Assert.Equal(255, longest.Length);
        Assert.Equal(ResponseCode.NoError, Ask(Packet.Question(longest, RecordType.Txt, edns: 512)).Code);
        var tooLong = Packet.Labels([l63, l63, l63, new string('b', 52), .. zone]);
        Assert.Equal(ResponseCode.FormatError, Ask(Packet.Question(tooLong, RecordType.Txt)).Code);
        Assert.Equal(ResponseCode.NoError, Ask(Packet.Question(Packet.Labels([l61, .. zone]), RecordType.Txt)).Code);
    }

    [Fact]
    public void Labels_of_any_octets_are_names_that_no_cluster_has()
    {
        foreach (var label in (string[])["a.b", "\0", "\u00ff\u00fe", " ", "*", "@", "a_b"])
        {
            var reply = Ask(Packet.Question(Packet.Labels(label, "acme", "test"), RecordType.Txt));
            Assert.Equal(ResponseCode.NameError, reply.Code);
        }

        // A dot inside a label makes no zone of it.
        Assert.Equal(ResponseCode.Refused, Ask(Packet.Question(Packet.Labels("acme.test"), RecordType.Soa)).Code);
        Assert.Equal(0, _controller.Asked);
    }

    [Theory]
    [InlineData("C00C00100001", "a pointer to itself")]
    [InlineData("C00000100001", "a pointer into the header")]
    [InlineData("01610161C00C00100001", "a loop over labels")]
    [InlineData("FF00100001", "a pointer cut off")]
    [InlineData("4161626300100001", "a label of a kind that there is not")]
    [InlineData("80610000100001", "another such label")]
    [InlineData("0361626300", "no type")]
    [InlineData("036162630000100000", "class and more missing", true)]
    [InlineData("3F6162", "a label longer than the message")]
    [InlineData("", "no name")]
    public void A_question_that_cannot_be_read_is_malformed(string question, string what, bool isReadable = false)
    {
        byte[] message = [0xAB, 0xCD, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, .. Convert.FromHexString(question)];
        var reply = Ask(message);
        Assert.True(isReadable || reply.Code == ResponseCode.FormatError, what);
        Assert.Equal((0xABCD, isReadable), (reply.Id, reply.Question is not null));
    }

    [Fact]
    public void Counts_that_no_question_has_are_malformed()
    {
        foreach (var at in (int[])[4, 5, 7, 9])
        {
            var message = Packet.Question("acme.test", RecordType.Soa);
            message[at] = 2;
            Assert.Equal(ResponseCode.FormatError, Ask(message).Code);
        }

        var none = Packet.Question("acme.test", RecordType.Soa);
        none[5] = 0;
        Assert.Equal(ResponseCode.FormatError, Ask(none[..12]).Code);
        Assert.Equal(ResponseCode.FormatError, Ask([.. Packet.Question("acme.test", RecordType.Soa), 0]).Code);
        byte[] two = [.. Packet.Question("acme.test", RecordType.Soa, edns: 1232), 0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 0];
        two[11] = 2;
        Assert.Equal(ResponseCode.FormatError, Ask(two).Code);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(15)]
    public void Another_operation_than_a_query_is_not_implemented(int opCode)
    {
        var reply = Ask(Packet.Question(Packet.Name("acme.test"), RecordType.Soa, opCode: opCode));
        Assert.Equal((ResponseCode.NotImplemented, opCode), (reply.Code, reply.OpCode));
    }

    [Fact]
    public void An_answer_and_what_is_shorter_than_a_header_are_not_answered()
    {
        var question = Packet.Question("acme.test", RecordType.Soa);
        for (var length = 0; length < 12; length++)
        {
            Assert.Empty(Respond(question[..length]));
        }

        question[2] |= 0x80;
        Assert.Empty(Respond(question));
    }

    [Fact]
    public void Edns_is_answered_with_edns_and_an_unknown_version_is_told_so()
    {
        var reply = Ask(Packet.Question(Packet.Name("acme.test"), RecordType.Soa, edns: 4096, dnssecOk: true));
        Assert.Equal((1232, 0, true), reply.Edns!.Value);
        Assert.False(Ask(Packet.Question("acme.test", RecordType.Soa, edns: 4096)).Edns!.Value.DnssecOk);
        var unknown = Ask(Packet.Question(Packet.Name("acme.test"), RecordType.Soa, edns: 4096, version: 1));
        Assert.Equal((ResponseCode.BadVersion, 0), (unknown.Code, unknown.Edns!.Value.Version));
        Assert.Empty(unknown.Answers);
    }

    [Theory]
    [InlineData(null, 512)]
    [InlineData(0, 512)]
    [InlineData(512, 512)]
    [InlineData(900, 900)]
    [InlineData(65_535, 1232)]
    public void An_answer_beyond_the_askers_size_is_truncated_whole_and_complete_over_tcp(int? edns, int limit)
    {
        foreach (var count in Enumerable.Range(1, 16))
        {
            _controller.Set($"c{count}.example", [.. Enumerable.Range(0, count).Select(i => $"{i:00}".PadRight(100, 'x'))]);
            var question = Packet.Question($"c{count}.example.acme.test", RecordType.Txt, edns);
            var whole = Respond(question, isUdp: false);
            Assert.Equal(count, DnsReply.TryRead(whole)!.Answers.Count);
            var answer = Respond(question);
            var reply = DnsReply.TryRead(answer)!;
            Assert.Equal(whole.Length > limit, reply.IsTruncated);
            Assert.Equal(reply.IsTruncated ? 0 : count, reply.Answers.Count);
            Assert.True(answer.Length <= limit);
        }
    }

    [Fact]
    public void A_value_of_255_octets_is_answered_whole()
    {
        var value = new string('v', 255);
        _controller.Set("long.example", value);
        Assert.Equal($"\"{value}\"", Assert.Single(Ask(Packet.Question("long.example.acme.test", RecordType.Txt)).Answers).Data);
    }

    private DnsReply Ask(byte[] question) => DnsReply.TryRead(Respond(question)) ?? throw new InvalidDataException("no answer");

    private byte[] Respond(byte[] question, bool isUdp = true)
    {
        var answer = new byte[isUdp ? DnsResponder.UdpLimit : ushort.MaxValue];
        var length = _responder.Respond(question, answer, isUdp, out var pending);
        if (pending is not null)
        {
            length = _responder.Complete(question, answer, isUdp, pending.GetAwaiter().GetResult());
        }

        return answer[..length];
    }
}
