using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Plane.Tests.Applications.Web;
using Plane.Tests.Applications.Web.Components;

var application = args is [var only] ? only : "";
var builder = WebApplication.CreateBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
builder.Logging.SetMinimumLevel(LogLevel.Warning);
var port = builder.Configuration.GetValue<int>("PORT");
builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenAnyIP(port, listen => listen.Protocols = application == "grpc" ? HttpProtocols.Http2 : HttpProtocols.Http1));
builder.Services.Configure<ForwardedHeadersOptions>(o =>
{
    o.ForwardedHeaders = ForwardedHeaders.XForwardedFor | ForwardedHeaders.XForwardedProto | ForwardedHeaders.XForwardedHost;
    o.KnownIPNetworks.Clear();
    o.KnownProxies.Clear();
});
switch (application)
{
    case "blazor":
        builder.WebHost.UseStaticWebAssets();
        builder.Services.AddRazorComponents().AddInteractiveServerComponents();
        break;
    case "signalr":
        builder.Services.AddSignalR();
        break;
    case "grpc":
        builder.Services.AddGrpc();
        break;
    default:
        await Console.Error.WriteLineAsync("testapplications: name one of blazor, signalr and grpc");
        return 2;
}

var app = builder.Build();
app.UseForwardedHeaders();
if (application == "blazor")
{
    app.UseAntiforgery();
    app.MapStaticAssets();
    app.MapRazorComponents<App>().AddInteractiveServerRenderMode();
}
else if (application == "signalr")
{
    app.MapGet("/", () => "a hub is at /chat");
    app.MapHub<ChatHub>("/chat");
}
else
{
    app.MapGrpcService<GreeterService>();
}

await app.RunAsync();
return 0;
