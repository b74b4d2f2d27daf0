using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Plane.Silo.Http;

/// <summary>What the HTTP server takes from one connection, and how many of them.</summary>
internal static class HttpLimits
{
    /// <summary>The largest body: 1 MiB. The largest sensible connect request (environment, command, auth) stays well below.</summary>
    public const int MaxBody = 1024 * 1024;

    public static void Apply(SiloOptions options, KestrelServerOptions server)
    {
        var limits = server.Limits;
        limits.MaxRequestBodySize = MaxBody;
        limits.MaxRequestLineSize = 8 * 1024;
        limits.MaxRequestHeadersTotalSize = 32 * 1024;
        limits.MaxRequestHeaderCount = 100;
        limits.RequestHeadersTimeout = TimeSpan.FromSeconds(15);
        limits.KeepAliveTimeout = TimeSpan.FromMinutes(2);
        limits.MinRequestBodyDataRate = new MinDataRate(240, TimeSpan.FromSeconds(5));

        // Streams hold one each; the rest is for requests, most of them kept alive by the applications' pools. Never so many that no descriptor is left: the server
        // would try to accept the next connection again and again without a pause. Files, the database and the gateway need the last quarter.
        limits.MaxConcurrentConnections = Math.Min(options.MaxStatusStreams + 10_000, (FileDescriptors.Limit ?? int.MaxValue) / 4 * 3);
        limits.MaxConcurrentUpgradedConnections = 0;
    }
}
