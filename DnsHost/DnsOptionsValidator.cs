using System.Net;
using Plane.DnsHost.Protocol;
using Plane.Hosting.Configuration;

namespace Plane.DnsHost;

/// <summary>Checks how a DNS server runs.</summary>
public sealed class DnsOptionsValidator : OptionsValidator<DnsOptions>
{
    /// <inheritdoc/>
    protected override void Check(DnsOptions o, OptionRules rules)
    {
        ArgumentNullException.ThrowIfNull(o);
        ArgumentNullException.ThrowIfNull(rules);
        var hasZone = DomainName.TryParse(o.Zone, out var zone);
        rules.That(hasZone, o.Zone, "must be a domain name such as acme.example.net");
        rules.That(!hasZone || o.Zone.Length <= 180, o.Zone, "must have at most 180 characters: names of clusters precede it, and a whole name has 253");
        rules.That(DnsServerName.TryParse(o.Name, out _), o.Name, DnsServerName.Rule);
        rules.That(o.Host.Length is > 0 and <= 64 && o.Host.All(h => IPAddress.TryParse(h, out _)), o.Host, "must be an IP address, or several");
        rules.Port(o.Port);
        rules.That(o.NameServer.Length <= 26, o.NameServer, "must be given less often: a zone has 13 name servers at the most");
        foreach (var problem in o.NameServer.Select(s => NameServerAddress.Problem(s, hasZone ? zone : null)).OfType<string>())
        {
            rules.That(false, o.NameServer, problem);
        }

        rules.That(!hasZone || o.TryMailboxName(out _), o.Hostmaster, "must be a mail address such as hostmaster@example.net");
        rules.Between(o.CacheFor, TimeSpan.Zero, TimeSpan.FromMinutes(1));
        rules.Positive(o.ControllerTimeout, TimeSpan.FromSeconds(10));
        rules.Between(o.RateLimit, 0, 1_000_000);
        rules.Between(o.RateSlip, 0, 1_000);
        rules.Between(o.MaxConnections, 1, 65_536);
        rules.Between(o.MaxNetworkConnections, 1, 65_536);
        rules.Between(o.TcpIdle, TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(5));
        rules.Port(o.MetricsPort);
        rules.Host(o.MetricsHost);
    }
}
