using System.Net;
using DnsClient;
using DnsClient.Protocol;

namespace Plane.DnsHost.Check;

/// <summary>
/// Walks the way that a certification authority goes, and says of each step whether it is right and what to set:
/// <list type="number">
/// <item>the challenge's name is an alias into the zone (CNAME);</item>
/// <item>the zone above delegates the zone (NS);</item>
/// <item>each name server has an address, and answers for the zone over UDP and TCP, with the controller behind it;</item>
/// <item>no CAA record forbids the authority to issue.</item>
/// </list>
/// A question that the resolver does not answer is a finding too, and the check continues. What is asked directly is asked from this machine: a firewall between the
/// world and the server may still say otherwise.
/// </summary>
public sealed class DnsCheck
{
    private const int MaxServers = 13;
    private const int EnoughUnanswered = 2;

    private readonly DnsCheckRequest _request;
    private readonly DnsQuestions _questions;
    private readonly string _cluster;
    private readonly List<Finding> _findings = [];
    private bool _resolverAnswers;
    private int _unanswered;

    private DnsCheck(DnsCheckRequest request)
    {
        _request = request;
        _questions = new DnsQuestions(request.Timeout);
        _cluster = request.Cluster.Host;
    }

    /// <summary>Runs the check.</summary>
    /// <param name="request">A valid request.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="ResolverUnreachableException">The resolver answers no question.</exception>
    public static async Task<IReadOnlyList<Finding>> RunAsync(DnsCheckRequest request, CancellationToken cancellationToken)
    {
        var check = new DnsCheck(request);
        await check.RunAsync(cancellationToken);
        return check._findings;
    }

    private async Task RunAsync(CancellationToken cancellationToken)
    {
        if (await CheckAliasAsync(cancellationToken) is { } zone)
        {
            await CheckZoneAsync(zone, cancellationToken);
        }
        else
        {
            Add(FindingKind.Missing, "zone", "not looked at, since no zone is known", "give the zone of plane dns with --zone");
        }

        await CheckIssuersAsync(cancellationToken);
    }

    private void Add(FindingKind kind, string subject, string said, string? toDo = null) =>
        _findings.Add(new Finding(kind, subject, said, toDo));

    // ---- the alias ----

    private async Task<string?> CheckAliasAsync(CancellationToken cancellationToken)
    {
        var challenge = $"_acme-challenge.{_cluster}";
        if (challenge.Length > DomainText.MaxLength)
        {
            throw new ResolverUnreachableException($"the name {challenge} is longer than names may be");
        }

        var subject = $"CNAME {challenge}";
        var given = _request.Zone?.TrimEnd('.').ToLowerInvariant();
        var expected = given is null ? null : $"{_cluster}.{given}";
        var set = $"in the DNS of {_cluster} set: {challenge}. CNAME {expected ?? $"{_cluster}.<zone>"}."
            + (given is null ? " where <zone> is the --zone of plane dns" : "");
        if (await ResolveAsync(challenge, QueryType.CNAME, cancellationToken) is not { } reply)
        {
            return given;
        }

        if (!IsAnswered(reply))
        {
            Add(
                FindingKind.Wrong,
                subject,
                $"the resolver answers {Show(reply)}: the name servers of {_cluster} do not answer for it",
                $"repair the DNS of {_cluster} first");
            return given;
        }

        if (reply.Answers.CnameRecords().FirstOrDefault(r => DomainText.Of(r.DomainName) == challenge) is not { } alias)
        {
            var hasText = await ResolveAsync(challenge, QueryType.TXT, cancellationToken) is { } values && values.Answers.TxtRecords().Any();
            Add(
                FindingKind.Missing,
                subject,
                hasText ? "there is none, and there is a TXT record in its place: a name with a CNAME has no other records" : "there is none",
                hasText ? $"remove the TXT record, and {set}" : set);
            return given;
        }

        var found = DomainText.Of(alias.CanonicalName);
        var zone = found.StartsWith(_cluster + ".", StringComparison.Ordinal) ? found[(_cluster.Length + 1)..] : null;
        if (expected is null ? zone is not null : found == expected)
        {
            Add(FindingKind.Right, subject, $"leads to {found}");
        }
        else
        {
            Add(
                FindingKind.Wrong,
                subject,
                expected is null ? $"leads to {found}, which is not {_cluster} below a zone" : $"leads to {found}, not to {expected}",
                set);
        }

        return given ?? zone;
    }

    // ---- the zone ----

    private async Task CheckZoneAsync(string zone, CancellationToken cancellationToken)
    {
        if (await ReadDelegationAsync(zone, cancellationToken) is not var (parent, referral))
        {
            return;
        }

        var subject = $"NS {zone}";
        var above = parent ?? "the zone above it";
        string[] servers =
        [
            .. referral.Answers.Concat(referral.Authorities).NsRecords()
                .Where(r => DomainText.Of(r.DomainName) == zone).Select(r => DomainText.Of(r.NSDName)).Distinct(),
        ];
        if (servers.Length == 0)
        {
            Add(
                FindingKind.Missing,
                subject,
                IsAnswered(referral) ? $"{above} does not delegate the zone"
                    : $"the resolver answers {Show(referral)}: either nothing delegates the zone, or no name server of it answers",
                $"in the zone {above} set: {zone}. NS ns.{zone}. and ns.{zone}. A with the address of the machine that runs plane dns (AAAA for IPv6)");
            return;
        }

        Add(FindingKind.Right, subject, $"{above} delegates it to {string.Join(", ", servers)}");
        foreach (var server in servers.Take(MaxServers))
        {
            var addresses = await ReadAddressesAsync(server, referral, cancellationToken);
            if (addresses is [])
            {
                var inZone = DomainText.IsIn(server, zone);
                Add(
                    FindingKind.Missing,
                    $"address of {server}",
                    "the name server has no address",
                    $"in {(inZone ? $"the zone {above}" : $"the DNS of {server}")} set: {server}. A with the address of the machine that runs plane dns"
                    + (inZone ? $", and start plane dns with --name-server {server}=ADDRESS" : ""));
            }

            foreach (var address in addresses ?? [])
            {
                await CheckServerAsync(zone, server, servers, new IPEndPoint(address, _request.Port), cancellationToken);
            }
        }
    }

    /// <summary>The addresses of a name server: from the delegation, else from the resolver; null where it does not answer.</summary>
    private async Task<IPAddress[]?> ReadAddressesAsync(string server, IDnsQueryResponse referral, CancellationToken cancellationToken)
    {
        var addresses = referral.Additionals.AddressRecords().Where(r => DomainText.Of(r.DomainName) == server).Select(r => r.Address).ToList();
        var isKnown = true;
        foreach (var type in addresses.Count > 0 ? [] : (QueryType[])[QueryType.A, QueryType.AAAA])
        {
            var reply = await ResolveAsync(server, type, cancellationToken);
            addresses.AddRange(reply?.Answers.AddressRecords().Select(r => r.Address) ?? []);
            isKnown &= reply is not null;
        }

        return addresses.Count > 0 || isKnown ? [.. addresses.Distinct()] : null;
    }

    private async Task CheckServerAsync(string zone, string server, string[] delegated, IPEndPoint at, CancellationToken cancellationToken)
    {
        var answers = false;
        foreach (var transport in (Transport[])[Transport.Udp, Transport.Tcp])
        {
            var name = transport.ToString().ToUpperInvariant();
            var subject = $"{server} at {at}, {name}";
            var outcome = await _questions.AskAsync(at, zone, QueryType.SOA, recursive: false, transport, cancellationToken);
            if (outcome.Reply is not { } reply)
            {
                Add(
                    FindingKind.Wrong,
                    subject,
                    $"the server {outcome.Problem}",
                    $"see that plane dns runs there, and that every firewall lets port {_request.Port} in over {name}");
            }
            else if (reply is { HasError: false, Header.HasAuthorityAnswer: true }
                && reply.Answers.SoaRecords().Any(r => DomainText.Of(r.DomainName) == zone))
            {
                Add(FindingKind.Right, subject, $"answers for {zone}");
                answers = true;
            }
            else
            {
                Add(
                    FindingKind.Wrong,
                    subject,
                    $"a server answers, but not for {zone} ({(reply.HasError ? Show(reply) : "not authoritative")})",
                    $"start plane dns there with --zone {zone}; another DNS server of that machine may have the port");
            }
        }

        if (!answers)
        {
            return;
        }

        await CheckValuesAsync(zone, server, at, cancellationToken);
        var names = await _questions.AskAsync(at, zone, QueryType.NS, recursive: false, Transport.Any, cancellationToken);
        string[] own = [.. names.Reply?.Answers.NsRecords().Select(r => DomainText.Of(r.NSDName)) ?? []];
        if (own.Length > 0 && (own.Except(delegated).Any() || delegated.Except(own).Any()))
        {
            var flags = delegated.Select(d => $"--name-server {d}{(DomainText.IsIn(d, zone) ? "=ADDRESS" : "")}");
            Add(
                FindingKind.Wrong,
                $"NS {zone} at {at}",
                $"the server names {string.Join(", ", own)}, and the zone above {string.Join(", ", delegated)}: resolvers use both",
                $"start plane dns with {string.Join(' ', flags)}");
        }
    }

    private async Task CheckValuesAsync(string zone, string server, IPEndPoint at, CancellationToken cancellationToken)
    {
        var name = $"{_cluster}.{zone}";
        if (name.Length > DomainText.MaxLength)
        {
            return;
        }

        var subject = $"TXT {name} at {at}";
        var outcome = await _questions.AskAsync(at, name, QueryType.TXT, recursive: false, Transport.Any, cancellationToken);
        switch (outcome.Reply)
        {
            case { HasError: false } reply:
                var count = reply.Answers.TxtRecords().Count();
                Add(FindingKind.Right, subject, count == 0 ? "answers; there is no challenge at the moment" : $"answers with {count} value(s)");
                break;
            case { Header.ResponseCode: DnsHeaderResponseCode.ServerFailure }:
                Add(FindingKind.Wrong, subject, $"{server} cannot reach its controller (SERVFAIL)", "see the log of plane dns there, and its --gateway");
                break;
            default:
                Add(
                    FindingKind.Wrong,
                    subject,
                    outcome.Reply is { } other ? $"the answer is {Show(other)}" : $"the server {outcome.Problem}",
                    $"see that it is plane dns that answers at {at}");
                break;
        }
    }

    /// <summary>The delegation as the servers of the zone above say it, or, where they cannot be asked, as the resolver does; null where that gives no answer.</summary>
    private async Task<(string? Parent, IDnsQueryResponse Referral)?> ReadDelegationAsync(string zone, CancellationToken cancellationToken)
    {
        string? parent = null;
        if (zone.IndexOf('.', StringComparison.Ordinal) is > 0 and var dot)
        {
            var soa = await ResolveAsync(zone[(dot + 1)..], QueryType.SOA, cancellationToken);
            parent = soa?.Answers.Concat(soa.Authorities).SoaRecords().Select(r => DomainText.Of(r.DomainName)).FirstOrDefault();
        }

        if (parent is { } known)
        {
            var names = await ResolveAsync(known, QueryType.NS, cancellationToken);
            foreach (var name in names?.Answers.NsRecords().Take(3) ?? [])
            {
                var reply = await ResolveAsync(DomainText.Of(name.NSDName), QueryType.A, cancellationToken);
                if (reply?.Answers.ARecords().FirstOrDefault() is not { } address)
                {
                    continue;
                }

                var outcome = await _questions.AskAsync(
                    new IPEndPoint(address.Address, _request.Port), zone, QueryType.NS, recursive: false, Transport.Any, cancellationToken);
                if (outcome.Reply is { } referral && IsAnswered(referral))
                {
                    return (known, referral);
                }
            }
        }

        return await ResolveAsync(zone, QueryType.NS, cancellationToken) is { } asked ? (parent, asked) : null;
    }

    // ---- who may issue (RFC 8659) ----

    private async Task CheckIssuersAsync(CancellationToken cancellationToken)
    {
        for (var name = _cluster; ; name = name[(name.IndexOf('.', StringComparison.Ordinal) + 1)..])
        {
            var subject = $"CAA {name}";
            if (await ResolveAsync(name, QueryType.CAA, cancellationToken) is not { } reply)
            {
                return;
            }

            if (!IsAnswered(reply))
            {
                Add(FindingKind.Wrong, subject, $"the resolver answers {Show(reply)}: an authority then refuses to issue", $"repair the DNS of {name}");
                return;
            }

            CaaRecord[] records = [.. reply.Answers.CaaRecords()];
            if (records.Length > 0)
            {
                var problem = CaaRules.Problem(records, _request.Authority);
                Add(
                    problem is null ? FindingKind.Right : FindingKind.Wrong,
                    subject,
                    problem ?? $"allows {_request.Authority} to issue",
                    problem is null ? null
                        : $"set beside the others: {name}. CAA 0 issue \"{_request.Authority}\", and the same as issuewild where there are such (--ca names another authority)");
                return;
            }

            if (!name.Contains('.', StringComparison.Ordinal))
            {
                Add(FindingKind.Right, $"CAA {_cluster}", "there is none, so any authority may issue");
                return;
            }
        }
    }

    /// <summary>The resolver's answer, or null where it gives none, which is a finding then.</summary>
    private async Task<IDnsQueryResponse?> ResolveAsync(string name, QueryType type, CancellationToken cancellationToken)
    {
        var outcome = await _questions.AskAsync(_request.Resolver, name, type, recursive: true, Transport.Any, cancellationToken);
        if (outcome.Reply is { Header.ResponseCode: not DnsHeaderResponseCode.Refused } reply)
        {
            _resolverAnswers = true;
            return reply;
        }

        var problem = $"the resolver {_request.Resolver} {outcome.Problem ?? $"refuses to answer about {name}"}";
        if (!_resolverAnswers && ++_unanswered >= EnoughUnanswered)
        {
            throw new ResolverUnreachableException($"{problem}; give another with --resolver");
        }

        Add(FindingKind.Unanswered, $"{type} {name}", problem, "run the check again, or with another --resolver");
        return null;
    }

    private static bool IsAnswered(IDnsQueryResponse reply) =>
        reply.Header.ResponseCode is DnsHeaderResponseCode.NoError or DnsHeaderResponseCode.NotExistentDomain;

    private static string Show(IDnsQueryResponse reply) => reply.Header.ResponseCode switch
    {
        DnsHeaderResponseCode.ServerFailure => "SERVFAIL",
        DnsHeaderResponseCode.NotExistentDomain => "NXDOMAIN",
        DnsHeaderResponseCode.Refused => "REFUSED",
        DnsHeaderResponseCode.FormatError => "FORMERR",
        DnsHeaderResponseCode.NotImplemented => "NOTIMP",
        var code => code.ToString(),
    };
}
