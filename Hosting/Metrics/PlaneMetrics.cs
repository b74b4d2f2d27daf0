using System.Diagnostics.Metrics;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using Plane.Hosting.Logging;

namespace Plane.Hosting.Metrics;

/// <summary>Exports the metrics of Plane, of the runtime and of the frameworks: as Prometheus text to who asks, by OTLP where configured.</summary>
public static class PlaneMetrics
{
    private const string HttpClientMeter = "System.Net.Http";

    // YARP has no meter.
    private static readonly string[] s_frameworks = ["Microsoft.AspNetCore.*", "Microsoft.Orleans", "Npgsql", HttpClientMeter];

    // The memory of all of an instrument's series is taken at once: with the default of 2,000 these took 12 MB in each role.
    private const int MostSeries = 300;

    // Without the other end's address and port: each backend has a port of its own, and a series is kept for each value that was ever seen.
    private static readonly string[] s_clientTags =
        ["http.request.method", "http.response.status_code", "http.connection.state", "error.type", "network.protocol.version", "url.scheme"];

    /// <summary>
    /// Collects the metrics; where they are sent is in the <see cref="HostingOptions"/> given before (<see cref="PlaneLogging.AddPlaneLogging"/>). Meters are known by name across the process, so that in <c>plane up</c> each role's text shows the whole process,
    /// and the first role sends it.
    /// </summary>
    /// <param name="builder">The role's builder.</param>
    /// <param name="role">The role, which becomes the service's name.</param>
    public static IHostApplicationBuilder AddPlaneMetrics(this IHostApplicationBuilder builder, string role)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var options = HostingOptions.Of(builder.Services);
        var exports = options?.TryBecomeExporter(OtlpSignal.Metrics) == true;
        builder.Services.AddOpenTelemetry().WithMetrics(metrics =>
        {
            metrics.SetResourceBuilder(ResourceOf(role)).AddMeter("plane.*", "System.Runtime").AddView(i => ViewOf(i, role)).AddPrometheusExporter();
            if (exports)
            {
                metrics.AddOtlpExporter(o => options!.Configure(OtlpSignal.Metrics, o));
            }
        });
        if (exports)
        {
            options!.ConfigureSdk(builder.Configuration);
            builder.Services.AddFrameworkMetrics();
        }

        return builder;
    }

    /// <summary>
    /// Collects the metrics of the frameworks too. For roles whose metrics somebody reads: each of them is one more thing to do for each request.
    /// </summary>
    /// <param name="services">The role's services, with <see cref="AddPlaneMetrics"/>.</param>
    public static IServiceCollection AddFrameworkMetrics(this IServiceCollection services) =>
        services.ConfigureOpenTelemetryMeterProvider(static metrics => metrics.AddMeter(s_frameworks));

    private static MetricStreamConfiguration ViewOf(Instrument instrument, string role) => instrument.Meter.Name switch
    {
        // What they count of a proxy's requests is in plane.proxy.* already, and each of them is work for every request.
        "Microsoft.AspNetCore.Hosting" or HttpClientMeter when role == "proxy" => MetricStreamConfiguration.Drop,
        HttpClientMeter => new MetricStreamConfiguration { TagKeys = s_clientTags, CardinalityLimit = MostSeries },
        _ => new MetricStreamConfiguration { CardinalityLimit = MostSeries },
    };

    /// <summary>What the role is called in metrics and traces, unless OpenTelemetry's variables say otherwise.</summary>
    internal static ResourceBuilder ResourceOf(string role) => ResourceBuilder.CreateEmpty()
        .AddService("plane-" + role, serviceVersion: PlaneVersion.Current.Version)
        .AddEnvironmentVariableDetector();

    /// <summary>Serves the Prometheus text at <c>/metrics</c> of the role's own HTTP server.</summary>
    /// <param name="routes">The role's routes.</param>
    public static IEndpointConventionBuilder MapPlaneMetrics(this IEndpointRouteBuilder routes) => routes.MapPrometheusScrapingEndpoint("/metrics");

    /// <summary>Serves the Prometheus text at <c>/metrics</c> of a port of its own, without authentication: for a trusted network.</summary>
    /// <param name="services">The role's services, with <see cref="AddPlaneMetrics"/>.</param>
    /// <param name="host">The address to listen on.</param>
    /// <param name="port">The port; 0 for any.</param>
    public static IServiceCollection AddPlaneMetricsServer(this IServiceCollection services, string host, int port)
    {
        services.AddFrameworkMetrics();
        services.AddSingleton(s => new MetricsServer(s.GetRequiredService<MeterProvider>(), host, port));
        return services.AddHostedService(s => s.GetRequiredService<MetricsServer>());
    }
}
