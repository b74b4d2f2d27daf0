using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans;
using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.Messaging;
using Orleans.Runtime.Messaging;
using Orleans.Serialization;

namespace Plane.Client;

/// <summary>Adds the cluster's client to a host.</summary>
public static partial class ClusterClientHosting
{
    /// <summary>
    /// Adds an <see cref="IClusterClient"/> that talks to the given gateways. The host's start waits for the first gateway, for as long as that takes.
    /// </summary>
    /// <param name="builder">The host's builder; its container must not have a silo.</param>
    /// <param name="options">Where the cluster is.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">An option is invalid; the text names it.</exception>
    public static IHostApplicationBuilder AddPlaneClusterClient(this IHostApplicationBuilder builder, ClusterClientOptions options)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(options);
        var gateways = new GatewayList(options.Validated());
        return builder.UseOrleansClient(client =>
        {
            client.Configure<ClusterOptions>(o => (o.ClusterId, o.ServiceId) = (options.ClusterId, options.ServiceId));
            client.Configure<ClientMessagingOptions>(o =>
            {
                o.ResponseTimeout = options.ResponseTimeout;
                (o.MaxMessageHeaderSize, o.MaxMessageBodySize) = (MessageLimits.MaxHeaderBytes, MessageLimits.MaxBodyBytes);
            });
            client.Configure<GatewayOptions>(o => o.GatewayListRefreshPeriod = GatewayList.RefreshPeriod);

            // Calls that are bound to a gateway whose machine is off wait for as long.
            client.Configure<ConnectionOptions>(o => o.OpenConnectionTimeout = TimeSpan.FromSeconds(2));
            client.Services.AddSingleton<IGatewayListProvider>(services =>
            {
                gateways.Logger = services.GetRequiredService<ILogger<GatewayList>>();
                return gateways;
            });
            client.Services.KeepExceptions();
            client.Services.AddSingleton<IClientConnectionRetryFilter>(services => new InfiniteRetryFilter(options, services.GetRequiredService<ILogger<GatewayList>>()));
            client.AddActivityPropagation();
            if (options.Trust.UsesTls)
            {
                client.Services.AddOptions<ClientConnectionOptions>().Configure<ILogger<GatewayTrust>>((connections, logger) =>
                    connections.ConfigureConnection(c => c.UseClientTls(options.Trust.ForClient(gateways.HostOf, logger))));
            }
        });
    }

    /// <summary>Lets exceptions of Plane and of the database's driver cross the wire with their message. Without it their callers read of a missing codec.</summary>
    /// <param name="services">A silo's or a client's services.</param>
    public static IServiceCollection KeepExceptions(this IServiceCollection services) =>
        services.Configure<ExceptionSerializationOptions>(o => o.SupportedNamespacePrefixes.UnionWith(["Plane", "Npgsql"]));

    private sealed partial class InfiniteRetryFilter(ClusterClientOptions options, ILogger logger) : IClientConnectionRetryFilter
    {
        private readonly Outage _outage = new(TimeProvider.System);
        private readonly Backoff _backoff = new(TimeSpan.FromMilliseconds(50), options.MaxReconnectDelay, TimeProvider.System);

        public async Task<bool> ShouldRetryConnectionAttempt(Exception exception, CancellationToken cancellationToken)
        {
            // One that says only that an attempt was made just now has no reason of its own.
            if (!cancellationToken.IsCancellationRequested && exception.GetBaseException() is not ConnectionFailedException and var reason && _outage.ShouldLog(reason.Message))
            {
                LogNoGateway(logger, string.Join(", ", options.Endpoints), reason.Message);
            }

            await _backoff.WaitAsync(cancellationToken);
            return !cancellationToken.IsCancellationRequested;
        }

        [LoggerMessage(EventIds.ClusterClientHostingNoGateway, LogLevel.Warning, "No controller answers at {Gateways}, retrying: {Reason}")]
        private static partial void LogNoGateway(ILogger logger, string gateways, string reason);
    }
}
