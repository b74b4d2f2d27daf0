using System.Net;
using Yarp.ReverseProxy.Forwarder;

namespace Plane.Bench.Peers;

/// <summary>The least program around YARP's forwarder: one upstream, no decisions. What it does is the most that our proxy could.</summary>
internal static class BareYarp
{
    public static async Task ServeAsync(int port, string upstream)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(k => k.Listen(IPAddress.Loopback, port));
        builder.Services.AddRouting();
        builder.Services.AddHttpForwarder();
        await using var app = builder.Build();
        var forwarder = app.Services.GetRequiredService<IHttpForwarder>();
        using var client = new HttpMessageInvoker(new SocketsHttpHandler
        {
            UseProxy = false,
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            UseCookies = false,
            ActivityHeadersPropagator = null,
        });
        var config = new ForwarderRequestConfig { ActivityTimeout = TimeSpan.FromHours(1) };
        app.Run(async context => await forwarder.SendAsync(context, upstream, client, config));
        await app.RunAsync();
    }
}
