using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Orleans.Activations;
using Orleans;
using Orleans.Calls;
using Orleans.Configuration;
using Orleans.Gateway;
using Orleans.Hosting;

namespace Microsoft.Extensions.Hosting
{
    /// <summary>Puts a silo into a host.</summary>
    public static class OrleansSiloGenericHostExtensions
    {
        /// <summary>Puts a silo into the host.</summary>
        /// <param name="hostAppBuilder">The host's builder.</param>
        public static IHostApplicationBuilder UseOrleans(this IHostApplicationBuilder hostAppBuilder) => hostAppBuilder.UseOrleans(_ => { });

        /// <inheritdoc cref="UseOrleans(IHostApplicationBuilder)"/>
        public static HostApplicationBuilder UseOrleans(this HostApplicationBuilder hostAppBuilder) => hostAppBuilder.UseOrleans(_ => { });

        /// <summary>Puts a silo into the host.</summary>
        /// <param name="hostAppBuilder">The host's builder.</param>
        /// <param name="configureDelegate">Configures the silo.</param>
        public static IHostApplicationBuilder UseOrleans(this IHostApplicationBuilder hostAppBuilder, Action<ISiloBuilder> configureDelegate)
        {
            ArgumentNullException.ThrowIfNull(hostAppBuilder);
            ArgumentNullException.ThrowIfNull(configureDelegate);
            configureDelegate(AddSilo(hostAppBuilder.Services, hostAppBuilder.Configuration));
            return hostAppBuilder;
        }

        /// <inheritdoc cref="UseOrleans(IHostApplicationBuilder, Action{ISiloBuilder})"/>
        public static HostApplicationBuilder UseOrleans(this HostApplicationBuilder hostAppBuilder, Action<ISiloBuilder> configureDelegate)
        {
            ((IHostApplicationBuilder)hostAppBuilder).UseOrleans(configureDelegate);
            return hostAppBuilder;
        }

        /// <summary>Puts a silo into the host.</summary>
        /// <param name="hostBuilder">The host's builder.</param>
        /// <param name="configureDelegate">Configures the silo.</param>
        public static IHostBuilder UseOrleans(this IHostBuilder hostBuilder, Action<ISiloBuilder> configureDelegate) =>
            hostBuilder.UseOrleans((_, silo) => configureDelegate(silo));

        /// <summary>Puts a silo into the host.</summary>
        /// <param name="hostBuilder">The host's builder.</param>
        /// <param name="configureDelegate">Configures the silo, given the host's context.</param>
        public static IHostBuilder UseOrleans(this IHostBuilder hostBuilder, Action<HostBuilderContext, ISiloBuilder> configureDelegate)
        {
            ArgumentNullException.ThrowIfNull(hostBuilder);
            ArgumentNullException.ThrowIfNull(configureDelegate);
            return hostBuilder.ConfigureServices((context, services) => configureDelegate(context, AddSilo(services, context.Configuration)));
        }

        /// <summary>Puts a silo into the services of a host.</summary>
        /// <param name="services">The services.</param>
        /// <param name="configureDelegate">Configures the silo.</param>
        public static IServiceCollection AddOrleans(this IServiceCollection services, Action<ISiloBuilder> configureDelegate)
        {
            ArgumentNullException.ThrowIfNull(services);
            ArgumentNullException.ThrowIfNull(configureDelegate);
            configureDelegate(AddSilo(services, new ConfigurationBuilder().Build()));
            return services;
        }

        private static SiloBuilder AddSilo(IServiceCollection services, IConfiguration configuration)
        {
            if (BuilderMarker.Find<SiloBuilder>(services) is { } existing)
            {
                return existing;
            }

            var builder = new SiloBuilder(services, configuration);
            services.AddSingleton(new BuilderMarker(builder));
            services.AddOptions();
            services.AddLogging();
            services.AddMetrics();
            services.TryAddSingleton(TimeProvider.System);
            services.AddSingleton<EngineMetrics>();
            services.AddSingleton<SiloRuntime>();
            services.AddSingleton<ICallTransport>(sp => sp.GetRequiredService<SiloRuntime>());
            services.AddSingleton<IClusterClient, ClusterClient>();
            services.AddSingleton<IGrainFactory>(sp => sp.GetRequiredService<IClusterClient>());
            services.AddSingleton<GatewayServer>();
            services.AddSingleton<IGatewayAddress>(sp => sp.GetRequiredService<GatewayServer>());
            services.AddSingleton<SiloService>();
            services.AddHostedService(sp => sp.GetRequiredService<SiloService>());
            return builder;
        }
    }
}

namespace Orleans.Hosting
{
    /// <summary>How a silo's cluster is made up. The embedded engine's cluster is the one silo.</summary>
    public static class CoreHostingExtensions
    {
        /// <summary>A cluster on this machine, for development.</summary>
        /// <param name="builder">The builder.</param>
        /// <param name="siloPort">Not used by the embedded engine.</param>
        /// <param name="gatewayPort">Where clients connect, on loopback.</param>
        /// <param name="primarySiloEndpoint">Not used by the embedded engine.</param>
        /// <param name="serviceId">The name of the service.</param>
        /// <param name="clusterId">The name of the cluster.</param>
        public static ISiloBuilder UseLocalhostClustering(
            this ISiloBuilder builder,
            int siloPort = EndpointOptions.DEFAULT_SILO_PORT,
            int gatewayPort = EndpointOptions.DEFAULT_GATEWAY_PORT,
            IPEndPoint? primarySiloEndpoint = null,
            string serviceId = ClusterOptions.DevelopmentServiceId,
            string clusterId = ClusterOptions.DevelopmentClusterId)
        {
            builder.Configure<EndpointOptions>(options =>
            {
                options.AdvertisedIPAddress = IPAddress.Loopback;
                options.SiloPort = siloPort;
                options.GatewayPort = gatewayPort;
            });
            LocalhostNames.Apply(builder.Services, serviceId, clusterId);
            return builder;
        }
    }

    /// <summary>The names of a development cluster: given ones are set, the defaults only fill what is blank, as the real engine does.</summary>
    internal static class LocalhostNames
    {
        public static void Apply(IServiceCollection services, string serviceId, string clusterId)
        {
            if (serviceId == ClusterOptions.DevelopmentServiceId && clusterId == ClusterOptions.DevelopmentClusterId)
            {
                services.PostConfigure<ClusterOptions>(options =>
                {
                    options.ClusterId = string.IsNullOrWhiteSpace(options.ClusterId) ? clusterId : options.ClusterId;
                    options.ServiceId = string.IsNullOrWhiteSpace(options.ServiceId) ? serviceId : options.ServiceId;
                });
            }
            else
            {
                services.Configure<ClusterOptions>(options => (options.ServiceId, options.ClusterId) = (serviceId, clusterId));
            }
        }
    }

    /// <summary>Where a silo listens.</summary>
    public static class EndpointOptionsExtensions
    {
        /// <summary>Sets the silo's addresses.</summary>
        /// <param name="builder">The builder.</param>
        /// <param name="advertisedIP">How others reach it.</param>
        /// <param name="siloPort">Not used by the embedded engine.</param>
        /// <param name="gatewayPort">Where clients connect.</param>
        /// <param name="listenOnAnyHostAddress">Listen on every address, not only the advertised one.</param>
        public static ISiloBuilder ConfigureEndpoints(
            this ISiloBuilder builder, IPAddress advertisedIP, int siloPort, int gatewayPort, bool listenOnAnyHostAddress = false) =>
            builder.Configure<EndpointOptions>(options =>
            {
                options.AdvertisedIPAddress = advertisedIP;
                options.GatewayPort = gatewayPort;
                options.SiloPort = siloPort;
                if (listenOnAnyHostAddress)
                {
                    options.SiloListeningEndpoint = new IPEndPoint(IPAddress.Any, siloPort);
                    options.GatewayListeningEndpoint = new IPEndPoint(IPAddress.Any, gatewayPort);
                }
            });

        /// <summary>Sets the silo's addresses by a host name.</summary>
        /// <param name="builder">The builder.</param>
        /// <param name="hostname">Resolved to the advertised address; null: this machine's name.</param>
        /// <param name="siloPort">Not used by the embedded engine.</param>
        /// <param name="gatewayPort">Where clients connect.</param>
        /// <param name="addressFamily">Which kind of address.</param>
        /// <param name="listenOnAnyHostAddress">Listen on every address, not only the advertised one.</param>
        public static ISiloBuilder ConfigureEndpoints(
            this ISiloBuilder builder,
            string? hostname,
            int siloPort,
            int gatewayPort,
            AddressFamily addressFamily = AddressFamily.InterNetwork,
            bool listenOnAnyHostAddress = false)
        {
            var address = Dns.GetHostAddresses(hostname ?? Dns.GetHostName(), addressFamily).FirstOrDefault()
                ?? throw new ArgumentException($"{hostname} has no address of the family {addressFamily}", nameof(hostname));
            return builder.ConfigureEndpoints(address, siloPort, gatewayPort, listenOnAnyHostAddress);
        }

        /// <summary>Sets the silo's ports; its address is this machine's.</summary>
        /// <param name="builder">The builder.</param>
        /// <param name="siloPort">Not used by the embedded engine.</param>
        /// <param name="gatewayPort">Where clients connect.</param>
        /// <param name="addressFamily">Which kind of address.</param>
        /// <param name="listenOnAnyHostAddress">Listen on every address, not only the advertised one.</param>
        public static ISiloBuilder ConfigureEndpoints(
            this ISiloBuilder builder, int siloPort, int gatewayPort, AddressFamily addressFamily = AddressFamily.InterNetwork, bool listenOnAnyHostAddress = false) =>
            builder.ConfigureEndpoints(null, siloPort, gatewayPort, addressFamily, listenOnAnyHostAddress);
    }
}
