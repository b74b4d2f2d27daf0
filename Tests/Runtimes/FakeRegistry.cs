using System.Formats.Tar;
using System.IO.Compression;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;
using Plane.Testing;

namespace Plane.Tests.Runtimes;

/// <summary>A registry on loopback that speaks as much of the distribution API as a pull needs, with one image of two layers; the second can be made to fail.</summary>
public sealed class FakeRegistry : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly Dictionary<string, byte[]> _blobs = new(StringComparer.Ordinal);
    private readonly string _second;
    private readonly TaskCompletionSource _secondAsked = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private FakeRegistry()
    {
        var first = Layer("first");
        var second = Layer("second");
        var config = Encoding.UTF8.GetBytes($$$"""
            {"architecture":"amd64","os":"linux","config":{"Cmd":["/first"]},"rootfs":{"type":"layers","diff_ids":["{{{first.DiffId}}}","{{{second.DiffId}}}"]}}
            """);
        _second = Digest(second.Blob);
        foreach (var blob in (byte[][])[first.Blob, second.Blob, config])
        {
            _blobs[Digest(blob)] = blob;
        }

        var manifest = Encoding.UTF8.GetBytes($$$"""
            {"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",
            "config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":{{{config.Length}}},"digest":"{{{Digest(config)}}}"},
            "layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":{{{first.Blob.Length}}},"digest":"{{{Digest(first.Blob)}}}"},
            {"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":{{{second.Blob.Length}}},"digest":"{{{_second}}}"}]}
            """);

        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(k =>
        {
            k.Limits.MinResponseDataRate = null;
            k.Listen(IPAddress.Loopback, 0, l => l.Protocols = HttpProtocols.Http1);
        });
        _app = builder.Build();
        _app.Use(AuthorizeAsync);
        _app.MapGet("/v2/", () => "{}");
        _app.MapMethods("/v2/{name}/manifests/{tag}", ["GET", "HEAD"], (string tag, HttpContext context) => ManifestAsync(tag, manifest, context));
        _app.MapGet("/v2/{name}/blobs/{digest}", BlobAsync);
    }

    /// <summary>An image that no other test has.</summary>
    public string Image { get; private set; } = "";

    /// <summary>The second layer has other bytes than its digest says.</summary>
    public bool Corrupt { get; set; }

    /// <summary>The second layer never comes.</summary>
    public bool Hang { get; set; }

    /// <summary>Who may pull; everyone where null.</summary>
    public RegistryCredentials? Only { get; set; }

    /// <summary>Completes when a pull has come to the second layer.</summary>
    public Task SecondAsked => _secondAsked.Task;

    public static async Task<FakeRegistry> StartAsync()
    {
        var registry = new FakeRegistry();
        await registry._app.StartAsync();
        var address = new Uri(registry._app.Urls.Single());
        registry.Image = $"127.0.0.1:{address.Port}/t-{Guid.NewGuid():N}:one";
        return registry;
    }

    public async ValueTask DisposeAsync()
    {
        _stopped.TrySetResult();
        await _app.DisposeAsync();
        await (await DockerEngine.SharedAsync()).RemoveImageAsync(Image);
    }

    private static (byte[] Blob, string DiffId) Layer(string name)
    {
        using var tar = new MemoryStream();
        using (var writer = new TarWriter(tar, TarEntryFormat.Ustar, leaveOpen: true))
        {
            writer.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(Guid.NewGuid().ToByteArray()) });
        }

        using var zipped = new MemoryStream();
        using (var gzip = new GZipStream(zipped, CompressionLevel.Fastest, leaveOpen: true))
        {
            gzip.Write(tar.ToArray());
        }

        return (zipped.ToArray(), Digest(tar.ToArray()));
    }

    private static string Digest(byte[] bytes) => $"sha256:{Convert.ToHexStringLower(SHA256.HashData(bytes))}";

    private async Task AuthorizeAsync(HttpContext context, RequestDelegate next)
    {
        var expected = Only is { } only ? $"Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes($"{only.Username}:{only.Password}"))}" : null;
        if (expected is null || context.Request.Headers.Authorization == expected)
        {
            await next(context);
            return;
        }

        context.Response.StatusCode = 401;
        context.Response.Headers.WWWAuthenticate = "Basic realm=\"test\"";
        await context.Response.WriteAsync("""{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}""");
    }

    private static async Task ManifestAsync(string tag, byte[] manifest, HttpContext context)
    {
        if (tag != "one" && tag != Digest(manifest))
        {
            context.Response.StatusCode = 404;
            await context.Response.WriteAsync("""{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}""");
            return;
        }

        context.Response.ContentType = "application/vnd.docker.distribution.manifest.v2+json";
        context.Response.ContentLength = manifest.Length;
        context.Response.Headers["Docker-Content-Digest"] = Digest(manifest);
        if (context.Request.Method == "GET")
        {
            await context.Response.Body.WriteAsync(manifest);
        }
    }

    private async Task BlobAsync(string digest, HttpContext context)
    {
        var blob = _blobs[digest];
        context.Response.ContentLength = blob.Length;
        if (digest == _second)
        {
            _secondAsked.TrySetResult();
            if (Hang)
            {
                await context.Response.Body.WriteAsync(blob.AsMemory(0, 8));
                await context.Response.Body.FlushAsync();
                await Task.WhenAny(_stopped.Task, Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.RequestAborted));
                context.Abort();
                return;
            }

            if (Corrupt)
            {
                blob = [.. blob];
                blob[^1] ^= 0xff;
                blob[^9] ^= 0xff;
            }
        }

        await context.Response.Body.WriteAsync(blob);
    }
}
