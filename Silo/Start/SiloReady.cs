using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Plane.Hosting.Metrics;
using Plane.Hosting.Ready;
using Plane.Hosting.Running;
using Plane.Silo.Cluster;
using Plane.Silo.Http;

namespace Plane.Silo.Start;

/// <summary>Says that the controller serves, once everything has started.</summary>
internal sealed partial class SiloReady(
    ControllerOptions options, ControllerIdentity controller, IServer server, IReadyLine ready, IServiceProvider services, ILogger<SiloReady> logger)
    : LifecycleService
{
    private readonly TaskCompletionSource<Uri> _address = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The URL of the HTTP API, once it is served.</summary>
    public Task<Uri> WhenReady => _address.Task;

    public override Task StartedAsync(CancellationToken cancellationToken)
    {
        if (options.IsOpenToStrangers)
        {
            LogOpen(logger, options.Host);
        }

        if (HttpLimits.Connections(options) is var connections && connections < HttpLimits.WantedConnections(options))
        {
            LogFewConnections(logger, connections, FileDescriptors.Limit);
        }

        var url = server.Features.Get<IServerAddressesFeature>()?.Addresses.FirstOrDefault() ?? "";
        var values = new List<(string, string)> { ("url", url), ("name", controller.Name.Value) };
        if (SiloHosting.GatewayEndPoint(services) is { } gateway)
        {
            values.Add(("gateway", gateway.ToString()));
        }

        if (services.GetService<MetricsServer>()?.Address is { } metrics)
        {
            values.Add(("metrics", metrics.ToString().TrimEnd('/')));
        }

        ready.Ready("controller", values);
        LogReady(logger, controller.Name, url);
        _address.TrySetResult(new Uri(url));
        return Task.CompletedTask;
    }

    [LoggerMessage(EventIds.SiloReadyOpen, LogLevel.Warning,
        "/ctrl has no authentication: any client that can reach {Host} can use it. Set --ctrl-token-file or --forward-auth, or restrict access with a firewall")]
    private static partial void LogOpen(ILogger logger, string host);

    [LoggerMessage(EventIds.SiloReadyFewConnections, LogLevel.Information,
        "Only {Connections} HTTP connections are served at a time, since this process may have only {Limit} files open: raise that limit (LimitNOFILE, ulimit -n)")]
    private static partial void LogFewConnections(ILogger logger, int connections, int? limit);

    [LoggerMessage(EventIds.SiloReadyReady, LogLevel.Information, "controller {Name} serves at {Url}")]
    private static partial void LogReady(ILogger logger, ControllerName name, string url);
}
