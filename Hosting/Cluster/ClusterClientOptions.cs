using System.Net;
using Microsoft.Extensions.Options;

namespace Plane.Hosting;

/// <summary>Where a client finds the cluster, and how client and gateway authenticate.</summary>
public sealed class ClusterClientOptions
{
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

    /// <summary>The gateways, taken apart.</summary>
    /// <exception cref="OptionsValidationException">A value is wrong; the text names it.</exception>
    internal IReadOnlyList<DnsEndPoint> Validated()
    {
        var rules = new OptionRules(typeof(ClusterClientOptions));
        var parsed = new List<DnsEndPoint>();
        foreach (var text in Endpoints)
        {
            rules.Flag(TryParse(text, out var endpoint), "--gateway", text, "must be HOST:PORT");
            parsed.Add(endpoint);
        }

        rules.Flag(Endpoints.Count > 0, "--gateway", Endpoints, "needs at least one HOST:PORT");
        rules.Flag(!string.IsNullOrWhiteSpace(ClusterId), "--cluster-id", ClusterId, "must not be blank");
        rules.Flag(!string.IsNullOrWhiteSpace(ServiceId), "--service-id", ServiceId, "must not be blank");
        rules.Positive(ResponseTimeout, TimeSpan.FromDays(30), "o.ResponseTimeout");
        rules.Positive(MaxReconnectDelay, TimeSpan.FromDays(30), "o.MaxReconnectDelay");
        Trust.Check(rules);
        return rules.Problems is [] ? parsed : throw new OptionsValidationException(nameof(ClusterClientOptions), typeof(ClusterClientOptions), rules.Problems);
    }
}
