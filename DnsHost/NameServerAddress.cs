using System.Net;
using Plane.DnsHost.Protocol;

namespace Plane.DnsHost;

/// <summary>One value of <c>--name-server</c>: a host name, or a host name of the zone with one of its addresses, as <c>ns.acme.example.net=192.0.2.53</c>.</summary>
internal static class NameServerAddress
{
    /// <summary>What is wrong with a value, or null.</summary>
    public static string? Problem(string text, DomainName? zone) =>
        !TryParse(text, out var name, out var address) ? $"'{text}' must be a host name such as ns1.example.net, or one with an address such as ns.acme.example.net=192.0.2.53"
        : address is not null && zone is { } z && !name.IsIn(z, out _)
            ? $"'{text}' has an address, but the name is not in the zone: its address is in the DNS of its own zone; leave it out here"
            : null;

    /// <summary>The name servers in the order given, each once, with its addresses; <c>ns.&lt;zone&gt;</c> where none is given.</summary>
    public static IEnumerable<(DomainName Name, IReadOnlyList<IPAddress> Addresses)> Group(DnsOptions options)
    {
        string[] given = options.NameServer.Length > 0 ? options.NameServer : ["ns." + options.Zone];
        return given
            .Select(text => TryParse(text, out var name, out var address) ? (Name: name, Address: address) : throw new FormatException(text))
            .GroupBy(s => s.Name)
            .Select(g => (g.Key, (IReadOnlyList<IPAddress>)[.. g.Select(s => s.Address).OfType<IPAddress>().Distinct()]));
    }

    private static bool TryParse(string text, out DomainName name, out IPAddress? address)
    {
        address = null;
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        return DomainName.TryParse(equals < 0 ? text : text[..equals], out name)
            && (equals < 0 || IPAddress.TryParse(text.AsSpan(equals + 1), out address));
    }
}
