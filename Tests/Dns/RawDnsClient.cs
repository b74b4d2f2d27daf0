using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Plane.DnsHost.Check;
using Plane.DnsHost.Protocol;

namespace Plane.Tests.Dns;

/// <summary>What came of a question: an answer, or why there is none, to follow a server's name in a sentence.</summary>
/// <param name="Reply">The answer.</param>
/// <param name="Problem">Why there is none.</param>
internal sealed record RawOutcome(DnsReply? Reply, string? Problem);

/// <summary>A small DNS client that shows every field of an answer: one question, one server.</summary>
internal sealed class RawDnsClient(TimeProvider time, TimeSpan timeout)
{
    private const int UdpTries = 3;

    public async Task<RawOutcome> AskAsync(
        IPEndPoint server, DomainName name, RecordType type, bool recursive, Transport transport, CancellationToken cancellationToken)
    {
        if (transport != Transport.Tcp)
        {
            var outcome = await OverAsync(server, name, type, recursive, AskUdpAsync, UdpTries, cancellationToken).ConfigureAwait(false);
            if (transport == Transport.Udp || outcome.Reply is not { IsTruncated: true })
            {
                return outcome;
            }
        }

        return await OverAsync(server, name, type, recursive, AskTcpAsync, 1, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>A question with EDNS, as resolvers send it.</summary>
    internal static byte[] Question(ushort id, DomainName name, RecordType type, bool recursive)
    {
        byte[] message =
        [
            0, 0, (byte)(recursive ? 1 : 0), 0, 0, 1, 0, 0, 0, 0, 0, 1,
            .. name.Wire, 0, 0, 0, 1,
            0, 0, (byte)RecordType.Opt, 1232 >> 8, 1232 & 0xFF, 0, 0, 0, 0, 0, 0,
        ];
        BinaryPrimitives.WriteUInt16BigEndian(message, id);
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(DnsQuery.HeaderLength + name.Wire.Length), (ushort)type);
        return message;
    }

    private async Task<RawOutcome> OverAsync(
        IPEndPoint server,
        DomainName name,
        RecordType type,
        bool recursive,
        Func<IPEndPoint, byte[], CancellationToken, Task<DnsReply?>> ask,
        int tries,
        CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            // The id and the port are all that tells an answer from a forged one.
            var question = Question((ushort)RandomNumberGenerator.GetInt32(ushort.MaxValue + 1), name, type, recursive);
            using var late = new CancellationTokenSource(timeout, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken);
            try
            {
                return await ask(server, question, either.Token).ConfigureAwait(false) is { } reply
                    ? new RawOutcome(reply, null)
                    : new RawOutcome(null, "sent something that is no answer to the question");
            }
            catch (OperationCanceledException) when (late.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
            {
                if (attempt >= tries)
                {
                    return new RawOutcome(null, $"did not answer within {timeout.TotalSeconds:0.#} s" + (tries > 1 ? $", asked {tries} times" : ""));
                }
            }
            catch (EndOfStreamException)
            {
                return new RawOutcome(null, "closed the connection without an answer");
            }
            catch (SocketException e)
            {
                return new RawOutcome(null, e.SocketErrorCode switch
                {
                    SocketError.ConnectionRefused or SocketError.ConnectionReset => "refused the connection: nothing listens there",
                    SocketError.NetworkUnreachable or SocketError.HostUnreachable => "is unreachable from this machine",
                    _ => $"could not be asked: {e.Message}",
                });
            }
            catch (IOException e)
            {
                return new RawOutcome(null, $"broke the connection: {e.Message}");
            }
        }
    }

    private static async Task<DnsReply?> AskUdpAsync(IPEndPoint server, byte[] question, CancellationToken cancellationToken)
    {
        using var socket = new Socket(server.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        await socket.ConnectAsync(server, cancellationToken).ConfigureAwait(false);
        await socket.SendAsync(question, SocketFlags.None, cancellationToken).ConfigureAwait(false);
        var buffer = new byte[4096];
        while (true)
        {
            // What is not an answer to this question is somebody else's: the right one may still come.
            var length = await socket.ReceiveAsync(buffer, SocketFlags.None, cancellationToken).ConfigureAwait(false);
            if (Matching(question, buffer.AsSpan(0, length)) is { } reply)
            {
                return reply;
            }
        }
    }

    private static async Task<DnsReply?> AskTcpAsync(IPEndPoint server, byte[] question, CancellationToken cancellationToken)
    {
        using var socket = new Socket(server.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(server, cancellationToken).ConfigureAwait(false);
        await using var stream = new NetworkStream(socket);
        await stream.WriteAsync((byte[])[(byte)(question.Length >> 8), (byte)question.Length, .. question], cancellationToken).ConfigureAwait(false);
        var head = new byte[2];
        await stream.ReadExactlyAsync(head, cancellationToken).ConfigureAwait(false);
        var answer = new byte[BinaryPrimitives.ReadUInt16BigEndian(head)];
        await stream.ReadExactlyAsync(answer, cancellationToken).ConfigureAwait(false);
        return Matching(question, answer);
    }

    private static DnsReply? Matching(byte[] question, ReadOnlySpan<byte> answer) =>
        DnsReply.TryRead(answer) is { IsAnswer: true } reply
        && reply.Id == BinaryPrimitives.ReadUInt16BigEndian(question)
        && (reply.Question is { } q ? Same(q.Name, question, q.Type) : reply.Code is ResponseCode.FormatError or ResponseCode.NotImplemented)
            ? reply
            : null;

    private static bool Same(DomainName name, byte[] question, RecordType type) =>
        DnsQuery.HeaderLength + name.Wire.Length + 2 <= question.Length
        && name.Equals(new DomainName(question[DnsQuery.HeaderLength..(DnsQuery.HeaderLength + name.Wire.Length)]))
        && BinaryPrimitives.ReadUInt16BigEndian(question.AsSpan(DnsQuery.HeaderLength + name.Wire.Length)) == (ushort)type;
}
