using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Npgsql;
using Orleans.Configuration;
using Orleans.Connections.Security;
using Orleans.Hosting;
using Orleans.Runtime;
using Orleans.Runtime.GrainDirectory;
using Plane.Grains.Storage;
using Plane.Hosting;

namespace Plane.Silo;

/// <summary>
/// Puts a silo into a host: the way of Microsoft Orleans, any number of silos that know each other through PostgreSQL. On SQLite, which one program has to
/// itself, one silo that knows of no other.
/// </summary>
public static class SiloEngine
{
    /// <summary>Adds a silo, and with it an <see cref="Orleans.IClusterClient"/> that calls the cluster's grains.</summary>
    /// <param name="builder">The host's builder; its container must not have a cluster client of its own.</param>
    /// <param name="options">How it listens and is trusted.</param>
    public static IHostApplicationBuilder AddPlaneSilo(this IHostApplicationBuilder builder, SiloEngineOptions options)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate(secretIsKnown: false, lowestPort: 0);
        if (options.Trust.SharedSecretFile is not null)
        {
            throw Invalid("gateway-secret-file: the Orleans engine knows no shared secret; use gateway-cert, gateway-key and gateway-ca");
        }

        if (options.OrleansSchema is { } file && !File.Exists(file))
        {
            throw Invalid($"orleans-schema: there is no file {file}");
        }

        var membership = MembershipOf(options);
        if (options.Hold is not null)
        {
            AddMembership(builder.Services, options, membership);
        }

        var before = builder.Services.Where(s => s.ServiceType == typeof(IHostedService)).ToHashSet();
        builder.UseOrleans(silo =>
        {
            silo.Configure<ClusterOptions>(o => (o.ClusterId, o.ServiceId) = (options.ClusterId, options.ServiceId));
            silo.Configure<SiloMessagingOptions>(o => o.ResponseTimeout = options.ResponseTimeout);
            silo.Configure<GrainCollectionOptions>(o => o.CollectionAge = options.CollectionAge);

            // Where a silo has one activation of a grain there are no idle ones beside it to remove; each grain would have a timer of half a second for that.
            silo.Configure<StatelessWorkerOptions>(o => o.RemoveIdleWorkers = false);
            silo.Services.KeepExceptions();
            silo.Services.AddSingleton<IFatalErrorHandler, SiloDeath>();
            silo.Services.AddSingleton<IGrainDirectoryResolver, LocalGrains>();
            var endpoint = ConfigureEndpoints(silo, options);
            if (membership is null)
            {
                silo.UseDevelopmentClustering(endpoint);
            }
            else
            {
                UseMembership(silo, membership);
                silo.Services.AddSingleton(sp => ActivatorUtilities.CreateInstance<SiloIdentity>(sp, membership));
                silo.Services.AddSingleton<ILocalSiloDetails>(sp => sp.GetRequiredService<SiloIdentity>());
            }

            if (options.Trust.UsesTls)
            {
                UseTls(silo, options);
            }
        });
        foreach (var service in builder.Services.Where(s => s.ServiceType == typeof(IHostedService) && !before.Contains(s)).ToArray())
        {
            builder.Services.Remove(service);
            builder.Services.AddSingleton<IHostedService>(sp => new SiloStart(
                (IHostedService)(service.ImplementationFactory?.Invoke(sp) ?? ActivatorUtilities.CreateInstance(sp, service.ImplementationType!)),
                sp.GetRequiredService<IOptions<EndpointOptions>>().Value));
        }

        return builder;
    }

    /// <summary>Where the gateway listens.</summary>
    /// <param name="services">The host's services.</param>
    public static IPEndPoint? GatewayEndPoint(IServiceProvider services)
    {
        var endpoints = services.GetRequiredService<IOptions<EndpointOptions>>().Value;
        return endpoints.GatewayPort == 0 ? null : endpoints.GatewayListeningEndpoint ?? new IPEndPoint(endpoints.AdvertisedIPAddress, endpoints.GatewayPort);
    }

    private static string? MembershipOf(SiloEngineOptions options)
    {
        if (options.Database is null || !StoreUrl.TryParse(options.Database, out var url, out _) || url.Kind != StoreKind.Postgres)
        {
            return options.OrleansSchema is null ? null : throw Invalid("orleans-schema: is for a database of PostgreSQL, see db");
        }

        var connection = new NpgsqlConnectionStringBuilder(url.Target) { ApplicationName = "plane-membership", Timeout = 5, CommandTimeout = 5, KeepAlive = 5, MaxPoolSize = 10 };
        if (options.OrleansSchema is null)
        {
            connection.SearchPath = "plane";
        }

        return connection.ConnectionString;
    }

    private static void AddMembership(IServiceCollection services, SiloEngineOptions options, string? membership)
    {
        if (membership is not null)
        {
            // Controllers that look for each other in different tables would be two clusters under one name.
            var service = options.OrleansSchema is null ? options.ServiceId : $"{options.ServiceId}, tables of --orleans-schema";
            services.AddHostedService(sp => new SiloMembership(
                StoreHold.Shared(sp, options.ClusterId, service),
                sp.GetRequiredService<SiloIdentity>(),
                membership,
                options.OrleansSchema,
                sp.GetRequiredService<HostExit>(),
                sp.GetRequiredService<TimeProvider>(),
                sp.GetRequiredService<Microsoft.Extensions.Logging.ILogger<SiloMembership>>()));
        }
    }

    // A silo that is gone is noticed within 3 to 4 s, so that calls to its grains succeed again well before a lease asks for them; a silo that is only slow
    // answers a probe each second. What a small cluster pays for it is a few small messages a second (docs/engines.md).
    private static void UseMembership(ISiloBuilder silo, string connection)
    {
        silo.Configure<ClusterMembershipOptions>(o =>
        {
            o.ProbeTimeout = TimeSpan.FromSeconds(1);
            o.MaxProbeTimeout = TimeSpan.FromSeconds(2);
            o.NumMissedProbesLimit = 3;
            o.TableRefreshTimeout = TimeSpan.FromSeconds(10);

            // A silo that starts after all others were lost at once waits until their rows are stale: a quarter of a minute.
            o.IAmAliveTablePublishTimeout = TimeSpan.FromSeconds(5);
            o.DefunctSiloExpiration = TimeSpan.FromDays(1);

            // No controller is kept out for its clock. Both of these compare the moment at which another one says that it started with this one's wall clock: one whose
            // clock is ahead would declare every controller dead that joins, and one whose clock was set back could not join again.
            o.EvictWhenMaxJoinAttemptTimeExceeded = false;
            o.SiloGenerationRetirementAge = null;
        });
        silo.UseAdoNetClustering(o =>
        {
            o.Invariant = "Npgsql";
            o.ConnectionString = connection;
        });
    }

    private static IPEndPoint ConfigureEndpoints(ISiloBuilder silo, SiloEngineOptions options)
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
        return new IPEndPoint(advertised, siloPort);
    }

    // Orleans must know its ports before it listens; between here and there another program may take a free one, and the start fails.
    private static int PortOf(int wanted, IPAddress address)
    {
        if (wanted > 0)
        {
            return wanted;
        }

        using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(address, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    private static void UseTls(ISiloBuilder silo, SiloEngineOptions options)
    {
        var certificate = options.Trust.ReadCertificate();
        var ofClients = options.Trust.ReadValidation(ofServer: false);
        silo.UseTls(tls =>
        {
            tls.LocalCertificate = certificate;
            tls.OnAuthenticateAsClient = (_, authentication) => authentication.TargetHost = options.AdvertisedAddress ?? options.BindAddress.ToString();

            // A silo is a server to its clients and a client to other silos: its certificate must be for both uses.
            if (ofClients is not null)
            {
                tls.RemoteCertificateMode = RemoteCertificateMode.RequireCertificate;
                tls.ClientCertificateMode = RemoteCertificateMode.RequireCertificate;
                tls.RemoteCertificateValidation = (remote, chain, errors) => ofClients(remote, chain, errors);
            }
            else
            {
                tls.RemoteCertificateMode = RemoteCertificateMode.NoCertificate;
            }
        });
    }

    private static IPAddress Resolve(string host, AddressFamily family)
    {
        try
        {
            return Dns.GetHostAddresses(host, family).FirstOrDefault() ?? throw Invalid($"advertised-address: {host} has no address");
        }
        catch (SocketException e)
        {
            throw Invalid($"advertised-address: {host}: {e.Message}");
        }
    }

    private static OptionsValidationException Invalid(string error) => new(nameof(SiloEngineOptions), typeof(SiloEngineOptions), [error]);
}
