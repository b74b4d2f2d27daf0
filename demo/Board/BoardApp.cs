using System.Net;
using System.Net.WebSockets;

namespace Plane.Demo.Board;

/// <summary>The program: one page, one WebSocket, a health check. All addresses in the page are relative, because it is served under a connection token.</summary>
internal static class BoardApp
{
    public static WebApplication Build(BoardOptions options, TimeProvider time)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders().AddSimpleConsole(console => console.SingleLine = true).SetMinimumLevel(LogLevel.Information);
        builder.Logging.AddFilter("Microsoft", LogLevel.Warning);
        builder.Services.AddSingleton(options);
        builder.Services.AddSingleton(time);
        builder.Services.AddSingleton<Room>();
        builder.Services.AddHostedService(services => services.GetRequiredService<Room>());
        // Within the ten seconds that a session has between SIGTERM and SIGKILL.
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(5));
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxConcurrentConnections = 512;
            kestrel.Limits.MaxRequestBodySize = 0;
            kestrel.Listen(options.BindAny ? IPAddress.Any : IPAddress.Loopback, options.Port);
        });

        var app = builder.Build();
        if (options.StaticToken is { Length: > 0 } token)
        {
            app.UsePathBase($"/{token}");
            app.UseRouting();
        }

        app.UseWebSockets(new WebSocketOptions { KeepAliveInterval = TimeSpan.FromSeconds(15), KeepAliveTimeout = TimeSpan.FromSeconds(15) });
        app.MapGet("/healthz", () => "ok\n");
        foreach (var (path, file) in PageFile.All)
        {
            app.MapGet(path, file.WriteAsync);
        }

        app.Map("/ws", AcceptAsync);
        return app;
    }

    private static async Task AcceptAsync(HttpContext context, Room room, BoardOptions options, TimeProvider time, IHostApplicationLifetime lifetime)
    {
        if (!context.WebSockets.IsWebSocketRequest)
        {
            context.Response.StatusCode = StatusCodes.Status426UpgradeRequired;
            context.Response.Headers.Upgrade = "websocket";
            return;
        }

        var verified = PersonName.FromHeader(context.Request.Headers["x-verified-username"].ToString());
        using var socket = await context.WebSockets.AcceptWebSocketAsync();
        var connection = new Connection(socket, verified, room, options, time);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, lifetime.ApplicationStopping);
        try
        {
            await connection.RunAsync(ending.Token);
        }
        catch (Exception e) when (e is WebSocketException or OperationCanceledException or IOException)
        {
            // The browser is gone, without a word or in the middle of one; the room knows by now.
        }
    }
}
