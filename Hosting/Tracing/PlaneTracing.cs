using System.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using OpenTelemetry;
using OpenTelemetry.Trace;
using Plane.Hosting.Logging;
using Plane.Hosting.Metrics;

namespace Plane.Hosting.Tracing;

/// <summary>Exports traces by OTLP where that is configured. Where it is not, nothing listens, and no activity is created anywhere.</summary>
public static class PlaneTracing
{
    // Not traced: health checks and metrics are requested every few seconds.
    private static readonly PathString[] s_probes = ["/metrics", "/ready", "/pub/live", "/pub/health"];

    /// <summary>
    /// Records the spans of all roles of the process: of Plane, the web server, the cluster's calls, the database's driver and the HTTP client. Where they are sent is in the
    /// <see cref="HostingOptions"/> given before (<see cref="PlaneLogging.AddPlaneLogging"/>).
    /// </summary>
    /// <param name="builder">The role's builder.</param>
    /// <param name="role">The role, which becomes the service's name. A controller is called by applications, whose traces continue; a proxy by anybody.</param>
    public static IHostApplicationBuilder AddPlaneTracing(this IHostApplicationBuilder builder, string role)
    {
        ArgumentNullException.ThrowIfNull(builder);
        if (HostingOptions.Of(builder.Services) is not { } options || !options.Exports(OtlpSignal.Traces))
        {
            return builder;
        }

        // For this role's web server and its silo; the listener, and with it every activity, is the process's.
        builder.Services.AddSingleton<DistributedContextPropagator>(new TraceContextPropagator(options.AcceptTraceContext ?? role == "controller"));
        if (!options.TryBecomeExporter(OtlpSignal.Traces))
        {
            return builder;
        }

        // The instrumentation would read the headers again, past what this process accepts.
        Sdk.SetDefaultTextMapPropagator(new OpenTelemetry.Context.Propagation.TraceContextPropagator());
        options.ConfigureSdk(builder.Configuration);
        builder.Services.AddOpenTelemetry().WithTracing(tracing => tracing
            .SetResourceBuilder(PlaneMetrics.ResourceOf(role))
            .AddAspNetCoreInstrumentation(o => o.Filter = context => !s_probes.Contains(context.Request.Path))
            .AddSource(PlaneTrace.SourceName, "Microsoft.Orleans.Application", "Npgsql", "System.Net.Http")
            .AddProcessor(new SpanRules())
            .AddOtlpExporter(o => options.Configure(OtlpSignal.Traces, o)));
        return builder;
    }
}
