using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace Plane.Hosting;

/// <summary>Exports the metrics of the meters <c>plane.*</c> and of the runtime: as Prometheus text to who asks, by OTLP where configured.</summary>
public static class PlaneMetrics
{
    /// <summary>
    /// Collects the metrics; where they are sent stands in the <see cref="HostingOptions"/> given before (<see cref="PlaneLogging.AddPlaneLogging"/>). Meters are known by name across the process, so that in <c>plane up</c> each role's text shows the whole process,
    /// and the first role sends it.
    /// </summary>
    /// <param name="builder">The role's builder.</param>
    /// <param name="role">The role, which becomes the service's name.</param>
    public static IHostApplicationBuilder AddPlaneMetrics(this IHostApplicationBuilder builder, string role)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var options = builder.Services.LastOrDefault(s => s.ServiceType == typeof(HostingOptions))?.ImplementationInstance as HostingOptions;
        var exports = options?.TryBecomeExporter() == true;
        if (exports)
        {
            builder.Configuration.AddInMemoryCollection(options!.OpenTelemetry.Select(v => KeyValuePair.Create<string, string?>(v.Key, v.Value)));
            if (options.OtlpEndpoint is { } endpoint)
            {
                builder.Configuration[OtlpVariables.Endpoint] = endpoint.AbsoluteUri;
            }
        }

        builder.Services.AddOpenTelemetry().WithMetrics(metrics =>
        {
            metrics
                .SetResourceBuilder(ResourceBuilder.CreateEmpty()
                    .AddService("plane-" + role, serviceVersion: PlaneVersion.Current.Version)
                    .AddEnvironmentVariableDetector())
                .AddMeter("plane.*", "System.Runtime")
                .AddPrometheusExporter();
            if (exports)
            {
                // The general endpoint is in the configuration: the exporter appends the metrics' path to it where the protocol has one. This one is used as it is.
                metrics.AddOtlpExporter(o =>
                {
                    if (options!.OtlpMetricsEndpoint is { } endpoint)
                    {
                        o.Endpoint = endpoint;
                    }
                });
            }
        });
        return builder;
    }

    /// <summary>Serves the Prometheus text at <c>/metrics</c> of the role's own HTTP server.</summary>
    /// <param name="routes">The role's routes.</param>
    public static IEndpointConventionBuilder MapPlaneMetrics(this IEndpointRouteBuilder routes) => routes.MapPrometheusScrapingEndpoint("/metrics");

    /// <summary>Serves the Prometheus text at <c>/metrics</c> of a port of its own, without authentication: for a trusted network.</summary>
    /// <param name="services">The role's services, with <see cref="AddPlaneMetrics"/>.</param>
    /// <param name="host">The address to listen on.</param>
    /// <param name="port">The port; 0 for any.</param>
    public static IServiceCollection AddPlaneMetricsServer(this IServiceCollection services, string host, int port)
    {
        services.AddSingleton(s => new MetricsServer(s.GetRequiredService<MeterProvider>(), host, port));
        return services.AddHostedService(s => s.GetRequiredService<MetricsServer>());
    }
}
