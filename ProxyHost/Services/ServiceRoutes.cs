using System.Diagnostics.CodeAnalysis;

namespace Plane.ProxyHost.Services;

/// <summary>The hosts of services that were asked for, by the first label of their names.</summary>
internal sealed class ServiceRoutes(ProxyOptions options)
{
    private readonly BoundedCache<ServiceRoute> _routes = new(options.RouteCacheSize, StringComparer.OrdinalIgnoreCase);

    public int Count => _routes.Count;

    /// <summary>Whether a host may be a service's, without a look at what services there are.</summary>
    public static bool MayBe(ReadOnlySpan<char> subdomain) => subdomain.IndexOf(ServiceLabel.Separator) > 0 && !subdomain.Contains('.');

    /// <summary>The host, where it was kept before.</summary>
    public bool TryGet(ReadOnlySpan<char> subdomain, [NotNullWhen(true)] out ServiceRoute? route) => _routes.TryGet(subdomain, out route);

    /// <summary>The host as one of a service; null where its name is none.</summary>
    public static ServiceRoute? Read(string subdomain)
    {
        var lower = subdomain.ToLowerInvariant();
        return ServiceLabel.TryParse(lower, out var service, out var label) ? new ServiceRoute(service, label, lower) : null;
    }

    /// <summary>Keeps the host of a service that there is: all its requests then wait for one entry.</summary>
    public ServiceRoute Keep(ServiceRoute route)
    {
        if (route.IsKept)
        {
            return route;
        }

        var kept = _routes.GetOrAdd(route.Subdomain, route);
        kept.IsKept = true;
        return kept;
    }
}
