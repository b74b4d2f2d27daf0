using System.Net;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Orleans;
using Orleans.Configuration;
using Orleans.Gateway;
using Orleans.Hosting;
using Orleans.Runtime;
using Plane.Hosting;
using Plane.Silo;

namespace Plane.Tests.Engine.Embedded;

public sealed class TrustTests : IDisposable
{
    private const string Secret = "a secret of enough characters";

    private readonly string _files = Directory.CreateTempSubdirectory("plane-trust-").FullName;

    public void Dispose() => Directory.Delete(_files, recursive: true);

    [Fact]
    public async Task Both_ends_with_the_secret_talk()
    {
        await using var silo = await GatewayHost.StartAsync(s => s.Configure<EmbeddedEngineOptions>(o => o.SharedSecret = Secret));
        using var client = await silo.ClientAsync(c => c.Configure<EmbeddedEngineOptions>(o => o.SharedSecret = Secret));
        Assert.Equal("k", await client.Services.GetRequiredService<IGrainFactory>().GetGrain<IProbe>("k").WhoAreYou());
        await client.StopAsync();
    }

    [Theory]
    [InlineData("another secret of enough characters")]
    [InlineData(null)]
    public async Task A_client_with_another_secret_or_none_is_refused(string? secret)
    {
        await using var silo = await GatewayHost.StartAsync(s => s.Configure<EmbeddedEngineOptions>(o => o.SharedSecret = Secret));
        using var client = await silo.ClientAsync(c =>
        {
            c.Configure<EmbeddedEngineOptions>(o => o.SharedSecret = secret);
            c.Configure<ClientMessagingOptions>(o => o.ResponseTimeout = TimeSpan.FromSeconds(1));
        });
        var e = await Assert.ThrowsAsync<TimeoutException>(() => client.Services.GetRequiredService<IGrainFactory>().GetGrain<IProbe>("k").WhoAreYou());
        Assert.Contains("secret", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(Secret, e.Message, StringComparison.Ordinal);
        await client.StopAsync();
    }

    [Fact]
    public async Task A_client_with_a_secret_does_not_trust_a_silo_without_it()
    {
        await using var silo = await GatewayHost.StartAsync();
        using var socket = await silo.ConnectAsync();
        var e = await Assert.ThrowsAsync<WireException>(
            () => Handshake.AsClientAsync(socket, new EmbeddedEngineOptions { SharedSecret = Secret }, new ClusterOptions(), default));
        Assert.Contains("does not know the shared secret", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_proof_sent_back_as_ones_own_is_refused()
    {
        await using var silo = await GatewayHost.StartAsync(s => s.Configure<EmbeddedEngineOptions>(o => o.SharedSecret = Secret));
        using var socket = await silo.ConnectAsync();
        await GatewayHost.SendAsync(socket, "[\"hello\",1,\"0123456789abcdef\",\"default\",\"default\"]");
        var challenge = await GatewayHost.ReceiveAsync(socket);
        await GatewayHost.SendAsync(socket, $"[\"proof\",\"{challenge![2].GetString()}\"]");
        Assert.Contains("secret does not fit", await GatewayHost.ClosedAsync(socket), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_stranger_is_read_up_to_4_KiB(bool greeting)
    {
        await using var silo = await GatewayHost.StartAsync(s => s.Configure<EmbeddedEngineOptions>(o => o.SharedSecret = Secret));
        using var socket = await silo.ConnectAsync();
        var large = new string('x', 5_000);
        await GatewayHost.SendAsync(socket, $"[\"hello\",1,\"0123456789abcdef\",\"default\",\"{(greeting ? large : "default")}\"]");
        if (!greeting)
        {
            Assert.NotNull(await GatewayHost.ReceiveAsync(socket));
            await GatewayHost.SendAsync(socket, $"[\"proof\",\"{large}\"]");
        }

        Assert.Contains("too large", await GatewayHost.ClosedAsync(socket), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_of_another_cluster_is_refused()
    {
        await using var silo = await GatewayHost.StartAsync();
        using var socket = await silo.ConnectAsync();
        var e = await Assert.ThrowsAsync<WireException>(
            () => Handshake.AsClientAsync(socket, new EmbeddedEngineOptions(), new ClusterOptions { ClusterId = "other" }, default));
        Assert.Contains("cluster default", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_contract_with_a_method_that_the_silo_lacks_is_refused()
    {
        await using var silo = await GatewayHost.StartAsync();
        using var socket = await silo.ConnectAsync();
        await GatewayHost.SendAsync(socket, "[\"hello\",1,\"0123456789abcdef\",\"default\",\"default\"]");
        Assert.NotNull(await GatewayHost.ReceiveAsync(socket));
        await GatewayHost.SendAsync(socket, "[\"proof\",\"\"]");
        await GatewayHost.SendAsync(socket, "[\"contract\",{\"tests.IUnknown\":[\"Any()\"],\"tests.IProbe\":[\"Fly(System.Int32):void\"]}]");
        Assert.Contains("has no tests.IProbe.Fly", await GatewayHost.ClosedAsync(socket), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_of_an_older_contract_is_served_what_it_knows()
    {
        await using var silo = await GatewayHost.StartAsync();
        using var socket = await silo.ConnectAsync();
        await GatewayHost.SendAsync(socket, "[\"hello\",1,\"0123456789abcdef\",\"default\",\"default\"]");
        Assert.NotNull(await GatewayHost.ReceiveAsync(socket));
        await GatewayHost.SendAsync(socket, "[\"proof\",\"\"]");

        // It knows no method, and of a message neither the last field nor that it lacks one; what it says beyond ours is passed over.
        await GatewayHost.SendAsync(socket, "[\"contract\",{\"tests.IEcho\":[]}]");
        Assert.Equal("welcome", (await GatewayHost.ReceiveAsync(socket))![0].GetString());
        await GatewayHost.SendAsync(socket, "[\"c\",1,\"tests.IEcho\",\"Defaults\",\"k\",1000,[{\"Text\":\"old\",\"FromThen\":7}]]");
        var answer = await GatewayHost.ReceiveAsync(socket);
        Assert.Equal(("r", 1L), (answer![0].GetString(), answer[1].GetInt64()));
        Assert.Equal(("old", 5), (answer[2].GetProperty("Text").GetString(), answer[2].GetProperty("Number").GetInt32()));
    }

    [Fact]
    public async Task Another_version_of_the_protocol_is_refused()
    {
        await using var silo = await GatewayHost.StartAsync();
        using var socket = await silo.ConnectAsync();
        await GatewayHost.SendAsync(socket, "[\"hello\",2,\"0123456789abcdef\",\"default\",\"default\"]");
        Assert.Contains("version 1", await GatewayHost.ClosedAsync(socket), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("https://evil.example")]
    [InlineData("http://127.0.0.1:8080")]
    [InlineData("null")]
    public async Task A_page_in_a_browser_of_this_machine_is_no_client(string origin)
    {
        await using var silo = await GatewayHost.StartAsync();
        using var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("Origin", origin);
        await Assert.ThrowsAsync<WebSocketException>(() => socket.ConnectAsync(new Uri($"ws://{silo.EndPoint}{Wire.Path}"), default));
        Assert.Equal(HttpStatusCode.Forbidden, await RefusalAsync(silo, origin));
        await silo.Log.LoggedAsync(7033);
    }

    [Fact]
    public async Task A_gateway_beyond_loopback_needs_authentication()
    {
        var e = await Assert.ThrowsAsync<OrleansConfigurationException>(
            () => GatewayHost.StartAsync(s => s.Configure<EndpointOptions>(o => o.GatewayListeningEndpoint = new IPEndPoint(IPAddress.Any, 0))));
        Assert.Contains("--insecure-gateway", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_short_secret_is_refused_at_start()
    {
        var e = await Assert.ThrowsAsync<OrleansConfigurationException>(() => GatewayHost.StartAsync(s => s.Configure<EmbeddedEngineOptions>(o => o.SharedSecret = "short")));
        Assert.DoesNotContain("short", e.Message.Replace("shorter", "", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Fact]
    public void The_wiring_refuses_a_silo_beyond_loopback_without_authentication()
    {
        var e = Assert.Throws<OptionsValidationException>(
            () => Host.CreateEmptyApplicationBuilder(null).AddPlaneSilo(new SiloEngineOptions { BindAddress = IPAddress.Any }));
        Assert.Contains("--insecure-gateway", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("host:notaport")]
    [InlineData("http://host:1")]
    [InlineData("a:1/b")]
    [InlineData("host:70000")]
    public void The_wiring_names_a_bad_gateway(string gateway)
    {
        var e = Assert.Throws<OptionsValidationException>(
            () => Host.CreateEmptyApplicationBuilder(null).AddPlaneClusterClient(new GatewayOptions { Endpoints = [gateway] }));
        Assert.Contains($"'{gateway}' is not HOST:PORT", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("host", "host", 30000)]
    [InlineData("host.example:1234", "host.example", 1234)]
    [InlineData("[::1]:5", "::1", 5)]
    [InlineData("10.0.0.1:80", "10.0.0.1", 80)]
    public void A_gateway_is_a_host_and_a_port(string text, string host, int port)
    {
        Assert.True(GatewayOptions.TryParse(text, out var endpoint));
        Assert.Equal((host, port), (endpoint.Host, endpoint.Port));
    }

    [Fact]
    public async Task The_wiring_connects_by_name_with_a_secret_file()
    {
        var file = Path.Combine(_files, "secret");
        await File.WriteAllTextAsync(file, Secret + "\n");
        var trust = new GatewayTrust { SharedSecretFile = file };
        await using var silo = await WiredSiloAsync(new SiloEngineOptions { GatewayPort = 0, Trust = trust });
        Assert.Equal("k", await AskAsync(silo, "localhost", trust));
    }

    [Fact]
    public async Task The_wiring_connects_by_certificates_of_one_authority()
    {
        using var authority = NewAuthority("plane");
        var server = Trust("server", authority, "1.3.6.1.5.5.7.3.1");
        var client = Trust("client", authority, "1.3.6.1.5.5.7.3.2");
        await using var silo = await WiredSiloAsync(new SiloEngineOptions { GatewayPort = 0, Trust = server });
        Assert.Equal("k", await AskAsync(silo, "127.0.0.1", client));
    }

    [Fact]
    public async Task A_client_of_a_foreign_authority_is_refused()
    {
        using var authority = NewAuthority("plane");
        using var foreign = NewAuthority("foreign");
        var server = Trust("server", authority, "1.3.6.1.5.5.7.3.1");
        var stranger = Trust("stranger", foreign, "1.3.6.1.5.5.7.3.2", trusts: authority);
        await using var silo = await WiredSiloAsync(new SiloEngineOptions { GatewayPort = 0, Trust = server });
        await Assert.ThrowsAsync<TimeoutException>(() => AskAsync(silo, "127.0.0.1", stranger));
    }

    [Fact]
    public void A_clients_certificate_does_not_make_a_gateway()
    {
        using var authority = NewAuthority("plane");
        var trust = Trust("client", authority, "1.3.6.1.5.5.7.3.2");
        using var certificate = trust.ReadCertificate()!;
        Assert.False(trust.ReadValidation(ofServer: true)!(certificate, null, default));
        Assert.True(trust.ReadValidation(ofServer: false)!(certificate, null, default));
    }

    [Fact]
    public void The_check_of_a_strangers_certificate_asks_nobody_for_its_issuer()
    {
        // Where a certificate says that its issuer can be had: whoever connects could have the controller ask addresses of its network.
        using var asked = new TcpListener(IPAddress.Loopback, 0);
        asked.Start();
        var issuer = new Uri($"http://127.0.0.1:{((IPEndPoint)asked.LocalEndpoint).Port}/issuer.crt");
        using var authority = NewAuthority("plane");
        using var foreign = NewAuthority("foreign");
        var server = Trust("server", authority, "1.3.6.1.5.5.7.3.1");
        var stranger = Trust("stranger", foreign, "1.3.6.1.5.5.7.3.2", trusts: authority, issuer);
        using var certificate = stranger.ReadCertificate()!;
        Assert.False(server.ReadValidation(ofServer: false)!(certificate, null, default));
        Assert.False(asked.Pending(), "the check asked for the issuer");
    }

    private static async Task<HttpStatusCode> RefusalAsync(GatewayHost silo, string origin)
    {
        using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false });
        using var request = new HttpRequestMessage(HttpMethod.Get, $"http://{silo.EndPoint}{Wire.Path}");
        request.Headers.TryAddWithoutValidation("Origin", origin);
        request.Headers.TryAddWithoutValidation("Connection", "Upgrade");
        request.Headers.TryAddWithoutValidation("Upgrade", "websocket");
        request.Headers.TryAddWithoutValidation("Sec-WebSocket-Version", "13");
        request.Headers.TryAddWithoutValidation("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        return response.StatusCode;
    }

    private static async Task<WiredSilo> WiredSiloAsync(SiloEngineOptions options)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddSingleton(ProbeSignals.Of(Guid.NewGuid().ToString("N")));
        builder.AddPlaneSilo(options);
        var host = builder.Build();
        await host.StartAsync();
        return new WiredSilo(host);
    }

    private static async Task<string> AskAsync(WiredSilo silo, string name, GatewayTrust trust)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.AddPlaneClusterClient(new GatewayOptions
        {
            Endpoints = [$"{name}:{silo.Port}"],
            Trust = trust,
            ResponseTimeout = TimeSpan.FromSeconds(3),
        });
        using var host = builder.Build();
        await host.StartAsync();
        try
        {
            return await host.Services.GetRequiredService<IClusterClient>().GetGrain<IProbe>("k").WhoAreYou();
        }
        finally
        {
            await host.StopAsync();
        }
    }

    private static X509Certificate2 NewAuthority(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }

    private GatewayTrust Trust(string name, X509Certificate2 authority, string use, X509Certificate2? trusts = null, Uri? issuer = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(use)], true));
        if (issuer is not null)
        {
            request.CertificateExtensions.Add(new X509AuthorityInformationAccessExtension([], [issuer.AbsoluteUri]));
        }

        using var certificate = request.Create(authority, DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddHours(1), RandomNumberGenerator.GetBytes(8));
        var path = Path.Combine(_files, name);
        File.WriteAllText(path + ".crt", certificate.ExportCertificatePem());
        File.WriteAllText(path + ".key", key.ExportPkcs8PrivateKeyPem());
        File.WriteAllText(path + ".ca", (trusts ?? authority).ExportCertificatePem());
        return new GatewayTrust { CertificateFile = path + ".crt", KeyFile = path + ".key", AuthorityFile = path + ".ca" };
    }

    private sealed class WiredSilo(IHost host) : IAsyncDisposable
    {
        public int Port => SiloEngine.GatewayEndPoint(host.Services)!.Port;

        public async ValueTask DisposeAsync()
        {
            await host.StopAsync();
            await ((IAsyncDisposable)host).DisposeAsync();
        }
    }
}
