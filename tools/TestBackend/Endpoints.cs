using System.Globalization;
using System.Net.WebSockets;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Http.Features;

namespace Plane.TestBackend;

/// <summary>What a test asks of a backend over HTTP.</summary>
internal static class Endpoints
{
    public static void MapBackend(this WebApplication app, Behaviour behaviour)
    {
        app.UseWebSockets();
        if (behaviour.Status is { } status)
        {
            app.Run(context =>
            {
                context.Response.StatusCode = status;
                return context.Response.WriteAsync("as told\n");
            });
            return;
        }

        app.MapGet("/", () => $"testbackend {Variable("SESSION_BACKEND_ID")}\n");
        app.MapGet("/env", () => Results.Json(Environment.GetEnvironmentVariables().Cast<System.Collections.DictionaryEntry>()
            .ToDictionary(e => (string)e.Key, e => (string?)e.Value)));
        app.Map("/echo/{**rest}", EchoAsync);
        app.Map("/status/{code:int}", (int code) => Results.StatusCode(code));
        app.MapGet("/exit/{code:int}", (int code) => Environment.Exit(code));
        app.MapGet("/headers", (HttpContext context) =>
        {
            foreach (var (name, value) in context.Request.Query)
            {
                context.Response.Headers[name] = value;
            }

            return "headers as asked\n";
        });
        app.MapGet("/slow", async (int ms, TimeProvider time, CancellationToken cancel) =>
        {
            await Task.Delay(TimeSpan.FromMilliseconds(ms), time, cancel);
            return "slow\n";
        });
        app.MapGet("/hang", (TimeProvider time, CancellationToken cancel) => Task.Delay(Timeout.InfiniteTimeSpan, time, cancel));
        app.MapGet("/bytes", BytesAsync);
        app.MapGet("/drip", DripAsync);
        app.MapGet("/sse", EventsAsync);
        app.MapGet("/abort", AbortAsync);
        app.MapGet("/trailers", TrailersAsync);
        app.MapPost("/upload", (Delegate)UploadAsync);
        app.Map("/ws/{**rest}", WebSocketAsync);
    }

    /// <summary>The request as this backend saw it.</summary>
    private static async Task EchoAsync(HttpContext context)
    {
        var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        await context.Response.WriteAsJsonAsync(new
        {
            method = context.Request.Method,
            target = context.Features.Get<IHttpRequestFeature>()!.RawTarget,
            protocol = context.Request.Protocol,
            backend = Variable("SESSION_BACKEND_ID"),
            headers = context.Request.Headers.ToDictionary(h => h.Key.ToLowerInvariant(), h => h.Value.ToArray()),
            length = body.Length,
            sha256 = Convert.ToHexStringLower(SHA256.HashData(body.ToArray())),
            body = body.Length <= 4096 ? System.Text.Encoding.UTF8.GetString(body.ToArray()) : null,
        });
    }

    /// <summary><c>?n=</c> bytes, the byte at offset i being i modulo 251.</summary>
    private static async Task BytesAsync(HttpContext context, long n)
    {
        context.Response.ContentLength = n;
        var block = new byte[251 * 256];
        for (var i = 0; i < block.Length; i++)
        {
            block[i] = (byte)(i % 251);
        }

        for (var left = n; left > 0; left -= block.Length)
        {
            await context.Response.Body.WriteAsync(block.AsMemory(0, (int)Math.Min(left, block.Length)), context.RequestAborted);
        }
    }

    /// <summary><c>?n=</c> lines, one every <c>?ms=</c>.</summary>
    private static async Task DripAsync(HttpContext context, int n, int ms, TimeProvider time)
    {
        for (var i = 0; i < n; i++)
        {
            await context.Response.WriteAsync(string.Create(CultureInfo.InvariantCulture, $"{i}\n"), context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
            await Task.Delay(TimeSpan.FromMilliseconds(ms), time, context.RequestAborted);
        }
    }

    private static async Task EventsAsync(HttpContext context, int n, int ms, TimeProvider time)
    {
        context.Response.ContentType = "text/event-stream";
        for (var i = 0; i < n; i++)
        {
            await context.Response.WriteAsync(string.Create(CultureInfo.InvariantCulture, $"id: {i}\ndata: event {i}\n\n"), context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
            await Task.Delay(TimeSpan.FromMilliseconds(ms), time, context.RequestAborted);
        }
    }

    private static async Task AbortAsync(HttpContext context)
    {
        context.Response.ContentLength = 1000;
        await context.Response.WriteAsync("a beginning", context.RequestAborted);
        await context.Response.Body.FlushAsync(context.RequestAborted);
        context.Abort();
    }

    private static async Task TrailersAsync(HttpContext context)
    {
        context.Response.DeclareTrailer("x-trailer");
        await context.Response.WriteAsync("body\n", context.RequestAborted);
        context.Response.AppendTrailer("x-trailer", "after the body");
    }

    private static async Task<IResult> UploadAsync(HttpContext context)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[64 * 1024];
        var length = 0L;
        int read;
        while ((read = await context.Request.Body.ReadAsync(buffer, context.RequestAborted)) > 0)
        {
            hash.AppendData(buffer, 0, read);
            length += read;
        }

        return Results.Json(new { length, sha256 = Convert.ToHexStringLower(hash.GetHashAndReset()) });
    }

    /// <summary>Echoes messages as they are, but: <c>who</c> is answered with the backend's id, <c>user</c> with the verified name, <c>close</c> closes.</summary>
    private static async Task WebSocketAsync(HttpContext context)
    {
        if (!context.WebSockets.IsWebSocketRequest)
        {
            context.Response.StatusCode = StatusCodes.Status426UpgradeRequired;
            return;
        }

        using var socket = await context.WebSockets.AcceptWebSocketAsync(
            new WebSocketAcceptContext { SubProtocol = context.WebSockets.WebSocketRequestedProtocols.FirstOrDefault() });
        var buffer = new byte[64 * 1024];
        while (true)
        {
            var message = await socket.ReceiveAsync(buffer.AsMemory(), context.RequestAborted);
            if (message.MessageType == WebSocketMessageType.Close)
            {
                await socket.CloseAsync(socket.CloseStatus ?? WebSocketCloseStatus.NormalClosure, socket.CloseStatusDescription, context.RequestAborted);
                return;
            }

            var text = message.MessageType == WebSocketMessageType.Text && message.EndOfMessage
                ? System.Text.Encoding.UTF8.GetString(buffer, 0, message.Count)
                : null;
            if (text == "close")
            {
                await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "as asked", context.RequestAborted);
                return;
            }

            var answer = text switch
            {
                "who" => System.Text.Encoding.UTF8.GetBytes(Variable("SESSION_BACKEND_ID")),
                "user" => System.Text.Encoding.UTF8.GetBytes(context.Request.Headers["x-verified-username"].ToString()),
                _ => buffer.AsMemory(0, message.Count),
            };
            await socket.SendAsync(answer, message.MessageType, message.EndOfMessage, context.RequestAborted);
        }
    }

    private static string Variable(string name) => Environment.GetEnvironmentVariable(name) ?? "";
}
