namespace Plane.ProxyHost.Forwarding;

/// <summary>Which <c>Host</c> headers are the cluster's.</summary>
internal sealed class HostMatcher(ClusterName cluster)
{
    private readonly string _host = cluster.Host;
    private readonly string _port = ":" + cluster.Port.ToString(System.Globalization.CultureInfo.InvariantCulture);

    // Clients leave a scheme's own port out.
    private readonly bool _portOptional = cluster.Port is 443 or 80;

    /// <summary>Whether the host is the cluster or a subdomain of it.</summary>
    /// <param name="value">The header.</param>
    /// <param name="subdomain">What is before the cluster's name, without the dot; empty under the name itself.</param>
    public bool Matches(ReadOnlySpan<char> value, out ReadOnlySpan<char> subdomain)
    {
        subdomain = default;
        var host = value;
        if (value.EndsWith(_port, StringComparison.Ordinal))
        {
            host = value[..^_port.Length];
        }
        else if (!_portOptional)
        {
            return false;
        }

        if (!host.EndsWith(_host, StringComparison.OrdinalIgnoreCase))
        {
            return false;
        }

        var before = host[..^_host.Length];
        if (before.IsEmpty)
        {
            return true;
        }

        if (before[^1] != '.')
        {
            return false;
        }

        before = before[..^1];
        foreach (var label in before.Split('.'))
        {
            if (!NameRules.IsDnsLabel(before[label]))
            {
                return false;
            }
        }

        subdomain = before;
        return true;
    }

    /// <summary>
    /// Whether a backend answers under the subdomain: under its own alone, and one that has none under the cluster's name alone. Under a session's subdomain its pages would have that session's
    /// origin, and with it the cookie.
    /// </summary>
    public static bool Admits(string? backend, ReadOnlySpan<char> subdomain) => subdomain.Equals(backend ?? "", StringComparison.OrdinalIgnoreCase);
}
