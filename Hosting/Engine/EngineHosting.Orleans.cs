using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans;
using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.Messaging;
using Orleans.Serialization;

namespace Plane.Hosting;

/// <summary>Puts the cluster's client into a host: the way of Microsoft Orleans. The client never gives up.</summary>
public static class EngineHosting
{
    /// <summary>The engine that this program was built with.</summary>
    public const string EngineName = "Orleans";

    /// <summary>Adds an <see cref="IClusterClient"/> that talks to the given gateways.</summary>
    /// <param name="builder">The host's builder; its container must not have a silo.</param>
    /// <param name="options">Where the cluster is.</param>
    public static IHostApplicationBuilder AddPlaneClusterClient(this IHostApplicationBuilder builder, GatewayOptions options)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(options);
        var gateways = options.Validated();
        if (options.Trust.SharedSecretFile is not null)
        {
            throw new OptionsValidationException(
                nameof(GatewayOptions), typeof(GatewayOptions), ["gateway-secret-file: the Orleans engine knows no shared secret; use gateway-cert, gateway-key and gateway-ca"]);
        }

        var before = builder.Services.Where(s => s.ServiceType == typeof(IHostedService)).ToHashSet();
        builder.UseOrleansClient(client =>
        {
            client.Configure<ClusterOptions>(o => (o.ClusterId, o.ServiceId) = (options.ClusterId, options.ServiceId));
            client.Configure<ClientMessagingOptions>(o => o.ResponseTimeout = options.ResponseTimeout);
            client.Services.AddSingleton<IGatewayListProvider>(sp => new ResolvingGatewayListProvider(gateways, sp.GetRequiredService<ILogger<ResolvingGatewayListProvider>>()));
            client.Configure<Orleans.Configuration.GatewayOptions>(o => o.GatewayListRefreshPeriod = options.MaxReconnectDelay);
            client.Services.KeepExceptions();
            client.Configure<ClientMessagingOptions>(static o => (o.MaxMessageHeaderSize, o.MaxMessageBodySize) = (MessageLimits.MaxHeaderBytes, MessageLimits.MaxBodyBytes));
            client.UseConnectionRetryFilter(new NeverGiveUp(options.MaxReconnectDelay));
            client.Services.AddSingleton<GatewayWatch>();
            builder.Logging.AddFilter<ManifestFailures>(null, LogLevel.Warning);
            if (options.Trust.UsesTls)
            {
                var certificate = options.Trust.ReadCertificate();
                var ofServer = options.Trust.ReadValidation(ofServer: true);
                client.UseTls(tls =>
                {
                    tls.LocalCertificate = certificate;
                    tls.OnAuthenticateAsClient = (_, authentication) => authentication.TargetHost = gateways[0].Host;
                    if (ofServer is not null)
                    {
                        tls.RemoteCertificateValidation = (remote, chain, errors) => ofServer(remote, chain, errors);
                    }
                });
            }

            // Within TLS, if there is any.
            client.Configure<ClientConnectionOptions>(o => o.ConfigureConnection(connection => connection.Use(
                next => connection.ApplicationServices.GetRequiredService<GatewayWatch>().Around(next))));
        });
        ConnectBesideTheHost(builder.Services, before, options.ClusterId);
        return builder;
    }

    // What Orleans would start with the host: its client.
    private static void ConnectBesideTheHost(IServiceCollection services, HashSet<ServiceDescriptor> before, string clusterId)
    {
        ServiceDescriptor[] client = [.. services.Where(s => s.ServiceType == typeof(IHostedService) && !before.Contains(s))];
        var inner = services.Last(s => s.ServiceType == typeof(IClusterClient));
        foreach (var service in client.Append(inner))
        {
            services.Remove(service);
        }

        services.TryAddSingleton<HostExit>();
        services.AddSingleton(sp => new PatientClient(client, sp, sp.GetRequiredService<HostExit>(), sp.GetRequiredService<ILogger<PatientClient>>()));
        services.AddHostedService(sp => sp.GetRequiredService<PatientClient>());
        services.AddSingleton<IClusterClient>(sp => new PatientClusterClient((IClusterClient)inner.ImplementationFactory!(sp), sp.GetRequiredService<PatientClient>(), clusterId));
        services.AddSingleton<IGrainFactory>(sp => sp.GetRequiredService<IClusterClient>());
    }

    /// <summary>Failures of our own and of the database's driver cross the wire with their message; without it their callers would read of a missing codec.</summary>
    /// <param name="services">A silo's or a client's services.</param>
    public static IServiceCollection KeepExceptions(this IServiceCollection services) =>
        services.Configure<ExceptionSerializationOptions>(o => o.SupportedNamespacePrefixes.UnionWith(["Plane", "Npgsql"]));

    private sealed class NeverGiveUp(TimeSpan cap) : IClientConnectionRetryFilter
    {
        private static readonly TimeSpan First = TimeSpan.FromMilliseconds(50);

        private TimeSpan _delay = First;

        public async Task<bool> ShouldRetryConnectionAttempt(Exception exception, CancellationToken cancellationToken)
        {
            await Task.Delay(_delay * (0.5 + (Random.Shared.NextDouble() / 2)), TimeProvider.System, cancellationToken);
            _delay = TimeSpan.FromTicks(Math.Min((_delay * 2).Ticks, cap.Ticks));
            return !cancellationToken.IsCancellationRequested;
        }
    }
}

/// <summary>Orleans takes addresses only; this provider resolves names each time it is asked.</summary>
internal sealed partial class ResolvingGatewayListProvider(IReadOnlyList<DnsEndPoint> gateways, ILogger<ResolvingGatewayListProvider> log) : IGatewayListProvider
{
    public TimeSpan MaxStaleness => TimeSpan.FromSeconds(10);

    public bool IsUpdatable => true;

    public Task InitializeGatewayListProvider() => Task.CompletedTask;

    public async Task<IList<Uri>> GetGateways()
    {
        var found = new List<Uri>();
        foreach (var gateway in gateways)
        {
            try
            {
                foreach (var address in await Dns.GetHostAddressesAsync(gateway.Host))
                {
                    found.Add(new Uri($"gwy.tcp://{new IPEndPoint(address, gateway.Port)}/0"));
                }
            }
            catch (System.Net.Sockets.SocketException e)
            {
                LogUnresolved(log, gateway.Host, e.Message);
            }
        }

        return found;
    }

    [LoggerMessage(7060, LogLevel.Warning, "the gateway {Host} has no address: {Reason}")]
    private static partial void LogUnresolved(ILogger logger, string host, string reason);
}
