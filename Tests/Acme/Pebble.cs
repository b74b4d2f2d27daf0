using System.Net;
using System.Text.Json.Nodes;
using Plane.ProxyHost.Certificates;
using Plane.Testing;
using Plane.Tests.Tls;

namespace Plane.Tests.Acme;

/// <summary>A certification authority that nobody here wrote: Pebble, as a process of its own, validating through the world's resolver.</summary>
internal sealed class Pebble : IAsyncDisposable
{
    private readonly TempDirectory _directory;
    private readonly RunningProgram _program;
    private readonly HttpClient _management;

    private Pebble(TempDirectory directory, RunningProgram program, int port, int managementPort)
    {
        _directory = directory;
        _program = program;
        Port = port;
        Directory = new Uri($"https://127.0.0.1:{port}/dir");
        _management = Loopback.Client(new Uri($"https://127.0.0.1:{managementPort}/"));
    }

    public int Port { get; }

    public Uri Directory { get; }

    public IReadOnlyList<string> Lines => _program.Lines;

    public static async Task<Pebble> StartAsync(string resolver, int? port = null, JsonObject? settings = null, params (string Name, string Value)[] environment)
    {
        var directory = new TempDirectory();
        await File.WriteAllTextAsync(directory["cert.pem"], Loopback.Certificate.ChainPem);
        await File.WriteAllTextAsync(directory["key.pem"], Loopback.Certificate.KeyPem);
        var ports = FreePort.Range(2);
        port ??= ports;
        var config = new JsonObject
        {
            ["listenAddress"] = $"127.0.0.1:{port}",
            ["managementListenAddress"] = $"127.0.0.1:{ports + 1}",
            ["certificate"] = directory["cert.pem"],
            ["privateKey"] = directory["key.pem"],
            ["httpPort"] = 1,
            ["tlsPort"] = 1,
        };
        foreach (var (name, value) in settings ?? [])
        {
            config[name] = value?.DeepClone();
        }

        await File.WriteAllTextAsync(directory["config.json"], new JsonObject { ["pebble"] = config }.ToJsonString());
        var variables = new Dictionary<string, string?> { ["PEBBLE_VA_NOSLEEP"] = "1", ["PEBBLE_AUTHZREUSE"] = "0" };
        foreach (var (name, value) in environment)
        {
            variables[name] = value;
        }

        var program = await RunningProgram.StartAsync("pebble", ["-config", directory["config.json"], "-dnsserver", resolver], environment: variables);
        var pebble = new Pebble(directory, program, port.Value, ports + 1);
        await program.WaitForLineAsync("ACME directory available");
        await Eventually.SeenAsync(
            async stop =>
            {
                try
                {
                    return (await Loopback.Client(pebble.Directory).GetAsync("", stop)).StatusCode.ToString();
                }
                catch (HttpRequestException e)
                {
                    return e.Message;
                }
            },
            s => s == "OK",
            "Pebble answers");
        return pebble;
    }

    /// <summary>Sets a proxy's options to this authority, with everything fast.</summary>
    public Action<Plane.ProxyHost.ProxyOptions> For(string certDir, Action<AcmeOptions>? more = null) => Options(Directory, certDir, more);

    public static Action<Plane.ProxyHost.ProxyOptions> Options(Uri directory, string certDir, Action<AcmeOptions>? more = null) => options =>
    {
        options.CertDir = certDir;
        options.Acme = new AcmeOptions
        {
            Directory = directory,
            CaFile = Loopback.CaFile,
            Email = "ops@example.com",
            Settle = TimeSpan.Zero,
            PollEvery = TimeSpan.FromMilliseconds(50),
            Patience = TimeSpan.FromSeconds(30),
            RequestTimeout = TimeSpan.FromSeconds(10),
            RetryAfter = TimeSpan.FromMilliseconds(300),
            LeaseTime = TimeSpan.FromSeconds(3),
        };
        more?.Invoke(options.Acme);
    };

    public Task<string> RootAsync(int number = 0) => _management.GetStringAsync($"roots/{number}");

    public async Task<string> StatusAsync(string serial)
    {
        // It parses the number, so leading zeros don't count.
        var text = await _management.GetStringAsync($"cert-status-by-serial/{serial.TrimStart('0').ToLowerInvariant()}");
        return JsonNode.Parse(text)!["Status"]!.ToString();
    }

    public async ValueTask DisposeAsync()
    {
        _management.Dispose();
        await _program.DisposeAsync();
        _directory.Dispose();
    }
}

/// <summary>HTTPS on loopback for authorities: one certificate, and clients that trust it.</summary>
internal static class Loopback
{
    private static readonly TestAuthority s_authority = new("Loopback");
    private static readonly TempDirectory s_directory = new();

    static Loopback()
    {
        AppDomain.CurrentDomain.ProcessExit += (_, _) => s_directory.Dispose();
        File.WriteAllText(CaFile, s_authority.RootPem);
    }

    public static Issued Certificate { get; } = s_authority.Issue(["127.0.0.1", "localhost"]);

    public static string CaFile => s_directory["loopback-ca.pem"];

    public static HttpClient Client(Uri address)
    {
        var handler = new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, AutomaticDecompression = DecompressionMethods.None };
        handler.SslOptions.CertificateChainPolicy = TlsProxy.Trust(s_authority.RootPem);
        return new HttpClient(handler) { BaseAddress = address };
    }
}
