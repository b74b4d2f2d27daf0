using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Plane.Hosting.Metrics;
using Plane.Hosting.Running;
using Plane.Hosting.Tracing;
using Plane.Hosting;
using Plane.Silo.Cluster;
using Plane.Silo.Dashboard;
using Plane.Silo.Dashboard.Access;
using Plane.Silo.Http;
using Plane.Silo.Http.Access;
using Plane.Silo.Http.Endpoints;
using Plane.Silo.Http.Logs;
using Plane.Silo.Http.OpenApi;
using Plane.Silo.Start;

namespace Plane.Silo;

/// <summary>Makes the controller's host: store, grains, silo, HTTP.</summary>
public static class SiloRole
{
    /// <summary>Makes the host; nothing is opened before it is started.</summary>
    /// <param name="options">The controller's options.</param>
    /// <param name="addSilo">Adds the silo to the host (<see cref="SiloHosting"/>).</param>
    /// <param name="configure">What the program adds, as logging.</param>
    /// <exception cref="OptionsValidationException">An option cannot be used; the message names it.</exception>
    public static WebApplication Build(ControllerOptions options, Action<IHostApplicationBuilder> addSilo, Action<IHostApplicationBuilder>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(addSilo);
        new ControllerOptionsValidator().Validated(options);
        var builder = PlaneHost.CreateWebBuilder("controller");
        configure?.Invoke(builder);
        builder.AddPlaneMetrics("controller");
        builder.Services.AddFrameworkMetrics();
        builder.AddPlaneTracing("controller");
        builder.UsePlaneListener(options.Host, options.Port);
        builder.WebHost.ConfigureKestrel(server => HttpLimits.Apply(options, server));
        builder.Services.AddPlaneController(options);

        // Reports before what the program adds: its ready line is the first.
        builder.Services.AddHostedService(s => s.GetRequiredService<SiloReady>());

        // Started after what it needs, stopped before it.
        addSilo(builder);
        if (options.MetricsPort is { } port)
        {
            builder.Services.AddPlaneMetricsServer(options.Host, port);
        }

        var app = builder.Build();
        UseApi(app, options);
        return app;
    }

    /// <summary>The URL that a started controller's HTTP API is served at.</summary>
    /// <param name="services">The services of what <see cref="Build"/> made.</param>
    public static Task<Uri> WhenReadyAsync(IServiceProvider services) => services.GetRequiredService<SiloReady>().WhenReady;

    /// <summary>Adds the controller's services, without silo and listener.</summary>
    /// <param name="services">The host's services.</param>
    /// <param name="options">Checked options.</param>
    internal static IServiceCollection AddPlaneController(this IServiceCollection services, ControllerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var controller = new ControllerIdentity(options.Name ?? ControllerName.NewRandom());
        services.AddSingleton(options);
        services.AddSingleton(controller);
        services.AddHostedService<StoreStart>();
        SiloServices.Add(services, options, controller.Name);
        services.AddDescriptorWatch();
        services.AddMetrics();
        services.AddCors();
        services.AddPlaneOpenApi();
        services.AddSingleton<SiloReady>();
        services.AddSingleton<HttpMetrics>();
        services.AddSingleton<DatabaseProbe>();
        services.AddSingleton<StatusStreams>();
        services.AddSingleton<DroneOutput>();
        services.AddSingleton<BackendLogs>();
        services.AddSingleton<LogStreams>();
        services.AddSingleton<EventStreams>();
        services.AddSingleton<Overview>();
        services.AddRazorComponents();
        services.AddHealthChecks()
            .AddCheck<FileDescriptorCheck>("file descriptors")
            .AddCheck<DatabaseProbe>(DatabaseProbe.Check)
            .AddCheck<ClockCheck>("clock");

        // What is wrong is in the log once, by those who find out; the platform would log it at each question.
        services.Configure<LoggerFilterOptions>(o => o.AddFilter("Microsoft.Extensions.Diagnostics.HealthChecks", LogLevel.None));
        services.AddStreamLimit(StatusStreams.Limit, options.MaxStatusStreams)
            .AddStreamLimit(LogStreams.Limit, LogStreams.MaxStreams)
            .AddStreamLimit(EventStreams.Limit, EventStreams.MaxStreams);
        services.AddPlaneAccess(options);
        services.RemoveKeyRing();
        return services;
    }

    private static void UseApi(WebApplication app, ControllerOptions options)
    {
        app.UseMiddleware<ErrorMiddleware>();
        app.UseTrustedProxies(options.TrustedProxies);
        app.UseWhen(
            context => context.Request.Path.StartsWithSegments("/pub", StringComparison.OrdinalIgnoreCase),
            pub => pub.UseCors(policy => policy.AllowAnyOrigin().WithMethods(HttpMethods.Get, HttpMethods.Post).WithHeaders("content-type")));
        app.UseRouting();
        app.Use((context, next) =>
        {
            if (context.GetEndpoint()?.Metadata.GetMetadata<DashboardRoute>() is not null)
            {
                DashboardHeaders.Set(context);
            }

            return next(context);
        });
        app.UseAuthentication();
        app.UseAuthorization();
        ApiRoutes.Map(app, options);
        DashboardRoutes.Map(app);
    }
}
