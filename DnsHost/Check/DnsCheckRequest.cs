using System.Net;

namespace Plane.DnsHost.Check;

/// <summary>What is to be checked.</summary>
public sealed record DnsCheckRequest
{
    /// <summary>The cluster that is to have certificates.</summary>
    public required ClusterName Cluster { get; init; }

    /// <summary>The zone of the DNS server; where not given it is taken from the cluster's CNAME record.</summary>
    public string? Zone { get; init; }

    /// <summary>The resolver to ask, as the world would.</summary>
    public required IPEndPoint Resolver { get; init; }

    /// <summary>The port of name servers that are asked directly.</summary>
    public int Port { get; init; } = 53;

    /// <summary>The domain that names the certification authority in CAA records.</summary>
    public string Authority { get; init; } = "letsencrypt.org";

    /// <summary>How long an answer is waited for, each of three times over UDP.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>What is wrong with it, one sentence each, naming its option.</summary>
    public IEnumerable<string> Problems()
    {
        if (Cluster.HasPort)
        {
            yield return $"--cluster {Cluster}: a cluster with a port has no DNS form, and no certificate is ordered for it";
        }

        if (Zone is not null && !Protocol.DomainName.TryParse(Zone, out _))
        {
            yield return "--zone must be a domain name such as acme.example.net";
        }

        if (Port is < 1 or > 65535)
        {
            yield return "--port must be from 1 to 65535";
        }

        if (!Protocol.DomainName.TryParse(Authority, out _))
        {
            yield return "--ca must be a domain name such as letsencrypt.org";
        }
    }
}

/// <summary>What a check says of a record or a port.</summary>
public enum FindingKind
{
    /// <summary>As it must be.</summary>
    Right,

    /// <summary>There, but not as it must be.</summary>
    Wrong,

    /// <summary>Not there.</summary>
    Missing,

    /// <summary>The resolver gave no answer to this question: nothing can be said.</summary>
    Unanswered,
}

/// <summary>One finding.</summary>
/// <param name="Kind">The result.</param>
/// <param name="Subject">What was looked at.</param>
/// <param name="Said">What was seen, in a sentence.</param>
/// <param name="ToDo">What to set, unless it is right.</param>
public sealed record Finding(FindingKind Kind, string Subject, string Said, string? ToDo = null);

/// <summary>The resolver answers no question, so nothing can be said.</summary>
public sealed class ResolverUnreachableException(string message) : Exception(message);
