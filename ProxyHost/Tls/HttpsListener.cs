using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Plane.Hosting.Running;
using Plane.Hosting;
using Plane.ProxyHost.Connections;
using Plane.ProxyHost.ProxyProtocol;

namespace Plane.ProxyHost.Tls;

/// <summary>
/// The HTTPS port: closed until there is a certificate, then open for good. Kestrel opens ports while it runs only for endpoints of a configuration that
/// changes, so this one is in a configuration of its own, held in memory.
/// </summary>
internal sealed partial class HttpsListener(
    ProxyOptions options,
    CertificateSlot slot,
    HttpsEndpoint endpoint,
    ProxyStatus status,
    IServer server,
    HostExit exit,
    IHostApplicationLifetime lifetime,
    TimeProvider time,
    ILogger<HttpsListener> logger) : BackgroundService, IHostedLifecycleService
{
    private static readonly TimeSpan s_poll = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    public Task StartingAsync(CancellationToken cancellationToken)
    {
        // A port that is taken should be known now, not in a minute when the certificate comes.
        if (options.HttpsPort != 0)
        {
            try
            {
                using var probe = new TcpListener(WebListener.Address(options.Host), options.HttpsPort);
                probe.Start();
            }
            catch (SocketException e)
            {
                throw new StartRefusedException($"--https-port: {options.Host}:{options.HttpsPort} can't be listened on: {e.Message}", e);
            }
        }

        return Task.CompletedTask;
    }

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await slot.WhenServed.WaitAsync(stoppingToken);
        endpoint.Open();
        await WhenStartedAsync(stoppingToken);
        var since = time.GetTimestamp();
        while (true)
        {
            var addresses = server.Features.Get<IServerAddressesFeature>()?.Addresses;
            if (addresses?.FirstOrDefault(a => a.StartsWith("https:", StringComparison.Ordinal)) is { } address)
            {
                LogOpen(address);
                status.ServesHttps(new Uri(address));
                return;
            }

            // Kestrel logs why, and continues without.
            if (time.GetElapsedTime(since) > s_patience)
            {
                exit.Request(ExitCodes.Refused, $"--https-port: {options.Host}:{options.HttpsPort} could not be opened");
                return;
            }

            await Task.Delay(s_poll, time, stoppingToken);
        }
    }

    private async Task WhenStartedAsync(CancellationToken stoppingToken)
    {
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = lifetime.ApplicationStarted.Register(started.SetResult);
        await started.Task.WaitAsync(stoppingToken);
    }

    [LoggerMessage(EventIds.HttpsListenerOpen, LogLevel.Information, "HTTPS is served at {Address}")]
    private partial void LogOpen(string address);
}

/// <summary>The endpoint in Kestrel's configuration, and what a handshake gets.</summary>
internal sealed class HttpsEndpoint
{
    private const string Name = "https";

    private readonly IConfigurationRoot _configuration = new ConfigurationBuilder().AddInMemoryCollection().Build();
    private readonly string _url;
    private readonly bool _proxyProtocol;

    public HttpsEndpoint(ProxyOptions options)
    {
        // The scheme of the text is "http" on purpose: with "https" Kestrel would look for a certificate of its own.
        var address = WebListener.Address(options.Host);
        _url = $"http://{new IPEndPoint(address, options.HttpsPort)}";
        _proxyProtocol = options.ProxyProtocol;
    }

    public void Open()
    {
        _configuration[$"Endpoints:{Name}:Url"] = _url;
        _configuration.Reload();
    }

    public void AddTo(WebApplicationBuilder builder)
    {
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Configure(_configuration, reloadOnChange: true).Endpoint(Name, configured =>
        {
            var slot = kestrel.ApplicationServices.GetRequiredService<CertificateSlot>();
            configured.ListenOptions.Protocols = HttpProtocols.Http1AndHttp2;
            HalfClose.AddTo(configured.ListenOptions);
            if (_proxyProtocol)
            {
                ProxyProtocolMiddleware.AddTo(configured.ListenOptions);
            }

            configured.ListenOptions.UseHttps(new TlsHandshakeCallbackOptions
            {
                HandshakeTimeout = TimeSpan.FromSeconds(10),
                OnConnection = context => ValueTask.FromResult(Select(slot, context)),
            });
        }));
    }

    // A client that sends no name asks by address, as load balancers do for /ready: it gets the certificate, whatever it makes of it. A name that the certificate
    // does not cover can only fail at the client, and tells a scanner nothing by failing here.
    private static System.Net.Security.SslServerAuthenticationOptions Select(CertificateSlot slot, TlsHandshakeCallbackContext context)
    {
        var hello = context.ClientHelloInfo;
        var certificate = slot.Current ?? throw new AuthenticationException("there is no certificate");
        return hello.ServerName.Length == 0 || certificate.Names.Cover(hello.ServerName.TrimEnd('.'))
            ? certificate.OptionsFor(hello.SslProtocols)
            : throw new AuthenticationException("the certificate does not cover the name that the client asks for");
    }
}
