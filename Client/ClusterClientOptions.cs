using System.Diagnostics;
using System.Net;
using Microsoft.Extensions.Options;

namespace Plane.Client;

/// <summary>Where a client finds the cluster, and how client and gateway authenticate.</summary>
public sealed class ClusterClientOptions
{
    private static readonly TimeSpan s_longest = TimeSpan.FromDays(30);

    /// <summary>The gateways as <c>host:port</c>; names are resolved again at every attempt to connect. Default: this machine's.</summary>
    public IReadOnlyList<string> Endpoints { get; init; } = ["127.0.0.1:30000"];

    /// <summary>The name of the cluster; a silo of another refuses.</summary>
    public string ClusterId { get; init; } = "plane";

    /// <summary>The name of the service, which outlives clusters.</summary>
    public string ServiceId { get; init; } = "plane";

    /// <summary>How client and gateway authenticate.</summary>
    public GatewayTrust Trust { get; init; } = new();

    /// <summary>How long a call waits for its answer. Default 10 s.</summary>
    public TimeSpan ResponseTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The longest wait between two attempts to connect. Default 10 s; drones take 2 s, since they have keys to renew.</summary>
    public TimeSpan MaxReconnectDelay { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Splits <c>host:port</c>, <c>[IPv6]:port</c> or <c>host</c> (port 30000).</summary>
    /// <param name="text">What the operator wrote.</param>
    /// <param name="endpoint">The parts.</param>
    public static bool TryParse(string text, out DnsEndPoint endpoint)
    {
        endpoint = null!;
        if (string.IsNullOrWhiteSpace(text) || text.Contains('/', StringComparison.Ordinal)
            || !Uri.TryCreate($"gateway://{text.Trim()}", UriKind.Absolute, out var uri) || uri.UserInfo.Length > 0 || uri.Host.Length == 0 || uri.Port == 0)
        {
            return false;
        }

        endpoint = new DnsEndPoint(uri.Host.Trim('[', ']'), uri.Port < 0 ? 30000 : uri.Port);
        return true;
    }

    /// <summary>What is wrong with the values and the files that they name.</summary>
    public IEnumerable<OptionProblem> Problems()
    {
        foreach (var text in Endpoints.Where(e => !TryParse(e, out _)))
        {
            yield return new(nameof(Endpoints), text, "must be HOST:PORT");
        }

        if (Endpoints.Count == 0)
        {
            yield return new(nameof(Endpoints), "", "needs at least one HOST:PORT");
        }

        foreach (var (option, value) in new[] { (nameof(ClusterId), ClusterId), (nameof(ServiceId), ServiceId) }.Where(o => string.IsNullOrWhiteSpace(o.Item2)))
        {
            yield return new(option, value, "must not be blank");
        }

        foreach (var (option, value) in new[] { (nameof(ResponseTimeout), ResponseTimeout), (nameof(MaxReconnectDelay), MaxReconnectDelay) }
            .Where(o => o.Item2 <= TimeSpan.Zero || o.Item2 > s_longest))
        {
            yield return new(option, value, "must be more than 0 s and at most 30 days");
        }

        foreach (var problem in Trust.Problems())
        {
            yield return problem;
        }
    }

    /// <summary>The gateways, taken apart.</summary>
    /// <exception cref="OptionsValidationException">A value is wrong; the text names it.</exception>
    internal IReadOnlyList<DnsEndPoint> Validated()
    {
        var problems = Problems().Select(p => p.ToString()).ToList();
        return problems is [] ? [.. Endpoints.Select(Parse)] : throw new OptionsValidationException(nameof(ClusterClientOptions), typeof(ClusterClientOptions), problems);

        static DnsEndPoint Parse(string text) => TryParse(text, out var endpoint) ? endpoint : throw new UnreachableException();
    }
}
