using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Plane.Hosting.Running;
using Plane.ProxyHost.Certificates;
using Plane.ProxyHost.Answers;
using Plane.ProxyHost.Connections;
using Plane.ProxyHost.Controller;
using Plane.ProxyHost.Forwarding;
using Plane.ProxyHost.ProxyProtocol;
using Plane.ProxyHost.Routes;
using Plane.ProxyHost.Services;
using Plane.ProxyHost.Sessions;
using Plane.ProxyHost.Signing;
using Plane.ProxyHost.Tls;

namespace Plane.ProxyHost;

/// <summary>Registers the proxy.</summary>
public static class ProxyServices
{
    // What these write holds the request's URL, and with it the token; no configuration turns them on.
    private static readonly string[] s_urlLoggers =
        ["Microsoft.AspNetCore.Hosting.Diagnostics", "Microsoft.AspNetCore.Server.Kestrel.BadRequests", "Microsoft.AspNetCore.HttpLogging", "Yarp.ReverseProxy"];

    /// <summary>Adds everything but the web server (<see cref="ProxyRole"/>) and the cluster client, which the code that composes the host adds.</summary>
    /// <param name="services">The host's services.</param>
    /// <param name="options">Valid options (<see cref="ProxyOptionsValidator"/>).</param>
    public static IServiceCollection AddPlaneProxy(this IServiceCollection services, ProxyOptions options)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<ILeaseClock>(BootTimeClock.Instance);
        services.TryAddSingleton<IControllerCalls, ClusterCalls>();
        services.AddMetrics();
        services.AddSingleton(options);
        services.AddSingleton<ProxyMetrics>();
        services.AddSingleton<ControllerContact>();
        services.AddSingleton<ChangeProgress>();
        services.AddSingleton<RouteCache>();
        services.AddSingleton<NegativeAnswers>();
        services.AddSingleton<RouteResolver>();
        services.AddSingleton<RouteTable>();
        services.AddSingleton<OpenExchanges>();
        services.AddSingleton<BackendHttp>();
        services.AddSingleton<ErrorResponses>();
        var cluster = ClusterName.Parse(options.Cluster);
        services.AddSingleton(new SessionCookie(cluster));
        services.AddSingleton(s => new SessionAccess(options, cluster, s.GetRequiredService<RouteCache>()));
        services.AddSingleton<SessionEntry>();
        services.AddSingleton<TokenVerifier>();
        services.AddSingleton<ForwardAuth>();
        services.AddSingleton<ServiceDirectory>();
        services.AddSingleton<ServiceRoutes>();
        services.AddSingleton<ServiceWaker>();
        services.AddSingleton<ServiceGate>();
        services.AddSingleton<RouteFinder>();
        services.AddSingleton<ProxyPipeline>();
        services.AddSingleton<ProxyProtocolMiddleware>();
        services.AddSingleton(s => new ProxyStatus(
            s.GetRequiredService<ProxyOptions>(),
            s.GetRequiredService<ControllerContact>(),
            s.GetRequiredService<OpenExchanges>(),
            s.GetService<CertificateSlot>()));

        services.AddDescriptorWatch();

        // Hosted services stop in reverse, the web server first: reports and changes continue while the last requests drain.
        services.AddHostedService<UseReporter>();
        services.AddSingleton<RouteChecks>();
        services.AddHostedService(s => s.GetRequiredService<RouteChecks>());
        services.AddHostedService<ChangeReader>();
        services.AddHostedService<ServiceRefresh>();
        services.AddHostedService<Drain>();
        if (options.Https)
        {
            AddHttps(services, options);
        }

        services.AddHostedService<ProxyReady>();
        services.Configure<HostOptions>(o =>
        {
            o.ServicesStartConcurrently = true;
            o.ShutdownTimeout = options.Drain + TimeSpan.FromSeconds(5);
        });
        services.PostConfigure<LoggerFilterOptions>(SilenceUrls);
        return services;
    }

    private static void SilenceUrls(LoggerFilterOptions filters)
    {
        foreach (var category in s_urlLoggers)
        {
            foreach (var rule in filters.Rules.Where(r => r.CategoryName?.StartsWith(category, StringComparison.Ordinal) == true).ToArray())
            {
                filters.Rules.Remove(rule);
            }

            filters.Rules.Add(new LoggerFilterRule(null, category, LogLevel.None, null));
        }
    }

    private static void AddHttps(IServiceCollection services, ProxyOptions options)
    {
        services.AddSingleton<CertificateSlot>();
        services.AddSingleton<CertificateMetrics>();
        services.AddSingleton<HttpsRedirect>();
        if (options.Cert is not null)
        {
            services.AddHostedService<CertificateFiles>();
        }
        else
        {
            services.TryAddSingleton<IChallenges, ClusterChallenges>();
            services.AddSingleton(new CertificateStore(options.CertDir, ClusterName.Parse(options.Cluster)));
            services.AddSingleton<Ordering>();
            services.AddHostedService<CertificateRenewalService>();
        }

        services.AddHostedService<HttpsListener>();
    }
}
