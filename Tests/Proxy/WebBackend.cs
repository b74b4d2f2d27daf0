using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Plane.Tests.Proxy;

/// <summary>A backend that is an ordinary web server.</summary>
internal sealed class WebBackend : IAsyncDisposable
{
    private readonly WebApplication _app;

    private WebBackend(WebApplication app) => _app = app;

    public string Address => new Uri(_app.Urls.Single()).Authority;

    public static async Task<WebBackend> StartAsync(RequestDelegate serve, bool webSockets = false, bool h2c = false)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Limits.MinRequestBodyDataRate = null;
            kestrel.Limits.MinResponseDataRate = null;
            kestrel.Listen(System.Net.IPAddress.Loopback, 0, listen => listen.Protocols = h2c ? HttpProtocols.Http2 : HttpProtocols.Http1);
        });
        var app = builder.Build();
        if (webSockets)
        {
            app.UseWebSockets();
        }

        app.Run(serve);
        await app.StartAsync();
        return new WebBackend(app);
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();
}

