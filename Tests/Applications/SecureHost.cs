using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Playwright;
using Plane.Testing;
using Plane.Tests.Tls;

namespace Plane.Tests.Applications;

/// <summary>
/// An installation whose cluster has a certificate for its wildcard, with a proxy for HTTPS and one for HTTP/2 without TLS; the web server of an operator beside it, whose pages are of other
/// origins; and a browser for which all of their names lead here.
/// </summary>
public sealed class SecureHost : IAsyncLifetime, IDisposable
{
    private static readonly ConditionalWeakTable<IPage, ConcurrentQueue<string>> s_trouble = [];

    private const string Cluster = "sessions.apps.test";

    private readonly TestAuthority _authority = new();
    private readonly List<RunningProgram> _proxies = [];
    private WebApplication _pages = null!;
    private IBrowser _browser = null!;

    internal ApplicationHost Host { get; private set; } = null!;

    /// <summary>The port of HTTPS.</summary>
    public int HttpsPort { get; } = FreePort.Next();

    /// <summary>The port of HTTP/2 without TLS.</summary>
    public int H2cPort { get; } = FreePort.Next();

    public async Task InitializeAsync()
    {
        Host = await ApplicationHost.StartAsync(Cluster);
        var issued = _authority.Issue([Cluster, $"*.{Cluster}", "*.apps.test"]);
        await File.WriteAllTextAsync(Host.Directory["cert.pem"], issued.ChainPem);
        await File.WriteAllTextAsync(Host.Directory["key.pem"], issued.KeyPem);
        File.SetUnixFileMode(Host.Directory["key.pem"], UnixFileMode.UserRead);
        await StartProxyAsync(
            "https", "--https", "--cert", Host.Directory["cert.pem"], "--key", Host.Directory["key.pem"], "--http-port", $"{FreePort.Next()}", "--https-port", $"{HttpsPort}");
        await StartProxyAsync("h2c", "--prior-knowledge-http2", "--port", $"{H2cPort}");
        var pagesPort = FreePort.Next();
        _pages = await ServePagesAsync(pagesPort, issued);
        _browser = await Browser.LaunchAsync(
            $"--host-resolver-rules=MAP {Cluster} 127.0.0.1:{HttpsPort}, MAP *.{Cluster} 127.0.0.1:{HttpsPort}, MAP *.apps.test 127.0.0.1:{pagesPort}");
    }

    public async Task DisposeAsync()
    {
        await _browser.CloseAsync();
        await _pages.DisposeAsync();
        foreach (var proxy in _proxies)
        {
            await proxy.StopAsync();
            await proxy.DisposeAsync();
        }

        await Host.DisposeAsync();
        Dispose();
    }

    public void Dispose() => _authority.Dispose();

    /// <summary>A page of a person of their own.</summary>
    public async Task<IPage> NewPageAsync()
    {
        var context = await _browser.NewContextAsync(new BrowserNewContextOptions { IgnoreHTTPSErrors = true });
        context.SetDefaultTimeout((float)Eventually.DefaultDeadline.TotalMilliseconds);
        var page = await context.NewPageAsync();
        var trouble = s_trouble.GetOrCreateValue(page);
        context.Response += (_, response) =>
        {
            if (response.Status >= 400)
            {
                trouble.Enqueue($"{response.Status} {response.Url}");
            }
        };
        context.RequestFailed += (_, request) => trouble.Enqueue($"{request.Failure} {request.Url}");
        context.WebError += (_, error) => trouble.Enqueue(error.Error);
        return page;
    }

    /// <summary>What went wrong in a page of this host: refused and failed requests, errors of its scripts. For the failure of a test.</summary>
    public static string TroubleOf(IPage page) => string.Join("; ", s_trouble.GetOrCreateValue(page));

    /// <summary>What a program's calls go through, to one of the two proxies, whatever host they name.</summary>
    public SocketsHttpHandler Handler(bool https)
    {
        var handler = new SocketsHttpHandler
        {
            UseProxy = false,
            ConnectCallback = async (_, stop) =>
            {
                var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                await socket.ConnectAsync(IPAddress.Loopback, https ? HttpsPort : H2cPort, stop);
                return new NetworkStream(socket, ownsSocket: true);
            },
        };
        handler.SslOptions.CertificateChainPolicy = TlsProxy.Trust(_authority.RootPem);
        return handler;
    }

    private async Task StartProxyAsync(string name, params string[] options)
    {
        var proxy = await RunningProgram.StartDotnetAsync(
            Checkout.Cli, ["proxy", "--gateway", Host.Gateway, "--cluster", Cluster, "--host", "127.0.0.1", .. options], name: $"proxy-{name}", workingDirectory: Host.Directory.Path);
        _proxies.Add(proxy);
        await proxy.WaitForLineAsync("^ready proxy ");
    }

    /// <summary>Pages that have SignalR's client and nothing else.</summary>
    private static async Task<WebApplication> ServePagesAsync(int port, Issued issued)
    {
        var script = Path.Combine(await NpmApplications.SmallAsync(), "node_modules/@microsoft/signalr/dist/browser/signalr.min.js");
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(k => k.Listen(IPAddress.Loopback, port, l => l.UseHttps(issued.WithKey)));
        var app = builder.Build();
        app.Run(context =>
        {
            if (context.Request.Path == "/signalr.js")
            {
                return context.Response.SendFileAsync(script);
            }

            context.Response.ContentType = "text/html";
            return context.Response.WriteAsync("<!doctype html><title>operator's page</title><script src=/signalr.js></script>");
        });
        await app.StartAsync();
        return app;
    }
}

/// <summary>Tests that share one installation with HTTPS. They run one after another; each uses keys of its own.</summary>
[CollectionDefinition(Name)]
public sealed class SecureApplications : ICollectionFixture<SecureHost>
{
    public const string Name = "applications over HTTPS";
}
