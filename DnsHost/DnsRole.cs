using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Plane.Dns.Server;

namespace Plane.Dns;

/// <summary>The DNS server as a host of its own, or as a part of another.</summary>
public static class DnsRole
{
    /// <summary>Adds the DNS server. An <c>IClusterClient</c> must be registered.</summary>
    /// <param name="services">The services.</param>
    /// <param name="options">Validated options.</param>
    public static IServiceCollection AddPlaneDns(this IServiceCollection services, DnsOptions options)
    {
        services.AddSingleton(options);
        services.AddSingleton(TimeProvider.System);
        services.AddMetrics();
        services.AddSingleton<TxtSource>();
        services.AddSingleton<DnsResponder>();
        services.AddSingleton<DnsListener>();
        services.AddHostedService(s => s.GetRequiredService<DnsListener>());
        return services;
    }
}
