using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Configuration;
using Orleans.Hosting;

namespace Plane.Silo;

/// <summary>Puts a silo into a host: the embedded engine's way, exactly one silo.</summary>
public static class SiloEngine
{
    /// <summary>Adds a silo, and with it an <see cref="Orleans.IClusterClient"/> that calls its grains directly.</summary>
    /// <param name="builder">The host's builder; its container must not have a cluster client of its own.</param>
    /// <param name="options">How it listens and is trusted.</param>
    public static IHostApplicationBuilder AddPlaneSilo(this IHostApplicationBuilder builder, SiloEngineOptions options)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate(secretIsKnown: true, lowestPort: 0);
        return builder.UseOrleans(silo =>
        {
            silo.Configure<ClusterOptions>(o => (o.ClusterId, o.ServiceId) = (options.ClusterId, options.ServiceId));
            silo.Configure<SiloMessagingOptions>(o => o.ResponseTimeout = options.ResponseTimeout);
            silo.Configure<GrainCollectionOptions>(o => o.CollectionAge = options.CollectionAge);
            silo.Configure<EndpointOptions>(o => o.GatewayListeningEndpoint = new IPEndPoint(options.BindAddress, options.GatewayPort));
            var secret = options.Trust.ReadSecret();
            silo.Configure<EmbeddedEngineOptions>(o =>
            {
                o.SharedSecret = secret;
                o.AllowInsecureGateway = options.InsecureGateway;
            });
            if (options.Trust.CertificateFile is not null)
            {
                silo.UseTls(tls =>
                {
                    tls.LocalCertificate = options.Trust.ReadCertificate();
                    if (options.Trust.ReadValidation(ofServer: false) is { } validate)
                    {
                        tls.RemoteCertificateValidation = (certificate, chain, errors) => validate(certificate, chain, errors);
                    }
                    else
                    {
                        tls.RemoteCertificateMode = Orleans.Connections.Security.RemoteCertificateMode.NoCertificate;
                    }
                });
            }

            if (options.Hold is { } hold)
            {
                silo.Services.AddSingleton<ISiloLock>(sp => new HeldLock(hold(sp)));
            }
        });
    }

    /// <summary>Where the gateway listens; null: it does not yet.</summary>
    /// <param name="services">The host's services.</param>
    public static IPEndPoint? GatewayEndPoint(IServiceProvider services) => services.GetService<IGatewayAddress>()?.EndPoint;

    private sealed class HeldLock(ISiloHold hold) : ISiloLock
    {
        public async Task<SiloLockAttempt> TryTakeAsync(CancellationToken cancellationToken)
        {
            var attempt = await hold.TryTakeAsync(cancellationToken);
            return new SiloLockAttempt(attempt.HeldBy, attempt.Lost);
        }

        public Task ReleaseAsync(CancellationToken cancellationToken) => hold.ReleaseAsync(cancellationToken);
    }
}
