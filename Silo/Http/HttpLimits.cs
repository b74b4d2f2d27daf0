using Microsoft.AspNetCore.Server.Kestrel.Core;
using Plane.Hosting.Running;

namespace Plane.Silo.Http;

/// <summary>What the HTTP server takes from one connection, and how many of them.</summary>
internal static class HttpLimits
{
    /// <summary>The largest body: 1 MiB. The largest sensible connect request (environment, command, auth) stays well below.</summary>
    public const int MaxBody = 1024 * 1024;

    // 271 were seen in a controller without clients, most of them the program's own files; and the database's, other controllers' and the gateway's connections.
    private const int OtherDescriptors = 400;
    private const int LeastConnections = 16;

    /// <summary>
    /// How many connections there may be. Status streams hold one each; the rest is for requests, most of them kept alive by the applications' pools. Never so many that
    /// no file descriptor is left: the runtime ends a process that cannot open a file when it must.
    /// </summary>
    public static int Connections(ControllerOptions options) =>
        Math.Max(LeastConnections, Math.Min(WantedConnections(options), (FileDescriptors.Limit ?? int.MaxValue) - OtherDescriptors));

    /// <summary>How many there would be with enough file descriptors.</summary>
    public static int WantedConnections(ControllerOptions options) => options.MaxStatusStreams + 10_000;

    public static void Apply(ControllerOptions options, KestrelServerOptions server)
    {
        var limits = server.Limits;
        limits.MaxRequestBodySize = MaxBody;
        limits.MaxRequestLineSize = 8 * 1024;
        limits.MaxRequestHeadersTotalSize = 32 * 1024;
        limits.MaxRequestHeaderCount = 100;
        limits.RequestHeadersTimeout = TimeSpan.FromSeconds(15);
        limits.KeepAliveTimeout = TimeSpan.FromMinutes(2);
        limits.MinRequestBodyDataRate = new MinDataRate(240, TimeSpan.FromSeconds(5));

        limits.MaxConcurrentConnections = Connections(options);
        limits.MaxConcurrentUpgradedConnections = 0;
    }
}
