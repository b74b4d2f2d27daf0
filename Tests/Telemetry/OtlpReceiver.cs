using System.Collections.Concurrent;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Plane.Hosting;

namespace Plane.Tests.Telemetry;

/// <summary>A collector that takes what programs send by OTLP, over HTTP or gRPC, and keeps it.</summary>
public sealed class OtlpReceiver : IAsyncDisposable
{
    private readonly WebApplication _app;

    private OtlpReceiver(WebApplication app) => _app = app;

    public ConcurrentQueue<(string Path, string Tenant, byte[] Body)> Received { get; } = [];

    public Uri Address => _app.BoundAddress();

    /// <summary>Every span that was received by HTTP.</summary>
    public IReadOnlyList<ExportedSpan> Spans => [.. Received.Where(r => r.Path == "/v1/traces").SelectMany(r => ExportedSpan.Read(r.Body))];

    /// <summary>All bodies as they came, for what must not be in any of them.</summary>
    public string Text => string.Concat(Received.Select(r => Encoding.Latin1.GetString(r.Body)));

    public static async Task<OtlpReceiver> StartAsync(HttpProtocols protocols = HttpProtocols.Http1)
    {
        var builder = PlaneHost.CreateWebBuilder("otlp-receiver");
        builder.UsePlaneListener("127.0.0.1", 0, listen => listen.Protocols = protocols);
        var receiver = new OtlpReceiver(builder.Build());
        receiver._app.Run(receiver.TakeAsync);
        await receiver._app.StartAsync();
        return receiver;
    }

    /// <summary>The variables by which a program sends here, and soon.</summary>
    public Dictionary<string, string?> Environment(params (string Name, string Value)[] more)
    {
        var variables = new Dictionary<string, string?>
        {
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = Address.AbsoluteUri,
            ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
            ["OTEL_BSP_SCHEDULE_DELAY"] = "100",
        };
        foreach (var (name, value) in more)
        {
            variables[name] = value;
        }

        return variables;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private async Task TakeAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        Received.Enqueue((context.Request.Path, context.Request.Headers["x-tenant"].ToString(), body.ToArray()));
        if (context.Request.Protocol == HttpProtocol.Http2)
        {
            // gRPC's form of an empty message.
            context.Response.ContentType = "application/grpc";
            context.Response.DeclareTrailer("grpc-status");
            await context.Response.Body.WriteAsync(new byte[5]);
            context.Response.AppendTrailer("grpc-status", "0");
        }
    }
}
