using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Plane.Hosting.Cluster;
using Plane.Hosting.Ready;
using Plane.ProxyHost;
using Plane.ProxyHost.Certificates;
using Plane.ProxyHost.Controller;
using Plane.Tests.Proxy;
using Plane.Testing;

namespace Plane.Tests.Tls;

/// <summary>A real proxy with HTTPS on ports of its own. Its routes are scripted; what concerns certificates is real.</summary>
internal sealed class TlsProxy : IAsyncDisposable
{
    private readonly WebApplication _app;
    private bool _disposed;

    private TlsProxy(WebApplication app, ProxyOptions options, FakeController controller, CapturedLog log)
    {
        _app = app;
        Options = options;
        Controller = controller;
        Log = log;
    }

    public ProxyOptions Options { get; }

    public FakeController Controller { get; }

    public CapturedLog Log { get; }

    public string Host => ClusterName.Parse(Options.Cluster).Host;

    public Uri Plain { get; private set; } = null!;

    public ProxyStatus Status => _app.Services.GetRequiredService<ProxyStatus>();

    public T Service<T>()
        where T : notnull => _app.Services.GetRequiredService<T>();

    public static async Task<TlsProxy> StartAsync(
        string cluster, Action<ProxyOptions> configure, ClusterConnection? client = null, TimeProvider? time = null)
    {
        var controller = new FakeController();
        var log = new CapturedLog();
        var options = new ProxyOptions
        {
            Cluster = cluster,
            Host = "127.0.0.1",
            Https = true,
            HttpPort = 0,
            HttpsPort = 0,
            CertCheckEvery = TimeSpan.FromMilliseconds(50),
            Drain = TimeSpan.FromMilliseconds(200),
        };
        configure(options);
        var app = ProxyRole.Build(
            options,
            builder =>
            {
                builder.Services.AddSingleton<IControllerCalls>(controller)
                    .AddSingleton(time ?? TimeProvider.System)
                    .Replace(ServiceDescriptor.Singleton<IReadyLine>(new ReadyLine(TextWriter.Null)));
                if (client is not null)
                {
                    builder.Services.AddSingleton(client);
                }
                else
                {
                    builder.Services.AddSingleton<IChallenges>(new AwayChallenges());
                }
            },
            builder => builder.Logging.ClearProviders().AddProvider(log).SetMinimumLevel(LogLevel.Debug));
        await app.StartAsync();
        var proxy = new TlsProxy(app, options, controller, log);
        proxy.Plain = (await proxy.Status.WhenListening).First(a => a.Scheme == "http");
        return proxy;
    }

    /// <summary>The port of HTTPS, once it is open.</summary>
    public async Task<int> PortAsync(TimeSpan? deadline = null)
    {
        try
        {
            return (await Eventually.EndsAsync(Status.WhenServingHttps, "HTTPS is open", deadline)).Port;
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"{e.Message} {Status.NotReadyBecause}\n{LogText}", e);
        }
    }

    public string LogText => string.Join('\n', Log.Lines.Where(l => l.Contains("Plane.", StringComparison.Ordinal) || l.Contains("Hosting", StringComparison.Ordinal)));

    /// <summary>A token that leads to a backend.</summary>
    public BearerToken Route(string address, string? subdomain = null)
    {
        var token = BearerToken.NewRandom();
        Controller.Add(token, address, r => r with { Cluster = ClusterName.Parse(Options.Cluster), Subdomain = subdomain });
        return token;
    }

    /// <summary>A client that trusts the roots and reaches the proxy by its name.</summary>
    public async Task<HttpClient> ClientAsync(string rootPem, Version? version = null)
    {
        var port = await PortAsync();
        var handler = new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, ConnectCallback = async (_, stop) =>
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(IPAddress.Loopback, port, stop);
            return new NetworkStream(socket, ownsSocket: true);
        } };
        handler.SslOptions.CertificateChainPolicy = Trust(rootPem);
        return new HttpClient(handler)
        {
            BaseAddress = new Uri($"https://{Host}/"),
            DefaultRequestVersion = version ?? HttpVersion.Version20,
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
    }

    /// <summary>The certificate that a handshake for the name shows, whatever its issuer.</summary>
    public async Task<X509Certificate2> HandshakeAsync(string? name = null, SslProtocols versions = SslProtocols.None)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, await PortAsync());
        await using var tls = new SslStream(new NetworkStream(socket));
        // What is shown is what is looked at, whatever its issuer.
#pragma warning disable CA5359
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = name ?? Host,
            EnabledSslProtocols = versions,
            RemoteCertificateValidationCallback = (_, _, _, _) => true,
        });
#pragma warning restore CA5359
        return X509CertificateLoader.LoadCertificate(tls.RemoteCertificate!.GetRawCertData());
    }

    public static X509ChainPolicy Trust(string pem)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.ImportFromPem(pem);
        return policy;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_disposed)
        {
            _disposed = true;
            await _app.StopAsync();
            await _app.DisposeAsync();
        }
    }
}

/// <summary>Real time, moved by what a test says.</summary>
internal sealed class ShiftedTime : TimeProvider
{
    private long _shift;

    public TimeSpan Shift
    {
        get => TimeSpan.FromTicks(Interlocked.Read(ref _shift));
        set => Interlocked.Exchange(ref _shift, value.Ticks);
    }

    public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Shift;
}

/// <summary>A controller that does not answer.</summary>
internal sealed class AwayChallenges : IChallenges
{
    public Task<ChallengeLease> HoldAsync(TimeSpan time, CancellationToken cancellationToken) => Task.FromException<ChallengeLease>(new TimeoutException("away"));

    public Task ReleaseAsync(CancellationToken cancellationToken) => Task.FromException(new TimeoutException("away"));

    public Task SetAsync(string[] values, CancellationToken cancellationToken) => Task.FromException(new TimeoutException("away"));

    public Task<OrderQuota> BeginOrderAsync(string id, string authority, int limit, CancellationToken cancellationToken) =>
        Task.FromException<OrderQuota>(new TimeoutException("away"));

    public Task DropOrderAsync(string id, CancellationToken cancellationToken) => Task.FromException(new TimeoutException("away"));
}
