using System.Net;
using System.Security.Cryptography;
using Plane.ProxyHost.Certificates;
using Plane.ProxyHost.Tls;
using Plane.Tests.Proxy;
using Plane.Testing;

namespace Plane.Tests.Tls;

/// <summary>Certificates of one's own, from files.</summary>
public sealed class CertificateFileTests : IDisposable
{
    private const string Cluster = "files.example.test";

    private readonly TestAuthority _authority = new();
    private readonly TempDirectory _directory = new();

    private string CertPath => _directory["fullchain.pem"];

    private string KeyPath => _directory["privkey.pem"];

    public void Dispose()
    {
        _authority.Dispose();
        _directory.Dispose();
    }

    [Fact]
    public async Task A_pair_that_changes_is_followed_and_a_bad_one_leaves_the_last_good_one_serving()
    {
        var first = Write(Issue());
        await using var proxy = await TlsProxy.StartAsync(Cluster, o => (o.Cert, o.Key) = (CertPath, KeyPath));
        Assert.Equal(first.Leaf.SerialNumber, (await proxy.HandshakeAsync()).SerialNumber);

        // One file of two is new: the pair does not fit, and the old one continues.
        var second = Issue();
        Replace(CertPath, second.ChainPem);
        await ToldAsync(proxy, "does not belong to the first certificate");
        Assert.Equal(first.Leaf.SerialNumber, (await proxy.HandshakeAsync()).SerialNumber);
        Assert.Null(proxy.Service<CertificateSlot>().NotReadyBecause);
        Replace(KeyPath, second.KeyPem);
        await Eventually.SeenAsync(async _ => (await proxy.HandshakeAsync()).SerialNumber, s => s == second.Leaf.SerialNumber, "the new pair is served");

        File.Delete(CertPath);
        await ToldAsync(proxy, "does not exist");
        Assert.Equal(second.Leaf.SerialNumber, (await proxy.HandshakeAsync()).SerialNumber);

        Write(_authority.Issue([Cluster], uses: [0x30, 0x05, 0x01]));
        await ToldAsync(proxy, "can't be read: have it issued again");
        Assert.Equal(second.Leaf.SerialNumber, (await proxy.HandshakeAsync()).SerialNumber);
    }

    [Fact]
    public async Task A_link_that_is_turned_to_another_directory_is_followed()
    {
        // As mounted secrets are replaced.
        var (first, second) = (Issue(), Issue());
        foreach (var (name, issued) in new[] { ("one", first), ("two", second) })
        {
            Directory.CreateDirectory(_directory[name]);
            await File.WriteAllTextAsync(Path.Combine(_directory[name], "tls.crt"), issued.ChainPem);
            await File.WriteAllTextAsync(Path.Combine(_directory[name], "tls.key"), issued.KeyPem);
        }

        File.CreateSymbolicLink(_directory["data"], _directory["one"]);
        await using var proxy = await TlsProxy.StartAsync(
            Cluster, o => (o.Cert, o.Key) = (Path.Combine(_directory["data"], "tls.crt"), Path.Combine(_directory["data"], "tls.key")));
        Assert.Equal(first.Leaf.SerialNumber, (await proxy.HandshakeAsync()).SerialNumber);
        File.CreateSymbolicLink(_directory["next"], _directory["two"]);
        Assert.Equal(0, (await RunningProgram.RunAsync("mv", ["-T", _directory["next"], _directory["data"]])).ExitCode);
        await Eventually.SeenAsync(async _ => (await proxy.HandshakeAsync()).SerialNumber, s => s == second.Leaf.SerialNumber, "the other directory's certificate is served");
    }

    [Fact]
    public async Task The_port_is_closed_and_ready_says_why_until_the_files_are_there()
    {
        await using var proxy = await TlsProxy.StartAsync(Cluster, o => (o.Cert, o.Key) = (CertPath, KeyPath));
        using var plain = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = proxy.Plain };
        var answer = await plain.GetAsync("/ready");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Contains("does not exist: name the PEM file", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.False(proxy.Status.WhenServingHttps.IsCompleted);

        var issued = Write(Issue());
        Assert.Equal(issued.Leaf.SerialNumber, (await proxy.HandshakeAsync()).SerialNumber);
        await Eventually.SeenAsync(async stop => (await plain.GetAsync("/ready", stop)).StatusCode, s => s == HttpStatusCode.OK, "the proxy is ready");
    }

    [Fact]
    public async Task A_served_certificate_that_expires_makes_the_proxy_not_ready_until_there_is_another()
    {
        Write(Issue());
        var time = new ShiftedTime();
        await using var proxy = await TlsProxy.StartAsync(Cluster, o => (o.Cert, o.Key) = (CertPath, KeyPath), time: time);
        using var plain = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = proxy.Plain };
        await Eventually.SeenAsync(async stop => (await plain.GetAsync("/ready", stop)).StatusCode, s => s == HttpStatusCode.OK, "the proxy is ready");
        time.Shift = TimeSpan.FromDays(200);
        using var answer = await plain.GetAsync("/ready");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Contains("the certificate expired at", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        await Eventually.TrueAsync(() => proxy.Log.Lines.Any(l => l.Contains("The certificate that is served expired at", StringComparison.Ordinal)), "the log says so");
        time.Shift = TimeSpan.Zero;
        Write(Issue());
        await Eventually.SeenAsync(async stop => (await plain.GetAsync("/ready", stop)).StatusCode, s => s == HttpStatusCode.OK, "the proxy is ready again");
    }

    [Fact]
    public async Task What_keeps_the_renewal_of_an_expired_certificate_is_said_by_ready_the_log_and_cert_show()
    {
        const string Why = "the controller does not answer, and a certificate is ordered with its help";
        Write(Issue());
        var time = new ShiftedTime();
        var directory = new CertificateDirectory(_directory["certs"], ClusterName.Parse(Cluster), time);
        directory.Import(CertPath, KeyPath, null);
        Assert.Null(directory.Show().RenewalFailure);
        await using var proxy = await TlsProxy.StartAsync(
            Cluster, o => (o.CertDir, o.Acme.Directory) = (_directory["certs"], new Uri("https://127.0.0.1:1/directory")), time: time);
        time.Shift = TimeSpan.FromDays(200);
        await Eventually.SeenAsync(() => proxy.Status.NotReadyBecause, why => why is not null && why.EndsWith(Why, StringComparison.Ordinal), "/ready says why");
        Assert.StartsWith("the certificate expired at", proxy.Status.NotReadyBecause, StringComparison.Ordinal);
        await Eventually.TrueAsync(() => proxy.Log.Lines.Any(l => l.Contains("The certificate that is served expired at", StringComparison.Ordinal)), "the log says so");
        Assert.Contains(Why, directory.Show().RenewalFailure, StringComparison.Ordinal);
        Assert.Contains("expired on", directory.Show().Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Requests_under_load_go_on_while_certificates_change()
    {
        Write(Issue());
        await using var proxy = await TlsProxy.StartAsync(Cluster, o => (o.Cert, o.Key) = (CertPath, KeyPath));
        await using var backend = RawBackend.Answering();
        var token = proxy.Route(backend.Address);
        using var kept = await proxy.ClientAsync(_authority.RootPem);
        using var stop = new CancellationTokenSource();
        var served = 0;
        var swaps = 0;
        var load = Enumerable.Range(0, 4).Select(i => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                Assert.Equal("ok", await kept.GetStringAsync($"/{token.Value}/"));
                if (i == 0)
                {
                    using var fresh = await proxy.ClientAsync(_authority.RootPem, HttpVersion.Version11);
                    Assert.Equal("ok", await fresh.GetStringAsync($"/{token.Value}/"));
                }

                Interlocked.Increment(ref served);
            }
        })).ToArray();
        for (; swaps < 3; swaps++)
        {
            var next = Write(Issue());
            await Eventually.SeenAsync(async _ => (await proxy.HandshakeAsync()).SerialNumber, s => s == next.Leaf.SerialNumber, "the next certificate is served");
        }

        await stop.CancelAsync();
        await Task.WhenAll(load);
        Assert.True(served > swaps);
    }

    [Fact]
    public void Keys_and_chains_are_read_in_every_form_that_operators_have()
    {
        var issued = Issue();
        using var rsa = RSA.Create(2048);
        var withRsa = _authority.Issue([Cluster], key: rsa);
        var ec = $"-----BEGIN EC PRIVATE KEY-----\n{Convert.ToBase64String(((ECDsa)issued.Key).ExportECPrivateKey())}\n-----END EC PRIVATE KEY-----\n";
        Assert.All(
            new (byte[] Certificate, byte[]? Key, string? Password, Issued Issued)[]
            {
                (Text(issued.ChainPem), Text(issued.KeyPem), null, issued),
                (Text(issued.KeyPem + "\n" + issued.ChainPem), null, null, issued),
                (Text(issued.ChainPem), Text(ec), null, issued),
                (Text("subject=CN\r\n" + issued.ChainPem.Replace("\n", "\r\n", StringComparison.Ordinal)), Text(issued.KeyPem), null, issued),
                (Text(issued.ChainPem), Text(issued.EncryptedKeyPem("geheim")), "geheim", issued),
                (issued.Pfx("geheim"), null, "geheim", issued),
                (issued.Pfx(null), null, null, issued),
                (Text(withRsa.ChainPem), Text(rsa.ExportRSAPrivateKeyPem()), null, withRsa),
            },
            c =>
            {
                var chain = CertificateReader.Read(c.Certificate, "cert", c.Key, "key", c.Password);
                Assert.Equal(c.Issued.Leaf.SerialNumber, chain[0].SerialNumber);
                Assert.True(chain[0].HasPrivateKey);
                Assert.Equal(2, chain.Count);
                Assert.NotNull(ServerCertificate.From(chain, Cluster, DateTimeOffset.UtcNow));
            });
    }

    public static TheoryData<string, string> BadFiles { get; } = new()
    {
        { "expired", "expired on" },
        { "not-yet", "is not valid before" },
        { "other-name", "the certificate is for other.example.test, not for files.example.test" },
        { "wildcard-only", "not for files.example.test" },
        { "other-key", "does not belong to the first certificate" },
        { "no-key", "holds no private key: name its file with --key" },
        { "password", "is protected by a password: name a file that holds it with --cert-password-file" },
        { "wrong-password", "the password in --cert-password-file is wrong" },
        { "pfx-password", "can't be opened without a password" },
        { "pfx-wrong-password", "the password in --cert-password-file is wrong" },
        { "der", "is a certificate in DER without a key" },
        { "der-key", "or is damaged" },
        { "pfx-truncated", "or is damaged" },
        { "directory", "is a directory: name the PEM file" },
        { "key-directory", "is a directory: name the PEM file with the private key" },
        { "empty", "is empty" },
        { "large", "is larger than 1 MiB" },
        { "junk", "is neither PEM nor PKCS #12" },
        { "truncated", "holds no certificate" },
        { "damaged", "is damaged" },
        { "reversed", "put the server's" },
        { "stranger", "did not issue the one before it" },
        { "small-rsa", "has 1024 bits" },
        { "unreadable-key", "it must be an RSA or ECDSA key" },
        { "odd-extension", "can't be read: have it issued again" },
    };

    [Theory]
    [MemberData(nameof(BadFiles))]
    public async Task A_bad_file_is_refused_with_what_to_do(string name, string message)
    {
        var issued = Issue();
        var now = DateTimeOffset.UtcNow;
        object certificate = issued.ChainPem;
        object? key = issued.KeyPem;
        string? password = null;
        using var rsa = RSA.Create(1024);
        switch (name)
        {
            case "expired": Use(_authority.Issue([Cluster], now.AddDays(-90), now.AddMinutes(-1))); break;
            case "not-yet": Use(_authority.Issue([Cluster], now.AddDays(1), now.AddDays(90))); break;
            case "other-name": Use(_authority.Issue(["other.example.test"])); break;
            case "wildcard-only": Use(_authority.Issue(["*.files.example.test"])); break;
            case "other-key": key = Issue().KeyPem; break;
            case "no-key": key = null; break;
            case "password": key = issued.EncryptedKeyPem("geheim"); break;
            case "wrong-password": (key, password) = (issued.EncryptedKeyPem("geheim"), "falsch"); break;
            case "pfx-password": (certificate, key) = (issued.Pfx("geheim"), null); break;
            case "pfx-wrong-password": (certificate, key, password) = (issued.Pfx("geheim"), null, "falsch"); break;
            case "der": certificate = issued.Leaf.RawData; break;
            case "der-key": (certificate, key) = (rsa.ExportPkcs8PrivateKey(), null); break;
            case "pfx-truncated": (certificate, key) = (issued.Pfx("")[..200], null); break;
            case "directory": Directory.CreateDirectory(CertPath); break;
            case "key-directory": Directory.CreateDirectory(KeyPath); break;
            case "empty": certificate = ""; break;
            case "large": certificate = new string('x', 1024 * 1024 + 1); break;
            case "junk": certificate = "hello"; break;
            case "truncated": certificate = issued.LeafPem[..200]; break;
            case "damaged": certificate = issued.LeafPem.Insert(100, "AAAA"); break;
            case "reversed": certificate = issued.IntermediatePem + "\n" + issued.LeafPem; break;
            case "stranger":
                using (var other = new TestAuthority("Other"))
                {
                    certificate = issued.LeafPem + "\n" + other.IntermediatePem;
                }

                break;
            case "small-rsa": Use(_authority.Issue([Cluster], key: rsa)); break;
            case "odd-extension": Use(_authority.Issue([Cluster], uses: [0x30, 0x05, 0x01])); break;
            case "unreadable-key": key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"; break;
            default: throw new ArgumentException(name);
        }

        void Use(Issued other) => (certificate, key) = (other.ChainPem, other.KeyPem);
        if (name != "directory")
        {
            await File.WriteAllBytesAsync(CertPath, certificate as byte[] ?? Text((string)certificate));
        }

        if (key is string text && name != "key-directory")
        {
            await File.WriteAllTextAsync(KeyPath, text);
        }

        if (password is not null)
        {
            await File.WriteAllTextAsync(_directory["password"], password + "\n");
        }

        // What the operator's own command says is what the proxy says.
        var directory = new CertificateDirectory(_directory["none"], ClusterName.Parse(Cluster), TimeProvider.System);
        var problem = "";
        try
        {
            var read = CertificateReader.Read(
                CertificateReader.ReadFile(CertPath, "the PEM file with the certificate chain"), CertPath,
                key is null ? null : CertificateReader.ReadFile(KeyPath, "the PEM file with the private key"), KeyPath, password);
            problem = CertificateRules.Problem(read, Cluster, now) ?? "";
            Assert.Equal(problem, directory.Show(CertPath, key is null ? null : KeyPath, password is null ? null : _directory["password"]).Problem);
        }
        catch (CertificateProblemException e)
        {
            problem = e.Message;
        }

        Assert.Contains(message, problem, StringComparison.Ordinal);
        Assert.Throws<CertificateProblemException>(
            () => directory.Import(CertPath, key is null ? null : KeyPath, password is null ? null : _directory["password"]));
        Assert.False(Directory.Exists(_directory["none"]));
    }

    [Fact]
    public async Task What_is_imported_is_served_from_the_directory()
    {
        var issued = Write(Issue());
        var directory = new CertificateDirectory(_directory["certs"], ClusterName.Parse(Cluster), TimeProvider.System);
        directory.Import(CertPath, KeyPath, null);
        Assert.Equal(issued.Leaf.SerialNumber, directory.Show().Serial);

        // No authority answers there, and none is needed while the certificate is young.
        await using var proxy = await TlsProxy.StartAsync(Cluster, o =>
        {
            o.CertDir = _directory["certs"];
            o.Acme.Directory = new Uri("https://127.0.0.1:9/dir");
        });
        Assert.Equal(issued.Leaf.SerialNumber, (await proxy.HandshakeAsync()).SerialNumber);
    }

    [Fact]
    public async Task The_command_line_shows_imports_and_wishes_renewal()
    {
        Write(Issue());
        var certs = _directory["certs"];
        var (code, lines) = await PlaneAsync("cert", "import", "--cluster", Cluster, "--cert", CertPath, "--key", KeyPath, "--cert-dir", certs);
        Assert.True(code == 0, string.Join('\n', lines));
        (code, lines) = await PlaneAsync("cert", "show", "--cluster", Cluster, "--cert-dir", certs, "--json");
        Assert.True(code == 0, string.Join('\n', lines));
        Assert.Contains(lines, l => l.Contains($"\"{Cluster}\"", StringComparison.Ordinal));
        (code, lines) = await PlaneAsync("cert", "show", "--cluster", "other.example.test", "--cert-dir", certs, "--cert", CertPath, "--key", KeyPath);
        Assert.Equal(1, code);
        Assert.Contains(lines, l => l.Contains("not for other.example.test", StringComparison.Ordinal));
        (code, lines) = await PlaneAsync("cert", "renew", "--cluster", Cluster, "--cert-dir", certs);
        Assert.True(code == 0, string.Join('\n', lines));
        Assert.True(File.Exists(Path.Combine(certs, Cluster + ".renew")));
        (code, lines) = await PlaneAsync("cert", "show");
        Assert.Equal(2, code);
        Assert.Contains("plane: see plane cert show --help", lines);
    }

    private static Task<(int ExitCode, IReadOnlyList<string> Lines)> PlaneAsync(params string[] arguments) =>
        RunningProgram.RunAsync(Checkout.Dotnet, [Checkout.Cli, .. arguments]);

    private static byte[] Text(string text) => System.Text.Encoding.UTF8.GetBytes(text);

    private Issued Issue() => _authority.Issue([Cluster, "*." + Cluster]);

    private Issued Write(Issued issued)
    {
        Replace(KeyPath, issued.KeyPem);
        Replace(CertPath, issued.ChainPem);
        return issued;
    }

    private static void Replace(string path, string text)
    {
        File.WriteAllText(path + ".tmp", text);
        File.Move(path + ".tmp", path, overwrite: true);
    }

    private static Task<string> ToldAsync(TlsProxy proxy, string message) => Eventually.SeenAsync(
        () => string.Join('\n', proxy.Log.Lines.Where(l => l.Contains(" 660", StringComparison.Ordinal))),
        l => l.Contains(message, StringComparison.Ordinal),
        $"the log tells: {message}");
}
