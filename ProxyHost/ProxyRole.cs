using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Plane.Hosting.Cluster;
using Plane.Hosting.Metrics;
using Plane.Hosting.Tracing;
using Plane.Hosting;
using Plane.ProxyHost.Connections;
using Plane.ProxyHost.Forwarding;
using Plane.ProxyHost.ProxyProtocol;
using Plane.ProxyHost.Tls;

namespace Plane.ProxyHost;

/// <summary>Composes a complete proxy.</summary>
public static class ProxyRole
{
    private const int MaxHead = 32 * 1024;

    /// <summary>Builds the host; its caller starts and stops it.</summary>
    /// <param name="options">The options.</param>
    /// <param name="addCluster">Registers a <see cref="ClusterConnection"/>.</param>
    /// <param name="configure">What else the host needs: logging, metrics.</param>
    /// <exception cref="OptionsValidationException">An option is invalid; the message names it.</exception>
    public static WebApplication Build(ProxyOptions options, Action<IHostApplicationBuilder> addCluster, Action<IHostApplicationBuilder>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(addCluster);
        new ProxyOptionsValidator().Validated(options);
        var builder = PlaneHost.CreateWebBuilder("proxy");
        configure?.Invoke(builder);
        builder.AddPlaneMetrics("proxy");
        builder.AddPlaneTracing("proxy");
        addCluster(builder);
        builder.Services.AddPlaneProxy(options);
        if (options.MetricsPort is { } port)
        {
            builder.Services.AddPlaneMetricsServer(options.MetricsHost, port);
        }

        builder.UsePlaneListener(
            options.Host,
            options.Https ? options.HttpPort : options.Port,
            listen =>
            {
                listen.Protocols = options.PriorKnowledgeHttp2 ? HttpProtocols.Http2 : HttpProtocols.Http1;
                HalfClose.AddTo(listen);
                if (options.ProxyProtocol)
                {
                    ProxyProtocolMiddleware.AddTo(listen);
                }
            });
        if (options.Https)
        {
            var https = new HttpsEndpoint(options);
            https.AddTo(builder);
            builder.Services.AddSingleton(https);
        }

        builder.WebHost.ConfigureKestrel(Configure);
        builder.Services.AddSingleton<IMemoryPoolFactory<byte>, TransferBuffers>();

        var app = builder.Build();
        app.UseTrustedProxies(options.TrustedProxies, keepsOriginal: false);
        app.Run(app.Services.GetRequiredService<ProxyPipeline>().InvokeAsync);
        return app;
    }

    private static void Configure(KestrelServerOptions kestrel)
    {
        kestrel.RequestHeaderEncodingSelector = StrictLength.Of;
        kestrel.ResponseHeaderEncodingSelector = static _ => Encoding.Latin1;

        // What Kestrel would cut by default and a proxy must not: large bodies, slow readers and writers, streams that are idle.
        kestrel.Limits.MaxRequestBodySize = null;
        kestrel.Limits.MinRequestBodyDataRate = null;
        kestrel.Limits.MinResponseDataRate = null;
        kestrel.Limits.MaxRequestLineSize = MaxHead;
        kestrel.Limits.MaxRequestHeadersTotalSize = MaxHead;
        kestrel.Limits.MaxRequestHeaderCount = 500;
        kestrel.Limits.Http2.MaxRequestHeaderFieldSize = MaxHead;
    }
}
