using Microsoft.Extensions.Hosting;
using Orleans.Configuration;
using Orleans.Hosting;

namespace Plane.Hosting;

/// <summary>Puts the cluster's client into a host: the embedded engine's way. The host's start never waits for a silo, and the client never gives up.</summary>
public static class EngineHosting
{
    /// <summary>The engine that this program was built with.</summary>
    public const string EngineName = "Embedded";

    /// <summary>Adds an <see cref="Orleans.IClusterClient"/> that talks to the given gateways.</summary>
    /// <param name="builder">The host's builder; its container must not have a silo.</param>
    /// <param name="options">Where the cluster is.</param>
    public static IHostApplicationBuilder AddPlaneClusterClient(this IHostApplicationBuilder builder, GatewayOptions options)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(options);
        var gateways = options.Validated();
        return builder.UseOrleansClient(client =>
        {
            client.Configure<ClusterOptions>(o => (o.ClusterId, o.ServiceId) = (options.ClusterId, options.ServiceId));
            client.Configure<ClientMessagingOptions>(o => o.ResponseTimeout = options.ResponseTimeout);

            // Names as they are: the engine resolves them at each attempt, and TLS needs them.
            client.UseStaticClustering(o => o.Gateways = [.. gateways.Select(g => new UriBuilder("gwy.tcp", g.Host, g.Port, "0").Uri)]);
            client.UseConnectionRetryFilter((_, _) => Task.FromResult(true));
            var secret = options.Trust.ReadSecret();
            client.Configure<EmbeddedEngineOptions>(o =>
            {
                o.MaxReconnectDelay = options.MaxReconnectDelay;
                o.SharedSecret = secret;
            });
            if (options.Trust.UsesTls)
            {
                client.UseTls(tls =>
                {
                    tls.LocalCertificate = options.Trust.ReadCertificate();
                    if (options.Trust.ReadValidation(ofServer: true) is { } validate)
                    {
                        tls.RemoteCertificateValidation = (certificate, chain, errors) => validate(certificate, chain, errors);
                    }
                });
            }
        });
    }
}
