using System.Net;
using Plane.Dns.Client;
using Plane.Dns.Protocol;

namespace Plane.Dns.Check;

/// <summary>
/// Walks the way that a certification authority goes, and says of each step whether it is right and what to set:
/// <list type="number">
/// <item>the challenge's name is an alias into the zone (CNAME);</item>
/// <item>the zone above delegates the zone (NS);</item>
/// <item>each name server has an address, and answers for the zone over UDP and TCP, with the controller behind it;</item>
/// <item>no CAA record forbids the authority to issue.</item>
/// </list>
/// A question that the resolver does not answer is a finding too, and the check goes on. What is asked directly is asked from this machine: a firewall between the world and the server may still say otherwise.
/// </summary>
public sealed class DnsCheck
{
    private const int MaxServers = 13;
    private const int EnoughUnanswered = 2;

    private readonly DnsCheckRequest _request;
    private readonly DnsClient _client;
    private readonly DomainName _cluster;
    private readonly List<Finding> _findings = [];
    private bool _resolverAnswers;
    private int _unanswered;

    private DnsCheck(DnsCheckRequest request, TimeProvider time)
    {
        _request = request;
        _client = new DnsClient(time, request.Timeout);
        _cluster = DomainName.Parse(request.Cluster.Host);
    }

    /// <summary>Runs the check.</summary>
    /// <param name="request">A valid request.</param>
    /// <param name="time">The clock of time-outs.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="ResolverUnreachableException">The resolver answers no question.</exception>
    public static async Task<IReadOnlyList<Finding>> RunAsync(DnsCheckRequest request, TimeProvider time, CancellationToken cancellationToken)
    {
        var check = new DnsCheck(request, time);
        await check.RunAsync(cancellationToken).ConfigureAwait(false);
        return check._findings;
    }

    private async Task RunAsync(CancellationToken cancellationToken)
    {
        var zone = await CheckAliasAsync(cancellationToken).ConfigureAwait(false);
        if (zone is { } known)
        {
            await CheckZoneAsync(known, cancellationToken).ConfigureAwait(false);
        }
        else
        {
            Add(FindingKind.Missing, "zone", "not looked at, since no zone is known", "give the zone of plane dns with --zone");
        }

        await CheckIssuersAsync(cancellationToken).ConfigureAwait(false);
    }

    private void Add(FindingKind kind, string subject, string said, string? toDo = null) => _findings.Add(new Finding(kind, subject, said, toDo));

    // ---- the alias ----

    private async Task<DomainName?> CheckAliasAsync(CancellationToken cancellationToken)
    {
        var name = DomainName.Parse("_acme-challenge").Under(_cluster);
        if (name is not { } challenge)
        {
            throw new ResolverUnreachableException($"the name _acme-challenge.{_request.Cluster} is longer than names may be");
        }

        var subject = $"CNAME {Show(challenge)}";
        DomainName? given = _request.Zone is { } text ? DomainName.Parse(text) : null;
        var expected = given is { } z ? _cluster.Under(z) : null;
        var target = expected is { } e ? Show(e) : $"{_request.Cluster}.<zone>";
        var set = $"in the DNS of {_request.Cluster} set: {Show(challenge)}. CNAME {target}.{(given is null ? " where <zone> is the --zone of plane dns" : "")}";
        if (await ResolveAsync(challenge, RecordType.Cname, cancellationToken).ConfigureAwait(false) is not { } reply)
        {
            return given;
        }

        if (reply.Code is not (ResponseCode.NoError or ResponseCode.NameError))
        {
            Add(FindingKind.Wrong, subject, $"the resolver answers {Show(reply.Code)}: the name servers of {_request.Cluster} do not answer for it", $"repair the DNS of {_request.Cluster} first");
            return given;
        }

        if (reply.Answers.FirstOrDefault(r => r.Type == RecordType.Cname && r.Name.Equals(challenge))?.Target is not { } found)
        {
            var values = await ResolveAsync(challenge, RecordType.Txt, cancellationToken).ConfigureAwait(false);
            var hasText = values is not null && values.Answers.Any(r => r.Type == RecordType.Txt);
            Add(
                FindingKind.Missing,
                subject,
                hasText
                    ? "there is none, and a TXT record stands in its place: a name with a CNAME has no other records"
                    : "there is none",
                hasText ? $"remove the TXT record, and {set}" : set);
            return given;
        }

        if (expected is { } wanted)
        {
            if (found.Equals(wanted))
            {
                Add(FindingKind.Right, subject, $"leads to {Show(found)}");
            }
            else
            {
                Add(FindingKind.Wrong, subject, $"leads to {Show(found)}, not to {Show(wanted)}", set);
            }

            return given;
        }

        // The cluster's own name in front, the zone behind.
        var labels = _cluster.Wire.Length - 1;
        if (found.Wire.Length > labels + 1 && new DomainName([.. found.Wire[..labels], 0]).Equals(_cluster))
        {
            Add(FindingKind.Right, subject, $"leads to {Show(found)}");
            return new DomainName(found.Wire[labels..].ToArray());
        }

        Add(FindingKind.Wrong, subject, $"leads to {Show(found)}, which is not {_request.Cluster} below a zone", set);
        return null;
    }

    // ---- the zone ----

    private async Task CheckZoneAsync(DomainName zone, CancellationToken cancellationToken)
    {
        if (await ReadDelegationAsync(zone, cancellationToken).ConfigureAwait(false) is not var (parent, servers, glue, problem))
        {
            return;
        }

        var subject = $"NS {Show(zone)}";
        var above = parent is { } p ? Show(p) : "the zone above it";
        if (servers.Count == 0)
        {
            Add(
                FindingKind.Missing,
                subject,
                problem ?? $"{above} does not delegate the zone",
                $"in the zone {above} set: {Show(zone)}. NS ns.{Show(zone)}. and ns.{Show(zone)}. A with the address of the machine that runs plane dns (AAAA for IPv6)");
            return;
        }

        Add(FindingKind.Right, subject, $"{above} delegates it to {string.Join(", ", servers.Select(Show))}");
        foreach (var server in servers.Take(MaxServers))
        {
            var addresses = glue.Where(r => r.Name.Equals(server)).Select(r => r.Address!).ToList();
            var isKnown = true;
            foreach (var type in addresses.Count > 0 ? [] : (RecordType[])[RecordType.A, RecordType.Aaaa])
            {
                var reply = await ResolveAsync(server, type, cancellationToken).ConfigureAwait(false);
                addresses.AddRange(reply?.Answers.Select(r => r.Address).OfType<IPAddress>() ?? []);
                isKnown &= reply is not null;
            }

            if (addresses.Count == 0 && isKnown)
            {
                var inZone = server.IsIn(zone, out _);
                Add(
                    FindingKind.Missing,
                    $"address of {Show(server)}",
                    "the name server has no address",
                    $"in {(inZone ? $"the zone {above}" : $"the DNS of {Show(server)}")} set: {Show(server)}. A with the address of the machine that runs plane dns"
                    + (inZone ? $", and start plane dns with --name-server {Show(server)}=ADDRESS" : ""));
                continue;
            }

            foreach (var address in addresses.Distinct())
            {
                await CheckServerAsync(zone, server, servers, address, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private async Task CheckServerAsync(
        DomainName zone, DomainName server, List<DomainName> delegated, IPAddress address, CancellationToken cancellationToken)
    {
        var at = new IPEndPoint(address, _request.Port);
        var answers = false;
        foreach (var transport in (Transport[])[Transport.Udp, Transport.Tcp])
        {
            var subject = $"{Show(server)} at {at}, {transport.ToString().ToUpperInvariant()}";
            var outcome = await _client.AskAsync(at, zone, RecordType.Soa, recursive: false, transport, cancellationToken).ConfigureAwait(false);
            switch (outcome.Reply)
            {
                case null:
                    Add(
                        FindingKind.Wrong,
                        subject,
                        $"the server {outcome.Problem}",
                        $"see that plane dns runs there, and that every firewall lets port {_request.Port} in over {transport.ToString().ToUpperInvariant()}");
                    break;
                case { Code: ResponseCode.NoError, IsAuthoritative: true } reply when reply.Answers.Any(r => r.Type == RecordType.Soa && r.Name.Equals(zone)):
                    Add(FindingKind.Right, subject, $"answers for {Show(zone)}");
                    answers = true;
                    break;
                case { } reply:
                    Add(
                        FindingKind.Wrong,
                        subject,
                        $"a server answers, but not for {Show(zone)} ({(reply.Code == ResponseCode.NoError ? "not authoritative" : Show(reply.Code))})",
                        $"start plane dns there with --zone {Show(zone)}; another DNS server of that machine may have the port");
                    break;
            }
        }

        if (!answers)
        {
            return;
        }

        await CheckValuesAsync(zone, server, at, cancellationToken).ConfigureAwait(false);
        var names = await _client.AskAsync(at, zone, RecordType.Ns, recursive: false, Transport.Any, cancellationToken).ConfigureAwait(false);
        var own = names.Reply?.Answers.Select(r => r.Target).OfType<DomainName>().ToList() ?? [];
        if (own.Count > 0 && (own.Except(delegated).Any() || delegated.Except(own).Any()))
        {
            Add(
                FindingKind.Wrong,
                $"NS {Show(zone)} at {at}",
                $"the server names {string.Join(", ", own.Select(Show))}, and the zone above {string.Join(", ", delegated.Select(Show))}: resolvers use both",
                $"start plane dns with {string.Join(' ', delegated.Select(d => $"--name-server {Show(d)}{(d.IsIn(zone, out _) ? "=ADDRESS" : "")}"))}");
        }
    }

    private async Task CheckValuesAsync(DomainName zone, DomainName server, IPEndPoint at, CancellationToken cancellationToken)
    {
        if (_cluster.Under(zone) is not { } name)
        {
            return;
        }

        var subject = $"TXT {Show(name)} at {at}";
        var outcome = await _client.AskAsync(at, name, RecordType.Txt, recursive: false, Transport.Any, cancellationToken).ConfigureAwait(false);
        switch (outcome.Reply)
        {
            case { Code: ResponseCode.NoError } reply:
                var count = reply.Answers.Count(r => r.Type == RecordType.Txt);
                Add(FindingKind.Right, subject, count == 0 ? "answers; no challenge stands at the moment" : $"answers with {count} value(s)");
                break;
            case { Code: ResponseCode.ServerFailure }:
                Add(FindingKind.Wrong, subject, $"{Show(server)} cannot reach its controller (SERVFAIL)", "see the log of plane dns there, and its --gateway");
                break;
            default:
                Add(
                    FindingKind.Wrong,
                    subject,
                    outcome.Reply is { } other ? $"the answer is {Show(other.Code)}" : $"the server {outcome.Problem}",
                    $"see that it is plane dns that answers at {at}");
                break;
        }
    }

    /// <summary>The delegation as the servers of the zone above say it, or, where they cannot be asked, as the resolver does; null where that gives no answer.</summary>
    private async Task<(DomainName? Parent, List<DomainName> Servers, List<DnsRecord> Glue, string? Problem)?> ReadDelegationAsync(
        DomainName zone, CancellationToken cancellationToken)
    {
        DomainName? parent = null;
        if (zone.Parent is { IsRoot: false } above)
        {
            var soa = await ResolveAsync(above, RecordType.Soa, cancellationToken).ConfigureAwait(false);
            parent = soa?.Answers.Concat(soa.Authority).FirstOrDefault(r => r.Type == RecordType.Soa)?.Name;
        }

        if (parent is { } known)
        {
            var names = await ResolveAsync(known, RecordType.Ns, cancellationToken).ConfigureAwait(false);
            foreach (var name in names?.Answers.Select(r => r.Target).OfType<DomainName>().Take(3) ?? [])
            {
                var reply = await ResolveAsync(name, RecordType.A, cancellationToken).ConfigureAwait(false);
                if (reply?.Answers.Select(r => r.Address).FirstOrDefault(a => a is not null) is not { } address)
                {
                    continue;
                }

                var outcome = await _client.AskAsync(
                    new IPEndPoint(address, _request.Port), zone, RecordType.Ns, recursive: false, Transport.Any, cancellationToken).ConfigureAwait(false);
                if (outcome.Reply is { Code: ResponseCode.NoError or ResponseCode.NameError } referral)
                {
                    return (known, Servers(referral, zone), Glue(referral), null);
                }
            }
        }

        if (await ResolveAsync(zone, RecordType.Ns, cancellationToken).ConfigureAwait(false) is not { } asked)
        {
            return null;
        }

        return (
            parent,
            Servers(asked, zone),
            Glue(asked),
            asked.Code is ResponseCode.NoError or ResponseCode.NameError ? null
                : $"the resolver answers {Show(asked.Code)}: either nothing delegates the zone, or no name server of it answers");
    }

    private static List<DomainName> Servers(DnsReply reply, DomainName zone) =>
    [
        .. reply.Answers.Concat(reply.Authority).Where(r => r.Type == RecordType.Ns && r.Name.Equals(zone)).Select(r => r.Target).OfType<DomainName>().Distinct(),
    ];

    private static List<DnsRecord> Glue(DnsReply reply) => [.. reply.Additional.Where(r => r.Address is not null)];

    // ---- who may issue (RFC 8659) ----

    private async Task CheckIssuersAsync(CancellationToken cancellationToken)
    {
        for (DomainName? at = _cluster; at is { IsRoot: false } name; at = name.Parent)
        {
            var subject = $"CAA {Show(name)}";
            if (await ResolveAsync(name, RecordType.Caa, cancellationToken).ConfigureAwait(false) is not { } reply)
            {
                return;
            }

            if (reply.Code is not (ResponseCode.NoError or ResponseCode.NameError))
            {
                Add(FindingKind.Wrong, subject, $"the resolver answers {Show(reply.Code)}: an authority then refuses to issue", $"repair the DNS of {Show(name)}");
                return;
            }

            var records = reply.Answers.Select(r => r.Caa).OfType<(byte Flags, string Tag, string Value)>().ToList();
            if (records.Count == 0)
            {
                continue;
            }

            var problem = CaaRules.Problem(records, _request.Authority);
            Add(
                problem is null ? FindingKind.Right : FindingKind.Wrong,
                subject,
                problem ?? $"allows {_request.Authority} to issue",
                problem is null ? null : $"set beside the others: {Show(name)}. CAA 0 issue \"{_request.Authority}\", and the same as issuewild where there are such (--ca names another authority)");
            return;
        }

        Add(FindingKind.Right, $"CAA {_request.Cluster}", "there is none, so any authority may issue");
    }

    /// <summary>The resolver's answer, or null where it gives none, which is a finding then.</summary>
    private async Task<DnsReply?> ResolveAsync(DomainName name, RecordType type, CancellationToken cancellationToken)
    {
        var outcome = await _client.AskAsync(_request.Resolver, name, type, recursive: true, Transport.Any, cancellationToken).ConfigureAwait(false);
        if (outcome.Reply is { Code: not ResponseCode.Refused } reply)
        {
            _resolverAnswers = true;
            return reply;
        }

        var problem = $"the resolver {_request.Resolver} {outcome.Problem ?? $"refuses to answer about {Show(name)}"}";
        if (!_resolverAnswers && ++_unanswered >= EnoughUnanswered)
        {
            throw new ResolverUnreachableException($"{problem}; give another with --resolver");
        }

        Add(FindingKind.Unanswered, $"{type.ToString().ToUpperInvariant()} {Show(name)}", problem, "run the check again, or with another --resolver");
        return null;
    }

    private static string Show(DomainName name) => name.ToString().TrimEnd('.');

    private static string Show(ResponseCode code) => code switch
    {
        ResponseCode.ServerFailure => "SERVFAIL",
        ResponseCode.NameError => "NXDOMAIN",
        ResponseCode.Refused => "REFUSED",
        ResponseCode.FormatError => "FORMERR",
        ResponseCode.NotImplemented => "NOTIMP",
        _ => code.ToString(),
    };
}
