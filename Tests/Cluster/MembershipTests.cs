using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Npgsql;
using Plane.Hosting;
using Plane.Testing;

namespace Plane.Tests.Cluster;

/// <summary>What a controller needs to join a cluster, and what it says where that is not there.</summary>
public sealed class MembershipTests : IAsyncLifetime, IDisposable
{
    private readonly TempDirectory _directory = new();
    private readonly List<RunningProgram> _programs = [];
    private TestDatabase _database = null!;

    public async Task InitializeAsync() => _database = await (await PostgresServer.SharedAsync()).CreateDatabaseAsync();

    public async Task DisposeAsync()
    {
        foreach (var program in Enumerable.Reverse(_programs))
        {
            await program.DisposeAsync();
        }

        await _database.DisposeAsync();
        Dispose();
    }

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("--silo-port")]
    [InlineData("--gateway-port")]
    public async Task A_port_that_another_program_has_is_named(string option)
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var port = ((IPEndPoint)other.LocalEndpoint).Port;
        await RefusedAsync(await ControllerAsync(option, $"{port}"), ExitCodes.Refused, $"{option} {port}: this program cannot listen on 127.0.0.1:{port}: Address already in use");
    }

    [Fact]
    public async Task A_client_whose_gateway_is_not_there_says_so_and_goes_on_trying()
    {
        var gateway = FreePort.Next();
        var drone = await DroneAsync("dr-early", gateway, []);
        await drone.WaitForLineAsync("no gateway of the cluster 'plane' has answered yet", TimeSpan.FromSeconds(60));
        await ReadyAsync(await ControllerAsync("--gateway-port", $"{gateway}"));
        await drone.WaitForLineAsync("^ready drone ", TimeSpan.FromSeconds(60));
        Assert.Equal(ExitCodes.Done, await drone.StopAsync(TimeSpan.FromSeconds(60)));
    }

    [Theory]
    [InlineData(3, "killed a moment ago, and nobody has found out")]
    [InlineData(6, "dead for the others, too")]
    public async Task A_controller_comes_back_though_its_clock_was_set_back(int status, string formerRun)
    {
        string[] ports = ["--silo-port", $"{FreePort.Next()}", "--gateway-port", $"{FreePort.Next()}"];
        var former = await ControllerAsync(ports);
        await ReadyAsync(former);
        await former.KillAsync();

        // As it would be, had the clock of that run been ahead by an hour.
        var changed = await ScalarAsync(
            $"with later as (update plane.orleansmembershiptable set generation = generation + 3600, status = {status} returning 1) select count(*) from later");
        Assert.True(changed is 1L, $"the run that is {formerRun} stands in the table");
        var next = await ControllerAsync(ports);
        await ReadyAsync(next);
        Assert.Equal(1L, await ScalarAsync("select count(*) from plane.orleansmembershiptable where status = 3"));
        Assert.Equal(ExitCodes.Done, await next.StopAsync(TimeSpan.FromSeconds(60)));
    }

    [Fact]
    public async Task A_controller_starts_after_all_were_lost_though_the_clock_of_one_that_stays_away_was_ahead()
    {
        var lost = await ControllerAsync();
        await ReadyAsync(lost);
        await lost.KillAsync();
        await ScalarAsync("update plane.orleansmembershiptable set starttime = starttime + interval '1 hour', iamalivetime = iamalivetime + interval '1 hour'");
        await ReadyAsync(await ControllerAsync());
    }

    [Fact]
    public async Task A_client_of_another_cluster_is_not_served_and_reads_which_cluster_it_met()
    {
        var gateway = FreePort.Next();
        await ReadyAsync(await ControllerAsync("--gateway-port", $"{gateway}"));
        var stranger = await DroneAsync("dr-stranger", gateway, ["--cluster-id", "other"]);
        await stranger.WaitForLineAsync("no gateway of the cluster 'other' has answered yet", TimeSpan.FromSeconds(60));
        await stranger.WaitForLineAsync("Unexpected cluster id \"plane\", expected \"other\"", TimeSpan.FromSeconds(60));
        Assert.DoesNotContain(stranger.Lines, l => l.StartsWith("ready drone", StringComparison.Ordinal));
        Assert.Equal(0L, await ScalarAsync("select count(*) from plane.drones"));
    }

    [Fact]
    public async Task A_password_file_in_the_url_serves_the_membership_too()
    {
        var rules = _directory["hba.conf"];
        await File.WriteAllTextAsync(rules, "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n");

        // The server runs as a user of its own.
        File.SetUnixFileMode(_directory.Path, File.GetUnixFileMode(_directory.Path) | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
        File.SetUnixFileMode(rules, File.GetUnixFileMode(rules) | UnixFileMode.OtherRead);
        await using var server = await PostgresServer.StartAsync(settings: [$"hba_file={rules}"]);
        await server.ScalarAsync("create role plane login password 'right'");
        await server.ScalarAsync("create database plane owner plane");
        string Url(string password)
        {
            var file = _directory[$"pgpass-{password}"];
            File.WriteAllText(file, $"127.0.0.1:{server.Port}:plane:plane:{password}\n");
            File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            return $"postgres://plane@127.0.0.1:{server.Port}/plane?passfile={file}";
        }

        var wrong = await ControllerAsync(Url("wrong"), []);
        await wrong.WaitForLineAsync("password authentication failed for user", TimeSpan.FromSeconds(60));
        await wrong.KillAsync();
        var two = await Task.WhenAll(ControllerAsync(Url("right"), []), ControllerAsync(Url("right"), []));
        await Task.WhenAll(two.Select(ReadyAsync));
        foreach (var program in two)
        {
            Assert.Equal(ExitCodes.Done, await program.StopAsync(TimeSpan.FromSeconds(60)));
        }
    }

    [Fact]
    public async Task Controllers_and_clients_of_one_authority_talk_and_no_other_does()
    {
        using var authority = NewAuthority("ours");
        using var foreign = NewAuthority("theirs");
        var silo = Certificate("silo", authority, authority);
        var gateway = FreePort.Next();
        await ReadyAsync(await ControllerAsync([.. silo, "--gateway-port", $"{gateway}"]));
        await ReadyAsync(await ControllerAsync(silo));
        await Eventually.SeenAsync(
            _ => ScalarAsync("select count(*) from plane.orleansmembershiptable where status = 3"), n => n is 2L, "two controllers joined over TLS");

        // It trusts the gateway; whether the gateway trusts it is the question.
        var stranger = await DroneAsync("dr-stranger", gateway, Certificate("stranger", foreign, authority));
        var drone = await DroneAsync("dr-ours", gateway, Certificate("drone", authority, authority));
        await drone.WaitForLineAsync("^ready drone ", TimeSpan.FromSeconds(60));
        Assert.DoesNotContain(stranger.Lines, l => l.StartsWith("ready drone", StringComparison.Ordinal));
        Assert.Equal(1L, await ScalarAsync("select count(*) from plane.drones"));
    }

    [Fact]
    public async Task A_gateway_without_an_address_is_named_while_another_one_answers()
    {
        var gateway = FreePort.Next();
        await ReadyAsync(await ControllerAsync("--gateway-port", $"{gateway}"));
        var drone = await DroneAsync("dr-typo", $"no-such-host.invalid:{gateway},127.0.0.1:{gateway}", []);
        await drone.WaitForLineAsync("The gateway no-such-host.invalid has no address", TimeSpan.FromSeconds(60));
        await drone.WaitForLineAsync("^ready drone ", TimeSpan.FromSeconds(60));
    }

    [Fact]
    public async Task A_gateway_whose_certificate_is_for_another_name_is_not_trusted()
    {
        using var authority = NewAuthority("ours");
        var gateway = FreePort.Next();
        await ReadyAsync(await ControllerAsync([.. Certificate("other.example", authority, authority, host: "other.example"), "--gateway-port", $"{gateway}"]));
        var drone = await DroneAsync("dr-ours", gateway, Certificate("drone", authority, authority));
        await drone.WaitForLineAsync("CN=other.example is refused: it is not for the host of the gateway that was dialled", TimeSpan.FromSeconds(60));
        Assert.Equal(0L, await ScalarAsync("select count(*) from plane.drones"));
    }

    [Fact]
    public async Task Certificates_are_renewed_without_a_restart()
    {
        using var authority = NewAuthority("ours");
        using var next = NewAuthority("next");
        var gateway = FreePort.Next();
        await ReadyAsync(await ControllerAsync([.. Certificate("silo", authority, authority), "--gateway-port", $"{gateway}"]));

        // The gateway's files become those of another authority, which the drone that comes now trusts and the drones before did not.
        Certificate("silo", next, next);
        var drone = await DroneAsync("dr-next", gateway, Certificate("drone", next, next));
        await drone.WaitForLineAsync("^ready drone ", TimeSpan.FromSeconds(60));
    }

    [Fact]
    public async Task A_controller_whose_clock_is_wrong_does_not_start_and_says_by_how_much()
    {
        var library = Directory.EnumerateFiles("/usr/lib", "libfaketimeMT.so.1", SearchOption.AllDirectories).First();
        var program = await RunningProgram.StartDotnetAsync(
            Checkout.Cli,
            ["controller", "--db", _database.Url, "--port", "0", "--silo-port", "0", "--gateway-port", "0"],
            environment: new Dictionary<string, string?> { ["LD_PRELOAD"] = library, ["FAKETIME"] = "-2h", ["FAKETIME_DONT_FAKE_MONOTONIC"] = "1" },
            workingDirectory: _directory.Path);
        await using (program)
        {
            await RefusedAsync(program, ExitCodes.Refused, "this machine's clock and the database's are 7");
        }
    }

    private static async Task RefusedAsync(RunningProgram program, int code, string reason)
    {
        Assert.Equal(code, await program.WaitForExitAsync(TimeSpan.FromSeconds(60)));
        Assert.True(program.Lines.Any(l => l.Contains(reason, StringComparison.Ordinal)), program.Transcript());

        // The reason, and no stack of what came of it.
        Assert.False(program.Lines.Any(l => l.Contains("   at ", StringComparison.Ordinal)), program.Transcript());
    }

    private static async Task ReadyAsync(RunningProgram program) => await program.WaitForLineAsync("^ready controller ", TimeSpan.FromSeconds(60));

    private Task<RunningProgram> ControllerAsync(params string[] arguments) => ControllerAsync(_database.Url, arguments);

    private Task<RunningProgram> ControllerAsync(string database, string[] arguments) => StartAsync(
        [
            "controller", "--db", database, "--port", "0",
            .. ((string[])["--silo-port", "--gateway-port"]).Where(o => !arguments.Contains(o)).SelectMany(o => (string[])[o, "0"]),
            .. arguments,
        ]);

    private Task<RunningProgram> DroneAsync(string name, int gateway, string[] arguments) => DroneAsync(name, $"127.0.0.1:{gateway}", arguments);

    private Task<RunningProgram> DroneAsync(string name, string gateways, string[] arguments)
    {
        var ports = FreePort.Range(10);
        return StartAsync(
            [
                "drone", "--gateway", gateways, "--cluster", "tls.test:1", "--name", name, "--runtime", "process", "--state", _directory[$"{name}.db"],
                "--run-dir", _directory[name], "--mount-base", _directory[$"{name}-mounts"], "--port-range", $"{ports}-{ports + 9}", .. arguments,
            ]);
    }

    private async Task<RunningProgram> StartAsync(string[] arguments)
    {
        var program = await RunningProgram.StartDotnetAsync(Checkout.Cli, arguments, workingDirectory: _directory.Path);
        lock (_programs)
        {
            _programs.Add(program);
        }

        return program;
    }

    private async Task<object?> ScalarAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(_database.ConnectionString);
        await connection.OpenAsync();
#pragma warning disable CA2100 // Constants of this class.
        await using var command = new NpgsqlCommand(sql, connection);
#pragma warning restore CA2100
        return await command.ExecuteScalarAsync();
    }

    private static X509Certificate2 NewAuthority(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }

    // For both uses: a silo is a server to its clients and a client to other silos.
    private string[] Certificate(string name, X509Certificate2 authority, X509Certificate2 trusts, string? host = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        if (host is null)
        {
            names.AddIpAddress(IPAddress.Loopback);
        }
        else
        {
            names.AddDnsName(host);
        }

        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1"), new Oid("1.3.6.1.5.5.7.3.2")], true));
        using var certificate = request.Create(authority, DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddHours(1), RandomNumberGenerator.GetBytes(8));
        File.WriteAllText(_directory[name + ".crt"], certificate.ExportCertificatePem());
        File.WriteAllText(_directory[name + ".key"], key.ExportPkcs8PrivateKeyPem());
        File.WriteAllText(_directory[name + ".ca"], trusts.ExportCertificatePem());
        return ["--gateway-cert", _directory[name + ".crt"], "--gateway-key", _directory[name + ".key"], "--gateway-ca", _directory[name + ".ca"]];
    }
}
