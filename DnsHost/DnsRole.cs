using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Plane.DnsHost.Server;
using Plane.Hosting.Cluster;
using Plane.Hosting.Metrics;
using Plane.Hosting.Ready;
using Plane.Hosting.Tracing;
using Plane.Hosting;

namespace Plane.DnsHost;

/// <summary>The DNS server as a host of its own, or as a part of another.</summary>
public static class DnsRole
{
    /// <summary>Builds a host that answers DNS-01 challenges.</summary>
    /// <param name="options">The options.</param>
    /// <param name="addCluster">Registers the <see cref="ClusterConnection"/>.</param>
    /// <param name="configure">More for the builder: logging, a test's clock.</param>
    /// <exception cref="OptionsValidationException">An option is not valid.</exception>
    public static IHost Build(DnsOptions options, Action<IHostApplicationBuilder> addCluster, Action<IHostApplicationBuilder>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(addCluster);
        new DnsOptionsValidator().Validated(options);
        var builder = PlaneHost.CreateBuilder("dns");
        addCluster(builder);
        builder.Services.AddPlaneDns(options);
        configure?.Invoke(builder);
        builder.AddPlaneMetrics("dns");
        builder.AddPlaneTracing("dns");
        if (options.MetricsPort is { } port)
        {
            builder.Services.AddPlaneMetricsServer(options.MetricsHost, port);
        }

        return builder.Build();
    }

    /// <summary>Adds the DNS server. A <see cref="ClusterConnection"/> must be registered.</summary>
    /// <param name="services">The services.</param>
    /// <param name="options">Validated options.</param>
    public static IServiceCollection AddPlaneDns(this IServiceCollection services, DnsOptions options)
    {
        services.AddSingleton(options);
        services.TryAddSingleton(TimeProvider.System);
        services.AddMetrics();
        services.AddSingleton<TxtSource>();
        services.AddSingleton<Zone>();
        services.AddSingleton<DnsResponder>();
        services.AddSingleton<RateLimiter>();
        services.AddSingleton<DnsListener>();
        services.AddHostedService(s => s.GetRequiredService<DnsListener>());
        services.AddHostedService<Announcement>();
        return services;
    }

    /// <summary>Where the server of a started host listens, UDP and TCP.</summary>
    /// <param name="host">The host.</param>
    public static Task<System.Net.IPEndPoint> WhenListeningAsync(IHost host) => host.Services.GetRequiredService<DnsListener>().Bound;

    private sealed class Announcement(DnsListener listener, DnsOptions options, IReadyLine ready) : BackgroundService
    {
        protected override async Task ExecuteAsync(CancellationToken stoppingToken)
        {
            var at = await listener.Bound.WaitAsync(stoppingToken);
            ready.Ready(
                "dns",
                ("name", options.Name),
                ("zone", options.Zone),
                ("address", at.Address.ToString()),
                ("port", at.Port.ToString(CultureInfo.InvariantCulture)));
        }
    }
}
