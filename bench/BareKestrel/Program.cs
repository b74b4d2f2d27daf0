// What bench/tls.sh measures against: Kestrel with a certificate from files and nothing else.
using System.Net;
using System.Security.Cryptography.X509Certificates;

var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
    kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(X509Certificate2.CreateFromPemFile(args[0], args[1]))));
var app = builder.Build();
app.Run(context => context.Response.WriteAsync("ok"));
await app.StartAsync();
Console.WriteLine($"ready {app.Urls.Single()}");
await app.WaitForShutdownAsync();
