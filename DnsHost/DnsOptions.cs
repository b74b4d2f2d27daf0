using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using Plane.DnsHost.Protocol;

namespace Plane.DnsHost;

/// <summary>How a DNS server runs.</summary>
public sealed class DnsOptions
{
    /// <summary>The zone that it is authoritative for, as <c>acme.example.net</c>: <c>&lt;cluster&gt;.&lt;zone&gt;</c> answers for the cluster. Required.</summary>
    [Required]
    [Description("the zone to answer for; <cluster>.<zone> answers for a cluster")]
    public string Zone { get; set; } = "";

    /// <summary>Its name in logs.</summary>
    [Description("this server's name, ns-…; where not set, a random one at each start")]
    public string Name { get; set; } = DnsServerName.NewRandom().Value;

    /// <summary>
    /// The addresses to listen on. The IPv6 any-address serves IPv4 too. On a machine with several addresses each that is asked has to be named: an answer to a
    /// question that came in by the any-address leaves by the address that the route has, which need not be the one asked.
    /// </summary>
    [Description("an address to listen on, repeatable; :: serves IPv4 too")]
    public string[] Host { get; set; } = ["::"];

    /// <summary>The port, UDP and TCP; 0 for a free one.</summary>
    [Description("the port, UDP and TCP")]
    public int Port { get; set; } = 53;

    /// <summary>
    /// The zone's name servers, given in NS and SOA records, the first as the primary one: the same for every server of the zone, and the same as the delegation
    /// in the zone above says. One inside the zone has its addresses here too, as <c>ns.acme.example.net=192.0.2.53</c>, repeated for each address.
    /// <c>ns.&lt;zone&gt;</c> where none is given.
    /// </summary>
    [Description("a name server of the zone, as ns1.example.net; inside the zone with its address, as ns.<zone>=192.0.2.53; repeatable [default: ns.<zone>]")]
    public string[] NameServer { get; set; } = [];

    /// <summary>The mail address of the zone's operator, given in the SOA record. <c>hostmaster@&lt;zone&gt;</c> where not given.</summary>
    [Description("the mail address in the SOA record; hostmaster@<zone> where not given")]
    public string Hostmaster { get; set; } = "";

    /// <summary>How long a cluster's values are kept before the controller is asked for them again.</summary>
    [Description("how long a cluster's values are kept")]
    public TimeSpan CacheFor { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>How long a question waits for the controller before it is answered with SERVFAIL. Resolvers retry after about 2 s.</summary>
    [Description("how long a question waits for the controller")]
    public TimeSpan ControllerTimeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>
    /// The most UDP answers a second to one network (IPv4 /24, IPv6 /56): a sender's address can be forged, and the answers then flood its owner. TCP is not
    /// limited by it. 0 for no limit. The default is that of other name servers; resolvers ask about a challenge a few times.
    /// </summary>
    [Description("the most UDP answers a second to one network (IPv4 /24, IPv6 /56); 0 for no limit")]
    public int RateLimit { get; set; } = 200;

    /// <summary>
    /// Of the answers over the limit, one in so many is sent empty and marked as truncated, which makes a real resolver retry over TCP; the others are
    /// dropped. 1 for all, 0 for none.
    /// </summary>
    [Description("one in so many UDP answers over the limit is sent as truncated, so that the client comes back over TCP; 0 for none")]
    public int RateSlip { get; set; } = 2;

    /// <summary>The most TCP connections at a time.</summary>
    [Description("the most TCP connections at a time")]
    public int MaxConnections { get; set; } = 256;

    /// <summary>The most TCP connections at a time of one network (IPv4 /24, IPv6 /56).</summary>
    [Description("the most TCP connections at a time of one network (IPv4 /24, IPv6 /56)")]
    public int MaxNetworkConnections { get; set; } = 64;

    /// <summary>How long a TCP connection may take for the next question, or to take an answer (RFC 7766 section 6.2.3 leaves it to the server).</summary>
    [Description("how long a TCP connection may take for its next question")]
    public TimeSpan TcpIdle { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>The port that serves <c>/metrics</c> as Prometheus text; 0 takes a free one. Default none.</summary>
    [Description("a port of its own for /metrics, without authentication")]
    public int? MetricsPort { get; set; }

    /// <summary>The address of that port. Default <c>127.0.0.1</c>.</summary>
    [Description("the address of --metrics-port")]
    public string MetricsHost { get; set; } = "127.0.0.1";

    /// <summary>The mail address as SOA records have it: the first label is what precedes the at sign (RFC 1035 section 8).</summary>
    internal DomainName MailboxName() => TryMailboxName(out var name) ? name : throw new FormatException(Hostmaster);

    internal bool TryMailboxName(out DomainName name)
    {
        name = default;
        var text = Hostmaster.Length > 0 ? Hostmaster : "hostmaster@" + Zone;
        var at = text.IndexOf('@', StringComparison.Ordinal);
        if (at is < 1 or > 63 || !DomainName.TryParse(text[(at + 1)..], out var domain))
        {
            return false;
        }

        var local = text[..at];
        if (!local.All(c => c is > ' ' and <= '~') || new DomainName([(byte)at, .. local.Select(c => (byte)c), 0]).Under(domain) is not { } whole)
        {
            return false;
        }

        name = whole;
        return true;
    }
}
