using System.Net;
using System.Net.Sockets;
using DnsClient;

namespace Plane.DnsHost.Check;

/// <summary>How a question is sent.</summary>
internal enum Transport
{
    /// <summary>UDP, and TCP where the answer says that it is truncated.</summary>
    Any,

    /// <summary>UDP alone.</summary>
    Udp,

    /// <summary>TCP alone.</summary>
    Tcp,
}

/// <summary>An answer, or why there is none: the rest of a sentence that begins with the server's name.</summary>
/// <param name="Reply">The answer.</param>
/// <param name="Problem">Why there is none.</param>
internal sealed record DnsOutcome(IDnsQueryResponse? Reply, string? Problem);

/// <summary>Sends one question to one server. Every failure becomes a sentence: an answer comes from a stranger, and the check continues without it.</summary>
internal sealed class DnsQuestions(TimeSpan timeout)
{
    private const int UdpTries = 3;

    private readonly LookupClient _client = new(new LookupClientOptions(IPAddress.Loopback) { UseCache = false });

    public async Task<DnsOutcome> AskAsync(
        IPEndPoint server, string name, QueryType type, bool recursive, Transport transport, CancellationToken cancellationToken)
    {
        var options = new DnsQueryOptions
        {
            Recursion = recursive,
            Timeout = timeout,
            Retries = transport == Transport.Tcp ? 0 : UdpTries - 1,
            UseTcpOnly = transport == Transport.Tcp,
            UseTcpFallback = transport == Transport.Any,
            ContinueOnDnsError = false,
        };
        try
        {
            var reply = await _client.QueryServerAsync([new NameServer(server)], new DnsQuestion(name, type), options, cancellationToken);
            return reply.Questions is [var asked, ..] && !DomainText.Of(asked.QueryName).Equals(name, StringComparison.OrdinalIgnoreCase)
                ? new DnsOutcome(null, "sent an answer to another question")
                : new DnsOutcome(reply, null);
        }
        catch (Exception) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellationToken);
        }
        catch (Exception e)
        {
            return new DnsOutcome(null, Explain(e, transport));
        }
    }

    private string Explain(Exception e, Transport transport) => e.GetBaseException() switch
    {
        TimeoutException or OperationCanceledException =>
            $"did not answer within {timeout.TotalSeconds:0.#} s" + (transport == Transport.Tcp ? "" : $", asked {UdpTries} times"),
        SocketException { SocketErrorCode: SocketError.ConnectionRefused or SocketError.ConnectionReset } =>
            "refused the connection: nothing listens there",
        SocketException { SocketErrorCode: SocketError.NetworkUnreachable or SocketError.HostUnreachable } => "is unreachable from this machine",
        SocketException socket => $"could not be asked: {socket.Message}",
        _ => "sent something that is not an answer to the question",
    };
}

/// <summary>Names as the check compares and shows them: without the dot at the end, what is not printable escaped.</summary>
internal static class DomainText
{
    /// <summary>The longest name without the dot at the end (RFC 1035 section 2.3.4).</summary>
    public const int MaxLength = 253;

    public static string Of(DnsString name) => name.Value.TrimEnd('.').ToLowerInvariant();

    /// <summary>Whether a name is the zone or below it.</summary>
    public static bool IsIn(string name, string zone) => name == zone || name.EndsWith("." + zone, StringComparison.Ordinal);
}
