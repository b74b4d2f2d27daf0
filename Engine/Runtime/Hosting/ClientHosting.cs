using System.Net;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using Orleans;
using Orleans.Calls;
using Orleans.Configuration;
using Orleans.Gateway;
using Orleans.Hosting;
using Orleans.Messaging;

namespace Microsoft.Extensions.Hosting
{
    /// <summary>Puts a cluster client into a host.</summary>
    public static class OrleansClientGenericHostExtensions
    {
        /// <summary>Puts a cluster client into the host.</summary>
        /// <param name="hostAppBuilder">The host's builder.</param>
        /// <param name="configureDelegate">Configures the client.</param>
        public static IHostApplicationBuilder UseOrleansClient(this IHostApplicationBuilder hostAppBuilder, Action<IClientBuilder> configureDelegate)
        {
            ArgumentNullException.ThrowIfNull(hostAppBuilder);
            ArgumentNullException.ThrowIfNull(configureDelegate);
            configureDelegate(AddClient(hostAppBuilder.Services, hostAppBuilder.Configuration));
            return hostAppBuilder;
        }

        /// <inheritdoc cref="UseOrleansClient(IHostApplicationBuilder, Action{IClientBuilder})"/>
        public static HostApplicationBuilder UseOrleansClient(this HostApplicationBuilder hostAppBuilder, Action<IClientBuilder> configureDelegate)
        {
            ((IHostApplicationBuilder)hostAppBuilder).UseOrleansClient(configureDelegate);
            return hostAppBuilder;
        }

        /// <summary>Puts a cluster client into the host.</summary>
        /// <param name="hostBuilder">The host's builder.</param>
        /// <param name="configureDelegate">Configures the client.</param>
        public static IHostBuilder UseOrleansClient(this IHostBuilder hostBuilder, Action<IClientBuilder> configureDelegate) =>
            hostBuilder.UseOrleansClient((_, client) => configureDelegate(client));

        /// <summary>Puts a cluster client into the host.</summary>
        /// <param name="hostBuilder">The host's builder.</param>
        /// <param name="configureDelegate">Configures the client, given the host's context.</param>
        public static IHostBuilder UseOrleansClient(this IHostBuilder hostBuilder, Action<HostBuilderContext, IClientBuilder> configureDelegate)
        {
            ArgumentNullException.ThrowIfNull(hostBuilder);
            ArgumentNullException.ThrowIfNull(configureDelegate);
            return hostBuilder.ConfigureServices((context, services) => configureDelegate(context, AddClient(services, context.Configuration)));
        }

        /// <summary>Puts a cluster client into the services of a host.</summary>
        /// <param name="services">The services.</param>
        /// <param name="configureDelegate">Configures the client.</param>
        public static IServiceCollection AddOrleansClient(this IServiceCollection services, Action<IClientBuilder> configureDelegate)
        {
            ArgumentNullException.ThrowIfNull(services);
            ArgumentNullException.ThrowIfNull(configureDelegate);
            configureDelegate(AddClient(services, new ConfigurationBuilder().Build()));
            return services;
        }

        private static ClientBuilder AddClient(IServiceCollection services, IConfiguration configuration)
        {
            if (BuilderMarker.Find<ClientBuilder>(services) is { } existing)
            {
                return existing;
            }

            var builder = new ClientBuilder(services, configuration);
            services.AddSingleton(new BuilderMarker(builder));
            services.AddOptions();
            services.AddLogging();
            services.AddMetrics();
            services.TryAddSingleton(TimeProvider.System);
            services.AddSingleton<EngineMetrics>();
            services.AddSingleton<GatewayClient>();
            services.AddSingleton<ICallTransport>(sp => sp.GetRequiredService<GatewayClient>());
            services.AddSingleton<IClusterClient, ClusterClient>();
            services.AddSingleton<IGrainFactory>(sp => sp.GetRequiredService<IClusterClient>());
            services.AddHostedService(sp => sp.GetRequiredService<GatewayClient>());
            return builder;
        }
    }
}

namespace Orleans
{
    /// <summary>Decides whether a client whose first connection fails tries again.</summary>
    public interface IClientConnectionRetryFilter
    {
        /// <summary>Whether to try again; may wait before it says so.</summary>
        /// <param name="exception">Why the attempt failed.</param>
        /// <param name="cancellationToken">Cancelled when the host stops.</param>
        Task<bool> ShouldRetryConnectionAttempt(Exception exception, CancellationToken cancellationToken);
    }
}

namespace Orleans.Messaging
{
    /// <summary>Knows the gateways of a cluster.</summary>
    public interface IGatewayListProvider
    {
        /// <summary>Not used by the embedded engine.</summary>
        TimeSpan MaxStaleness { get; }

        /// <summary>Not used any more.</summary>
        bool IsUpdatable { get; }

        /// <summary>Called once before the first <see cref="GetGateways"/>.</summary>
        Task InitializeGatewayListProvider();

        /// <summary>The gateways, as <c>gwy.tcp://host:port/0</c>; asked before every attempt to connect. The embedded engine takes names too, resolved at each attempt.</summary>
        Task<IList<Uri>> GetGateways();
    }

    internal sealed class StaticGatewayListProvider(IOptions<StaticGatewayListProviderOptions> options) : IGatewayListProvider
    {
        public TimeSpan MaxStaleness => TimeSpan.MaxValue;

        public bool IsUpdatable => false;

        public Task InitializeGatewayListProvider() => Task.CompletedTask;

        public Task<IList<Uri>> GetGateways() => Task.FromResult<IList<Uri>>(options.Value.Gateways);
    }
}

namespace Orleans.Hosting
{
    /// <summary>What every client builder can do.</summary>
    public static class ClientBuilderExtensions
    {
        /// <summary>Asks whether to go on when the first connection fails. Without one the client never gives up.</summary>
        /// <param name="builder">The builder.</param>
        /// <param name="connectionRetryFilter">Answers.</param>
        public static IClientBuilder UseConnectionRetryFilter(this IClientBuilder builder, Func<Exception, CancellationToken, Task<bool>> connectionRetryFilter)
        {
            ArgumentNullException.ThrowIfNull(connectionRetryFilter);
            return builder.UseConnectionRetryFilter(new DelegateFilter(connectionRetryFilter));
        }

        /// <inheritdoc cref="UseConnectionRetryFilter(IClientBuilder, Func{Exception, CancellationToken, Task{bool}})"/>
        public static IClientBuilder UseConnectionRetryFilter(this IClientBuilder builder, IClientConnectionRetryFilter connectionRetryFilter) =>
            builder.ConfigureServices(services => services.AddSingleton(connectionRetryFilter));

        /// <summary>Asks whether to go on when the first connection fails.</summary>
        /// <typeparam name="TConnectionRetryFilter">Answers.</typeparam>
        /// <param name="builder">The builder.</param>
        public static IClientBuilder UseConnectionRetryFilter<TConnectionRetryFilter>(this IClientBuilder builder)
            where TConnectionRetryFilter : class, IClientConnectionRetryFilter =>
            builder.ConfigureServices(services => services.AddSingleton<IClientConnectionRetryFilter, TConnectionRetryFilter>());

        /// <summary>Adds services.</summary>
        /// <param name="builder">The builder.</param>
        /// <param name="configureDelegate">Adds them.</param>
        public static IClientBuilder ConfigureServices(this IClientBuilder builder, Action<IServiceCollection> configureDelegate)
        {
            ArgumentNullException.ThrowIfNull(builder);
            ArgumentNullException.ThrowIfNull(configureDelegate);
            configureDelegate(builder.Services);
            return builder;
        }

        /// <summary>Sets options.</summary>
        /// <typeparam name="TOptions">Their type.</typeparam>
        /// <param name="builder">The builder.</param>
        /// <param name="configureOptions">Sets them.</param>
        public static IClientBuilder Configure<TOptions>(this IClientBuilder builder, Action<TOptions> configureOptions)
            where TOptions : class => builder.ConfigureServices(services => services.Configure(configureOptions));

        /// <summary>Binds options to configuration.</summary>
        /// <typeparam name="TOptions">Their type.</typeparam>
        /// <param name="builder">The builder.</param>
        /// <param name="configuration">The section.</param>
        public static IClientBuilder Configure<TOptions>(this IClientBuilder builder, IConfiguration configuration)
            where TOptions : class => builder.ConfigureServices(services => services.AddOptions<TOptions>().Bind(configuration));

        /// <summary>The cluster on this machine.</summary>
        /// <param name="builder">The builder.</param>
        /// <param name="gatewayPort">The silo's gateway, on loopback.</param>
        /// <param name="serviceId">The name of the service.</param>
        /// <param name="clusterId">The name of the cluster.</param>
        public static IClientBuilder UseLocalhostClustering(
            this IClientBuilder builder,
            int gatewayPort = EndpointOptions.DEFAULT_GATEWAY_PORT,
            string serviceId = ClusterOptions.DevelopmentServiceId,
            string clusterId = ClusterOptions.DevelopmentClusterId) => builder.UseLocalhostClustering([gatewayPort], serviceId, clusterId);

        /// <summary>The cluster on this machine.</summary>
        /// <param name="builder">The builder.</param>
        /// <param name="gatewayPorts">The gateways, on loopback.</param>
        /// <param name="serviceId">The name of the service.</param>
        /// <param name="clusterId">The name of the cluster.</param>
        public static IClientBuilder UseLocalhostClustering(
            this IClientBuilder builder,
            int[] gatewayPorts,
            string serviceId = ClusterOptions.DevelopmentServiceId,
            string clusterId = ClusterOptions.DevelopmentClusterId)
        {
            LocalhostNames.Apply(builder.Services, serviceId, clusterId);
            return builder.UseStaticClustering(Array.ConvertAll(gatewayPorts, p => new IPEndPoint(IPAddress.Loopback, p)));
        }

        /// <summary>A cluster whose gateways are known.</summary>
        /// <param name="builder">The builder.</param>
        /// <param name="endpoints">The gateways.</param>
        public static IClientBuilder UseStaticClustering(this IClientBuilder builder, params IPEndPoint[] endpoints) =>
            builder.UseStaticClustering(options => options.Gateways = [.. endpoints.Select(e => new Uri($"gwy.tcp://{e}/0"))]);

        /// <summary>A cluster whose gateways are known.</summary>
        /// <param name="builder">The builder.</param>
        /// <param name="configureOptions">Sets them.</param>
        public static IClientBuilder UseStaticClustering(this IClientBuilder builder, Action<StaticGatewayListProviderOptions> configureOptions) =>
            builder.ConfigureServices(services =>
            {
                services.Configure(configureOptions);
                services.AddSingleton<IGatewayListProvider, StaticGatewayListProvider>();
            });

        private sealed class DelegateFilter(Func<Exception, CancellationToken, Task<bool>> filter) : IClientConnectionRetryFilter
        {
            public Task<bool> ShouldRetryConnectionAttempt(Exception exception, CancellationToken cancellationToken) => filter(exception, cancellationToken);
        }
    }
}
