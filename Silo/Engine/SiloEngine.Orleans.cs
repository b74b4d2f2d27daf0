using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.Connections.Security;
using Orleans.Hosting;

namespace Plane.Silo;

/// <summary>Puts a silo into a host: the way of Microsoft Orleans, any number of silos that know each other through PostgreSQL.</summary>
public static class SiloEngine
{
    /// <summary>Adds a silo, and with it an <see cref="Orleans.IClusterClient"/> that calls the cluster's grains.</summary>
    /// <param name="builder">The host's builder; its container must not have a cluster client of its own.</param>
    /// <param name="options">How it listens and is trusted.</param>
    public static IHostApplicationBuilder AddPlaneSilo(this IHostApplicationBuilder builder, SiloEngineOptions options)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate(secretIsKnown: false, lowestPort: 1);
        if (options.Trust.SharedSecretFile is not null)
        {
            throw Invalid("gateway-secret-file: the Orleans engine knows no shared secret; use gateway-cert, gateway-key and gateway-ca");
        }

        if (string.IsNullOrWhiteSpace(options.MembershipConnectionString))
        {
            throw Invalid("db: the Orleans engine keeps its membership in PostgreSQL; use --db postgres://…, or build with -p:Engine=Embedded for SQLite");
        }

        return builder.UseOrleans(silo =>
        {
            silo.Configure<ClusterOptions>(o => (o.ClusterId, o.ServiceId) = (options.ClusterId, options.ServiceId));
            silo.Configure<SiloMessagingOptions>(o => o.ResponseTimeout = options.ResponseTimeout);
            silo.Configure<GrainCollectionOptions>(o => o.CollectionAge = options.CollectionAge);

            // A dead silo is noticed within seconds: a drone's renewals have 25 s at the worst moment (docs/engines.md).
            silo.Configure<ClusterMembershipOptions>(o =>
            {
                o.ProbeTimeout = TimeSpan.FromSeconds(1);
                o.NumMissedProbesLimit = 3;
            });
            silo.UseAdoNetClustering(o =>
            {
                o.Invariant = "Npgsql";
                o.ConnectionString = options.MembershipConnectionString;
            });
            ConfigureEndpoints(silo, options);
            if (options.Trust.UsesTls)
            {
                UseTls(silo, options);
            }
        });
    }

    /// <summary>Where the gateway listens.</summary>
    /// <param name="services">The host's services.</param>
    public static IPEndPoint? GatewayEndPoint(IServiceProvider services)
    {
        var endpoints = services.GetRequiredService<IOptions<EndpointOptions>>().Value;
        return endpoints.GatewayListeningEndpoint ?? new IPEndPoint(endpoints.AdvertisedIPAddress, endpoints.GatewayPort);
    }

    private static void ConfigureEndpoints(ISiloBuilder silo, SiloEngineOptions options)
    {
        var isAny = options.BindAddress.Equals(IPAddress.Any) || options.BindAddress.Equals(IPAddress.IPv6Any);
        var advertised = options.AdvertisedAddress is null && !isAny ? options.BindAddress : Resolve(options.AdvertisedAddress ?? Dns.GetHostName(), options.BindAddress.AddressFamily);
        silo.ConfigureEndpoints(advertised, options.SiloPort, options.GatewayPort);
        silo.Configure<EndpointOptions>(o =>
        {
            o.SiloListeningEndpoint = new IPEndPoint(options.BindAddress, options.SiloPort);
            o.GatewayListeningEndpoint = new IPEndPoint(options.BindAddress, options.GatewayPort);
        });
    }

    private static void UseTls(ISiloBuilder silo, SiloEngineOptions options)
    {
        silo.UseTls(tls =>
        {
            tls.LocalCertificate = options.Trust.ReadCertificate();
            tls.OnAuthenticateAsClient = (_, authentication) => authentication.TargetHost = options.AdvertisedAddress ?? options.BindAddress.ToString();

            // A silo is a server to its clients and a client to other silos: its certificate must be for both uses.
            if (options.Trust.ReadValidation(ofServer: false) is { } validate)
            {
                tls.RemoteCertificateMode = RemoteCertificateMode.RequireCertificate;
                tls.ClientCertificateMode = RemoteCertificateMode.RequireCertificate;
                tls.RemoteCertificateValidation = (certificate, chain, errors) => validate(certificate, chain, errors);
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
