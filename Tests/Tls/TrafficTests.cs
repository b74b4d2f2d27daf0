using System.Net;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Playwright;
using Plane.Tests.Proxy;
using Plane.Testing;

namespace Plane.Tests.Tls;

/// <summary>Traffic over HTTPS, looked at with software that nobody here wrote: curl, OpenSSL and Chromium.</summary>
public sealed class TrafficTests : IAsyncLifetime, IDisposable
{
    private const string Cluster = "traffic.example.test";

    private readonly TestAuthority _authority = new();
    private readonly TempDirectory _directory = new();
    private readonly Issued _issued;
    private TlsProxy _proxy = null!;
    private WebBackend _backend = null!;
    private string _token = "";
    private string _below = "";
    private int _port;

    public TrafficTests() => _issued = _authority.Issue([Cluster, "*." + Cluster]);

    public async Task InitializeAsync()
    {
        await File.WriteAllTextAsync(_directory["cert.pem"], _issued.ChainPem);
        await File.WriteAllTextAsync(_directory["key.pem"], _issued.KeyPem);
        await File.WriteAllTextAsync(_directory["root.pem"], _authority.RootPem);
        _proxy = await TlsProxy.StartAsync(Cluster, o =>
        {
            o.Cert = _directory["cert.pem"];
            o.Key = _directory["key.pem"];
            o.Hsts = TimeSpan.FromDays(365);
            o.HstsSubdomains = true;
        });
        _backend = await WebBackend.StartAsync(ServeAsync, webSockets: true);
        _token = _proxy.Route(_backend.Address).Value;
        _below = _proxy.Route(_backend.Address, "sub").Value;
        _port = await _proxy.PortAsync();
    }

    public async Task DisposeAsync()
    {
        await _proxy.DisposeAsync();
        await _backend.DisposeAsync();
    }

    public void Dispose()
    {
        _authority.Dispose();
        _directory.Dispose();
    }

    [Theory]
    [InlineData("--http1.1", "1.1")]
    [InlineData("--http2", "2")]
    public async Task Curl_trusts_the_certificate_and_gets_each_version_of_http(string flag, string version)
    {
        var (code, lines) = await CurlAsync(flag, "-w", "\n%{http_version} %{response_code}", $"https://{Cluster}/{_token}/page");
        Assert.True(code == 0, string.Join('\n', lines));
        Assert.Contains("https 200-page", lines);
        Assert.Contains($"{version} 200", lines);
        (code, lines) = await CurlAsync(flag, "-sI", "-X", "GET", $"https://sub.{Cluster}/{_below}/");
        Assert.True(code == 0, string.Join('\n', lines));
        Assert.Contains(lines, l => l.Equals("strict-transport-security: max-age=31536000; includeSubDomains", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public async Task The_plain_port_redirects_keeping_host_path_and_query()
    {
        var (code, lines) = await RunningProgram.RunAsync(
            "curl",
            ["-s", "-o", "/dev/null", "-D", "-", "--noproxy", "*", "--path-as-is", "--connect-to", $"::127.0.0.1:{_proxy.Plain.Port}", $"http://Sub.{Cluster}:8080/{_token}/a%20b/../c?x=1&y=%2F"]);
        Assert.True(code == 0, string.Join('\n', lines));
        Assert.Equal("HTTP/1.1 301 Moved Permanently", lines[0].Trim());
        Assert.Contains($"Location: https://Sub.{Cluster}/{_token}/a%20b/../c?x=1&y=%2F", lines.Select(l => l.Trim()));
    }

    [Theory]
    [InlineData("evil.example", "403")]
    [InlineData("x.traffic.example.test.evil.example", "403")]
    [InlineData("traffic.example.test@evil.example", "400|403")]
    public async Task The_plain_port_redirects_to_no_other_host(string host, string status)
    {
        using var client = await RawClient.ConnectAsync(_proxy.Plain.Port);
        var answer = await client.TalkAsync($"GET /x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        Assert.Matches($"^HTTP/1.1 ({status}) ", answer);
        Assert.DoesNotContain("Location", answer, StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("traffic.example.test", true)]
    [InlineData("TRAFFIC.example.test", true)]
    [InlineData("sub.traffic.example.test", true)]
    [InlineData(null, true)]
    [InlineData("two.labels.traffic.example.test", false)]
    [InlineData("other.example.test", false)]
    public async Task The_certificate_is_shown_for_the_names_that_it_covers(string? name, bool shown)
    {
        var (_, lines) = await OpenSslAsync(name is null ? ["-noservername"] : ["-servername", name]);
        var text = string.Join('\n', lines);
        if (shown)
        {
            Assert.Contains("CN = " + Cluster, text, StringComparison.Ordinal);
            Assert.Contains("TLSv1.3", text, StringComparison.Ordinal);
            Assert.Contains("Verify return code: 0 (ok)", text, StringComparison.Ordinal);
        }
        else
        {
            Assert.Contains("no peer certificate available", text, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("-tls1_3", true, "New, TLSv1.3, Cipher is TLS_")]
    [InlineData("-tls1_2", true, "ECDHE-ECDSA")]
    [InlineData("-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA256", false, "")]
    [InlineData("-tls1_2 -cipher AES128-GCM-SHA256", false, "")]
    [InlineData("-tls1_1 -cipher DEFAULT@SECLEVEL=0", false, "")]
    [InlineData("-tls1 -cipher DEFAULT@SECLEVEL=0", false, "")]
    public async Task Only_versions_and_ciphers_of_today_are_spoken(string flags, bool spoken, string cipher)
    {
        var (_, lines) = await OpenSslAsync([.. flags.Split(' '), "-servername", Cluster]);
        var text = string.Join('\n', lines);
        Assert.Equal(spoken, text.Contains("BEGIN CERTIFICATE", StringComparison.Ordinal));
        Assert.True(text.Contains(cipher, StringComparison.Ordinal), text);
    }

    [Theory]
    [InlineData("h2,http/1.1", "h2")]
    [InlineData("http/1.1", "http/1.1")]
    [InlineData("http/1.1,h2", "h2")]
    public async Task The_application_protocol_is_negotiated(string offered, string chosen)
    {
        var (_, lines) = await OpenSslAsync(["-servername", Cluster, "-alpn", offered]);
        Assert.Contains(lines, l => l == $"ALPN protocol: {chosen}");
    }

    [Fact]
    public async Task Web_sockets_go_over_both_versions_of_http()
    {
        foreach (var version in new[] { HttpVersion.Version11, HttpVersion.Version20 })
        {
            using var invoker = await _proxy.ClientAsync(_authority.RootPem, version);
            using var socket = new ClientWebSocket();
            socket.Options.HttpVersion = version;
            socket.Options.HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact;
            await socket.ConnectAsync(new Uri($"wss://{Cluster}/{_token}/echo"), invoker, CancellationToken.None);
            await socket.SendAsync(Encoding.UTF8.GetBytes("hello"), WebSocketMessageType.Text, true, CancellationToken.None);
            var buffer = new byte[100];
            var received = await socket.ReceiveAsync(buffer, CancellationToken.None);
            Assert.Equal("hello", Encoding.UTF8.GetString(buffer, 0, received.Count));
        }
    }

    [Fact]
    public async Task Chromium_opens_a_page_over_http_2_and_a_web_socket()
    {
        await using var browser = await ChromiumAsync();
        var page = await (await browser.NewContextAsync()).NewPageAsync();
        await page.GotoAsync($"https://{Cluster}/{_token}/page");
        Assert.Equal("https 200-page", (await page.InnerTextAsync("body")).Trim());
        Assert.Equal("h2", await page.EvaluateAsync<string>("performance.getEntriesByType('navigation')[0].nextHopProtocol"));
        Assert.Equal("echoed", await page.EvaluateAsync<string>(
            $$"""new Promise((yes, no) => { const s = new WebSocket('wss://{{Cluster}}/{{_token}}/echo'); s.onopen = () => s.send('echoed'); s.onmessage = m => yes(m.data); s.onerror = () => no('failed'); })"""));
        Assert.Equal("sub." + Cluster, await page.EvaluateAsync<string>($"fetch('https://sub.{Cluster}/{_below}/host').then(r => r.text())"));

        // Over the plain name, the redirect leads to the same page.
        await page.GotoAsync($"http://{Cluster}/{_token}/page");
        Assert.Equal($"https://{Cluster}/{_token}/page", page.Url);
    }

    [Fact]
    public async Task Chromium_without_http_2_is_served_too()
    {
        await using var browser = await ChromiumAsync("--disable-http2");
        var page = await (await browser.NewContextAsync()).NewPageAsync();
        await page.GotoAsync($"https://{Cluster}/{_token}/page");
        Assert.Equal("http/1.1", await page.EvaluateAsync<string>("performance.getEntriesByType('navigation')[0].nextHopProtocol"));
    }

    // Its own process: what it trusts and where names lead are flags of the process. It trusts the one key of the certificate, and checks the rest.
    private async Task<IBrowser> ChromiumAsync(params string[] flags)
    {
        var pin = Convert.ToBase64String(SHA256.HashData(_issued.Leaf.PublicKey.ExportSubjectPublicKeyInfo()));
        return await Browser.LaunchAsync([
            $"--ignore-certificate-errors-spki-list={pin}",
            $"--host-resolver-rules=MAP {Cluster}:443 127.0.0.1:{_port},MAP *.{Cluster}:443 127.0.0.1:{_port},MAP {Cluster}:80 127.0.0.1:{_proxy.Plain.Port}",
            .. flags,
        ]);
    }

    private Task<(int ExitCode, IReadOnlyList<string> Lines)> CurlAsync(params string[] arguments) => RunningProgram.RunAsync(
        "curl", ["-sS", "--noproxy", "*", "--cacert", _directory["root.pem"], "--connect-to", $"::127.0.0.1:{_port}", .. arguments]);

    private Task<(int ExitCode, IReadOnlyList<string> Lines)> OpenSslAsync(string[] arguments) => RunningProgram.RunAsync(
        "openssl", ["s_client", "-connect", $"127.0.0.1:{_port}", "-CAfile", _directory["root.pem"], .. arguments]);

    private static async Task ServeAsync(HttpContext context)
    {
        if (context.WebSockets.IsWebSocketRequest)
        {
            using var socket = await context.WebSockets.AcceptWebSocketAsync();
            var buffer = new byte[1000];
            var received = await socket.ReceiveAsync(buffer, context.RequestAborted);
            await socket.SendAsync(buffer.AsMemory(0, received.Count), received.MessageType, true, context.RequestAborted);
            await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, context.RequestAborted);
            return;
        }

        context.Response.ContentType = "text/html";
        await context.Response.WriteAsync(context.Request.Path == "/host"
            ? context.Request.Host.Host
            : $"{context.Request.Headers["x-forwarded-proto"]} 200-{context.Request.Path.Value?.TrimStart('/')}\n");
    }
}
