using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Npgsql;
using Orleans;
using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.Runtime;
using Orleans.Runtime.GrainDirectory;
using Plane.Client;
using Plane.Hosting;
using Plane.Storage;
using Plane.Silo.Start;

namespace Plane.Silo.Cluster;

/// <summary>
/// Puts a silo into a controller's host. On PostgreSQL the silos of a cluster find each other in the database's membership tables; on SQLite, which admits one program, the cluster
/// is this one silo.
/// </summary>
public static class SiloHosting
{
    /// <summary>Adds a silo, and with it an <see cref="IClusterClient"/> that calls the cluster's grains.</summary>
    /// <param name="builder">The host's builder; its container must not have a cluster client of its own.</param>
    /// <param name="options">Where the silo listens and how it authenticates others.</param>
    /// <exception cref="OptionsValidationException">An option is invalid; the text names it.</exception>
    public static IHostApplicationBuilder AddPlaneSilo(this IHostApplicationBuilder builder, ControllerClusterOptions options)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        return builder.UseOrleans(silo =>
        {
            silo.Services.AddKeyedSingleton<TimeProvider>(KeyedService.AnyKey, new SteadyTime());
            silo.Services.AddSingleton<IFatalErrorHandler, FatalErrorHandler>();
            silo.Services.AddSingleton<IGrainDirectoryResolver, LocalGrainDirectory>();
            silo.Services.KeepExceptions();
            silo.Configure<ClusterOptions>(o => (o.ClusterId, o.ServiceId) = (options.ClusterId, options.ServiceId));
            silo.Configure<SiloMessagingOptions>(o => o.ResponseTimeout = options.ResponseTimeout);
            silo.LimitMessages();
            silo.Configure<GrainCollectionOptions>(o => o.CollectionAge = options.CollectionAge);

            // A silo has one activation of a stateless worker here, so none is ever idle beside it; each grain would have a timer of half a second to look.
            silo.Configure<StatelessWorkerOptions>(o => o.RemoveIdleWorkers = false);

            // Only the shards of the certificates' grain are looked up in a directory: by default its cache has room for a million grains, 14 MB of it taken from the start.
            silo.Configure<GrainDirectoryOptions>(o => o.CacheSize = 1_000);
            silo.AddActivityPropagation();
            var endpoint = ConfigureEndpoints(silo, options);
            if (MembershipOf(options.Database) is { } membership)
            {
                silo.Services.AddSingleton(options);
                silo.Services.AddHostedService<ClusterStart>();
                UseMembership(silo, membership);
            }
            else
            {
                silo.UseDevelopmentClustering(endpoint);
            }

            if (options.Trust.UsesTls)
            {
                UseTls(silo, options.Trust);
            }
        });
    }

    /// <summary>Where clients reach the gateway.</summary>
    /// <param name="services">The host's services.</param>
    /// <returns>The advertised address, or null where the host has no silo.</returns>
    public static IPEndPoint? GatewayEndPoint(IServiceProvider services)
    {
        var endpoints = services.GetRequiredService<IOptions<EndpointOptions>>().Value;
        return endpoints.GatewayPort == 0 ? null : new IPEndPoint(endpoints.AdvertisedIPAddress, endpoints.GatewayPort);
    }

    /// <summary>Sets the contract's limits of messages.</summary>
    internal static void LimitMessages(this ISiloBuilder silo) => silo.Configure<SiloMessagingOptions>(
        static o => (o.MaxMessageHeaderSize, o.MaxMessageBodySize) = (MessageLimits.MaxHeaderBytes, MessageLimits.MaxBodyBytes));

    private static string? MembershipOf(string? database) =>
        database is not null && StoreUrl.TryParse(database, out var url, out _) && url.Kind == StoreKind.Postgres
            ? new NpgsqlConnectionStringBuilder(url.Target)
            {
                ApplicationName = "plane-membership", SearchPath = "plane", Timeout = 5, CommandTimeout = 5, KeepAlive = 5, MaxPoolSize = 10,
            }.ConnectionString
            : null;

    private static void UseMembership(ISiloBuilder silo, string connection)
    {
        silo.UseAdoNetClustering(o => (o.Invariant, o.ConnectionString) = ("Npgsql", connection));
        silo.Configure<ClusterMembershipOptions>(o =>
        {
            // A dead silo is noticed within 3 to 4 s, so that calls to its grains succeed again well before a lease needs them.
            o.ProbeTimeout = TimeSpan.FromSeconds(1);
            o.MaxProbeTimeout = TimeSpan.FromSeconds(2);
            o.NumMissedProbesLimit = 3;
            o.TableRefreshTimeout = TimeSpan.FromSeconds(10);

            // A silo that starts after all others were lost at once waits until their rows are stale: 15 s.
            o.IAmAliveTablePublishTimeout = TimeSpan.FromSeconds(5);
            o.DefunctSiloExpiration = TimeSpan.FromDays(1);

            // Both compare another silo's start, by its wall clock, with this silo's wall clock: one controller whose clock was stepped while it ran would keep every other from joining.
            o.EvictWhenMaxJoinAttemptTimeExceeded = false;
            o.SiloGenerationRetirementAge = null;
        });
    }

    private static IPEndPoint ConfigureEndpoints(ISiloBuilder silo, ControllerClusterOptions options)
    {
        var isAny = options.BindAddress.Equals(IPAddress.Any) || options.BindAddress.Equals(IPAddress.IPv6Any);
        var advertised = options.AdvertisedAddress is null && !isAny ? options.BindAddress : Resolve(options.AdvertisedAddress ?? Dns.GetHostName(), options.BindAddress.AddressFamily);
        var siloPort = PortOf(options.SiloPort, options.BindAddress);
        var gatewayPort = PortOf(options.GatewayPort, options.BindAddress);
        silo.ConfigureEndpoints(advertised, siloPort, gatewayPort);
        silo.Configure<EndpointOptions>(o =>
        {
            o.SiloListeningEndpoint = new IPEndPoint(options.BindAddress, siloPort);
            o.GatewayListeningEndpoint = new IPEndPoint(options.BindAddress, gatewayPort);
        });
        silo.Services.AddTransient<IConfigurationValidator, PortValidator>();
        return new IPEndPoint(advertised, siloPort);
    }

    // Orleans takes no port 0: a silo's port is part of its identity.
    private static int PortOf(int wanted, IPAddress address)
    {
        if (wanted != 0)
        {
            return wanted;
        }

        using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(address, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    private static void UseTls(ISiloBuilder silo, GatewayTrust trust) =>
        silo.Services.AddOptions<SiloConnectionOptions>().Configure<ILogger<GatewayTrust>>((connections, logger) =>
        {
            var inbound = trust.ForSilo(toOthers: false, logger);
            connections.ConfigureGatewayInboundConnection(c => c.UseServerTls(inbound));
            connections.ConfigureSiloInboundConnection(c => c.UseServerTls(inbound));
            connections.ConfigureSiloOutboundConnection(c => c.UseClientTls(trust.ForSilo(toOthers: true, logger)));
        });

    private static IPAddress Resolve(string host, AddressFamily family)
    {
        try
        {
            return Dns.GetHostAddresses(host, family).FirstOrDefault() ?? throw Invalid($"--advertised-address: {host} has no address");
        }
        catch (SocketException e)
        {
            throw Invalid($"--advertised-address: {host}: {e.Message}");
        }
    }

    private static OptionsValidationException Invalid(string error) => new(nameof(ControllerClusterOptions), typeof(ControllerClusterOptions), [error]);

    /// <summary>Names the option of a port that another program has: what Orleans says about it later does not.</summary>
    private sealed class PortValidator(IOptions<EndpointOptions> endpoints) : IConfigurationValidator
    {
        public void ValidateConfiguration()
        {
            RequireFree("--silo-port", endpoints.Value.SiloListeningEndpoint!);
            RequireFree("--gateway-port", endpoints.Value.GatewayListeningEndpoint!);
        }

        private static void RequireFree(string option, IPEndPoint endpoint)
        {
            using var probe = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                probe.Bind(endpoint);
            }
            catch (SocketException e)
            {
                throw new OrleansConfigurationException($"{option} {endpoint.Port}: this program cannot listen on {endpoint}: {e.Message}", e);
            }
        }
    }
}
