using Plane.DnsHost.Check;
using Plane.DnsHost.Protocol;
using Plane.DnsHost.Server;
using Plane.Testing;

namespace Plane.Tests.Dns;

/// <summary>Packets that nobody would send who means well.</summary>
public sealed class HostilePacketTests
{
    private static readonly RecordType[] s_types =
        [RecordType.Txt, RecordType.Soa, RecordType.Ns, RecordType.A, RecordType.Any, RecordType.Caa, RecordType.Transfer, RecordType.Opt];

    [Fact]
    public void Random_and_mutated_packets_get_no_malformed_answer_and_none_larger_than_allowed()
    {
        const int Workers = 2;
        const int Packets = 200_000;
        var answered = new int[Workers];
        var large = new int[Workers];
        Parallel.For(0, Workers, worker =>
        {
            var (responder, controller) = DnsServer.Responder(o => o.CacheFor = TimeSpan.FromMinutes(1));
            controller.Set("example.com", [.. Enumerable.Range(0, 16).Select(i => $"{i}".PadRight(60, 'x'))]);
            var random = new Random(4711 + worker);
            var answer = new byte[DnsResponder.UdpLimit];
            var whole = new byte[ushort.MaxValue];
            for (var i = 0; i < Packets / Workers; i++)
            {
                var packet = i % 4 == 0 ? Noise(random) : Mutated(random);
                var isUdp = i % 8 != 1;
                var target = isUdp ? answer : whole;
                var length = responder.Respond(packet, target, isUdp, out var pending);
                if (pending is not null)
                {
                    length = responder.Complete(packet, target, isUdp, pending.GetAwaiter().GetResult());
                }

                if (length > 0)
                {
                    answered[worker]++;
                    large[worker] += length > 512 ? 1 : 0;
                    Check(packet, target.AsSpan(0, length), isUdp);
                }

                // What a sender over its limit gets is never more than it sent.
                Assert.True(DnsResponder.Slip(packet, answer) <= packet.Length);
            }
        });

        // They were no walk in the park: many were read, and large answers occurred.
        Assert.InRange(answered.Sum(), Packets / 2, Packets);
        Assert.True(large.Sum() > Packets / 1_000, $"{large.Sum()} large answers");
    }

    [Fact]
    public void Answers_that_are_known_are_made_without_allocating()
    {
        var (responder, controller) = DnsServer.Responder(o => o.CacheFor = TimeSpan.FromMinutes(1));
        controller.Set("example.com", "value-a", "value-b");
        byte[][] questions =
        [
            .. from type in s_types
               from name in (string[])["acme.test", "example.com.acme.test", "ns.acme.test", "_x.acme.test", "example.org"]
               select Packet.Question(name, type, edns: 1232),
        ];
        var answer = new byte[DnsResponder.UdpLimit];
        void AskAll()
        {
            foreach (var question in questions)
            {
                responder.Respond(question, answer, isUdp: true, out _);
            }
        }

        // What answering allocates, every round does. Once only allocates who begins to listen to this process' metrics meanwhile (another test may), and
        // then in here, where the counter is told.
        AskAll();
        var least = long.MaxValue;
        for (var round = 0; round < 20; round++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < 50; i++)
            {
                AskAll();
            }

            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.Equal(0, least);
    }

    [Fact]
    public async Task Junk_over_real_sockets_leaves_a_server_that_answers()
    {
        await using var server = await DnsServer.StartAsync(o => o.TcpIdle = TimeSpan.FromSeconds(1));
        server.Controller.Set("example.com", "still-here");
        var random = new Random(20251122);
        using var socket = server.Udp();
        for (var i = 0; i < 5_000; i++)
        {
            await socket.SendAsync(i % 2 == 0 ? Noise(random) : Mutated(random));
            while (socket.Available > 0)
            {
                Assert.InRange((await socket.ReceiveAsync()).Buffer.Length, 12, DnsResponder.UdpLimit);
            }
        }

        for (var i = 0; i < 200; i++)
        {
            await using var stream = await server.TcpAsync();
            try
            {
                await stream.WriteAsync(i % 2 == 0 ? Noise(random) : Packet.Framed(Mutated(random)));
            }
            catch (IOException)
            {
                // It was cut off in the middle, as it should.
            }
        }

        Assert.Equal("\"still-here\"", Assert.Single((await server.AskAsync("example.com.acme.test", RecordType.Txt, Transport.Udp)).Answers).Data);
        await Eventually.SeenAsync(
            _ => server.AskAsync("example.com.acme.test", RecordType.Txt, Transport.Tcp), r => r.Answers.Count == 1, "an answer over TCP");
    }

    private static void Check(byte[] packet, ReadOnlySpan<byte> answer, bool isUdp)
    {
        var reply = DnsReply.TryRead(answer);
        Assert.True(reply is { IsAnswer: true }, $"{Convert.ToHexString(packet)} got {Convert.ToHexString(answer)}");
        Assert.Equal(packet[..2], answer[..2].ToArray());
        if (isUdp && answer.Length > 512)
        {
            // Only who said so by EDNS takes more.
            Assert.NotNull(reply.Edns);
            Assert.True(DnsQuery.Read(packet, new byte[255], out var query, out _) && answer.Length <= query.UdpSize);
        }

        if (reply.Code is not (ResponseCode.NoError or ResponseCode.NameError))
        {
            Assert.True(answer.Length <= packet.Length, $"{reply.Code}: {packet.Length} octets got {answer.Length}");
        }
    }

    private static byte[] Noise(Random random)
    {
        var packet = new byte[random.Next(0, 300)];
        random.NextBytes(packet);
        if (packet.Length > 12 && random.Next(2) == 0)
        {
            // A plausible head, so that the rest is read.
            new byte[] { 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1 }.CopyTo(packet, 0);
        }

        return packet;
    }

    private static byte[] Mutated(Random random)
    {
        string[] names = ["example.com.acme.test", "acme.test", "ns.acme.test", "_acme-challenge.acme.test", "example.org", "a.b.c.d.acme.test", ""];
        var packet = Packet.Question(
            Packet.Name(names[random.Next(names.Length)]),
            s_types[random.Next(s_types.Length)],
            edns: random.Next(3) == 0 ? null : random.Next(0, 5_000),
            id: (ushort)random.Next(65_536));
        for (var changes = random.Next(0, 4); changes > 0; changes--)
        {
            switch (random.Next(5))
            {
                case 0:
                    packet = packet[..random.Next(packet.Length + 1)];
                    break;
                case 1:
                    var tail = new byte[random.Next(40)];
                    random.NextBytes(tail);
                    packet = [.. packet, .. tail];
                    break;
                case 2 when packet.Length > 14:
                    packet[random.Next(packet.Length - 1)] = 0xC0;
                    break;
                default:
                    if (packet.Length > 0)
                    {
                        packet[random.Next(packet.Length)] = (byte)random.Next(256);
                    }

                    break;
            }
        }

        return packet;
    }
}
