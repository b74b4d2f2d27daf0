using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Plane.Storage;
using Plane.Tests.Silo;
using Plane.Testing;

namespace Plane.Tests.Services;

/// <summary><c>plane service</c> against a controller.</summary>
public sealed class ServiceCommandTests(ControllerFixture fixture) : IClassFixture<ControllerFixture>, IDisposable
{
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task A_service_is_made_from_flags_and_its_own_output_and_connected_to()
    {
        await OkAsync("service", "set", "flags", "--command", "/bin/true 'a b'", "--env", "A=1", "--max-idle-seconds", "60", "--access", "signed", "--max-backends", "5", "--warm", "2", "--claim-path", "none");
        var shown = JsonNode.Parse(Assert.Single(await OkAsync("service", "show", "flags", "--json")))!;
        Assert.Equal("""{"command":["/bin/true","a b"],"env":{"A":"1"}}""", shown["spawn_config"]!["executable"]!.ToJsonString());
        Assert.Equal(("signed", 5), (shown["access"]!.GetValue<string>(), shown["max_backends"]!.GetValue<int>()));
        Assert.Equal("""{"count":2,"claim_path":null,"ready":0,"starting":0}""", shown["warm"]!.ToJsonString());

        await File.WriteAllTextAsync(_directory["flags.json"], shown.ToJsonString());
        var again = JsonNode.Parse(Assert.Single(await OkAsync("service", "set", "flags", "--file", _directory["flags.json"], "--json")))!;
        Assert.Equal(shown["version"]!.GetValue<long>(), again["version"]!.GetValue<long>());

        var listed = Assert.Single(await OkAsync("service", "list"), l => l.StartsWith("flags\t", StringComparison.Ordinal));
        Assert.Equal("flags\t0 of 5\t0 of 2\tsigned\tprocess /bin/true", string.Join('\t', listed.Split('\t')[..5]));
        Assert.Equal($"http://room-1--flags.{Controller.Cluster}/", Assert.Single(await OkAsync("service", "url", "flags", "--key", "room-1")));

        var connected = await OkAsync("connect", "--service", "flags", "--key", "room-1", "--immediate");
        Assert.Contains($"service url\thttp://room-1--flags.{Controller.Cluster}/", connected);
        Assert.Contains("key\tflags/room-1", connected);
        Assert.Contains("deleted", await OkAsync("service", "delete", "flags", "--keep"));
        Assert.Contains("plane: there is no such service", await RefusedAsync(1, "service", "show", "flags"));
        Assert.Contains(await RefusedAsync(1, "connect", "--service", "flags", "--key", "room-1"), l => l.StartsWith("plane: there is no such service:", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Keys_are_added_in_each_form_and_a_drawn_secret_is_printed_once()
    {
        await OkAsync("service", "set", "keys", "--command", "/bin/true", "--access", "https://auth.example.com/");
        var drawn = Assert.Single(await OkAsync("service", "key", "add", "keys", "--kid", "drawn", "--generate"), l => l.StartsWith("secret\t", StringComparison.Ordinal))["secret\t".Length..];
        Assert.Matches("^[A-Za-z0-9_-]{43}$", drawn);
        using var ec = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        await File.WriteAllTextAsync(_directory["public.pem"], ec.ExportSubjectPublicKeyInfoPem());
        await File.WriteAllTextAsync(_directory["jwk.json"], """{"kty":"OKP","crv":"Ed25519","x":"Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE"}""");
        await File.WriteAllTextAsync(_directory["secret"], RandomText.Secret() + "\n");
        await OkAsync("service", "key", "add", "keys", "--kid", "pem", "--alg", "ES256", "--public-key-file", _directory["public.pem"]);
        await OkAsync("service", "key", "add", "keys", "--kid", "jwk", "--alg", "EdDSA", "--public-key-file", _directory["jwk.json"]);
        await OkAsync("service", "key", "add", "keys", "--kid", "file", "--secret-file", _directory["secret"]);

        var listed = await OkAsync("service", "key", "list", "keys");
        Assert.Equal(["drawn\tHS256", "file\tHS256", "jwk\tEdDSA", "pem\tES256"], listed.Select(l => string.Join('\t', l.Split('\t')[..2])));
        Assert.DoesNotContain(listed, l => l.Contains(drawn, StringComparison.Ordinal));
        await OkAsync("service", "key", "delete", "keys", "--kid", "drawn");
        Assert.Contains(await RefusedAsync(1, "service", "key", "delete", "keys", "--kid", ".."), l => l.Contains("kid must have", StringComparison.Ordinal));
        Assert.Equal(3, (await OkAsync("service", "key", "list", "keys")).Count);
        Assert.Contains(await RefusedAsync(1, "service", "key", "add", "keys", "--kid", "pem", "--generate"), l => l.Contains("another key", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("plane: give --image or --command to run, or --file", "service", "set", "x", "--access", "public")]
    [InlineData("plane: --access must be given: public, signed, or the URL of a forward-auth service", "service", "set", "x", "--image", "i")]
    [InlineData("plane: --access: must be public, signed, or an http:// or https:// address", "service", "set", "x", "--image", "i", "--access", "all")]
    [InlineData("plane: --image: cannot be combined with --file, which holds the whole configuration", "service", "set", "x", "--image", "i", "--file", "/dev/null")]
    [InlineData("plane: --warm-max-age-seconds and --claim-path need --warm", "service", "set", "x", "--image", "i", "--access", "public", "--claim-path", "/c")]
    [InlineData("plane: give one of --generate, --secret-file and --public-key-file", "service", "key", "add", "x", "--kid", "k")]
    [InlineData("plane: --public-key-file needs --alg ES256 or --alg EdDSA", "service", "key", "add", "x", "--kid", "k", "--public-key-file", "/dev/null")]
    [InlineData("plane: --alg EdDSA needs --public-key-file", "service", "key", "add", "x", "--kid", "k", "--generate", "--alg", "EdDSA")]
    [InlineData("plane: --pool: cannot be combined with --service, which defines how to start a backend", "connect", "--key", "k", "--service", "x", "--pool", "p")]
    [InlineData("plane: --image and --command: cannot be combined with --service, which defines how to start a backend", "connect", "--key", "k", "--service", "x", "--image", "i")]
    [InlineData("plane: --wait-seconds: needs --image or --command, which say what to start", "connect", "--key", "k", "--wait-seconds", "3")]
    public async Task Flags_that_contradict_each_other_are_refused(string problem, params string[] arguments) =>
        Assert.Contains(problem, await RefusedAsync(2, arguments));

    [Theory]
    [InlineData("plane: --request-cpus: must be a number of CPUs from 0 to 1000, as 0.5", "--request-cpus", "half")]
    [InlineData("plane: --request-cpus: must be a number of CPUs from 0 to 1000, as 0.5", "--request-cpus", "1001")]
    [InlineData("plane: --request-memory: must be an amount of bytes such as 512MiB, 1.5GiB, 2TB or 1073741824, at most 8 PiB", "--request-memory", "much")]
    [InlineData("plane: --request-disk: must be an amount of bytes such as 512MiB, 1.5GiB, 2TB or 1073741824, at most 8 PiB", "--request-disk", "9PiB")]
    public async Task Requests_that_are_not_amounts_are_refused(string problem, string flag, string value)
    {
        Assert.Contains(problem, await RefusedAsync(2, "service", "set", "x", "--image", "i", "--access", "public", flag, value));
        Assert.Contains(problem, await RefusedAsync(2, "connect", "--key", "k", "--image", "i", flag, value));
    }

    [Fact]
    public async Task What_a_backend_reserves_is_said_by_flags()
    {
        await OkAsync("service", "set", "reserving", "--image", "i", "--access", "public", "--request-cpus", "0.5", "--request-memory", "512MiB", "--request-disk", "1.5GiB");
        var shown = JsonNode.Parse(Assert.Single(await OkAsync("service", "show", "reserving", "--json")))!;
        Assert.Equal("""{"cpu_millis":500,"memory_bytes":536870912,"disk_bytes":1610612736}""", shown["spawn_config"]!["executable"]!["resource_requests"]!.ToJsonString());

        await fixture.Drone.HasAsync(new ResourceAmounts { CpuMillis = 2_000, MemoryBytes = 1L << 30, DiskBytes = 1L << 40 });
        await OkAsync("connect", "--key", "reserving-room", "--image", "i", "--request-cpus", "1.25", "--request-memory", "256MiB", "--immediate");
        var state = JsonNode.Parse(Assert.Single(await OkAsync("cluster-state", Controller.Cluster, "--json")))!;
        var drone = state["drones"]!.AsArray().Single(d => (string?)d!["node"]!["name"] == fixture.Drone.Name.Value)!;
        Assert.Equal((1_250, 256L << 20), ((long)drone["reserved"]!["cpu_millis"]!, (long)drone["reserved"]!["memory_bytes"]!));
    }

    [Fact]
    public async Task A_crash_loop_is_printed_with_the_last_lines()
    {
        await OkAsync("service", "set", "crash", "--command", "/bin/true", "--access", "public");
        for (var i = 0; i < 3; i++)
        {
            var connected = JsonNode.Parse(Assert.Single(await OkAsync("connect", "--service", "crash", "--key", "room", "--immediate", "--json")))!;
            await fixture.Drone.ReportFailureAsync(
                new BackendIdentity(BackendName.Parse(connected["backend_id"]!.GetValue<string>()), new FencingToken(connected["key"]!["fencing_token"]!.GetValue<long>())),
                "It exited before it was ready.",
                "Error: cannot find module 'express'");
        }

        // The rest is over before a program has started.
        fixture.Controller.Faults.Instead = (member, _) => member == nameof(IPlaneStore.AcquireAsync)
            ? Task.FromResult(new AcquireResult(AcquireOutcome.CrashLoop, null) { HeldFor = TimeSpan.FromMinutes(1) })
            : null;
        var lines = await RefusedAsync(1, "connect", "--service", "crash", "--key", "room");
        fixture.Controller.Faults.Heal();
        Assert.Contains(lines, l => l.StartsWith("plane: the last 3 backends of this key failed soon after their start", StringComparison.Ordinal));
        Assert.Contains("  | Error: cannot find module 'express'", lines);
    }

    private async Task<IReadOnlyList<string>> OkAsync(params string[] arguments) => await RunAsync(0, arguments);

    private async Task<IReadOnlyList<string>> RefusedAsync(int expected, params string[] arguments) => await RunAsync(expected, arguments);

    private async Task<IReadOnlyList<string>> RunAsync(int expected, string[] arguments)
    {
        var (code, lines) = await RunningProgram.RunAsync(
            Checkout.Dotnet, [Checkout.Cli, .. arguments, "--controller", fixture.Controller.Http.BaseAddress!.AbsoluteUri]);
        Assert.True(code == expected, $"{string.Join(' ', arguments)}: {code}\n{string.Join('\n', lines)}");
        return [.. lines];
    }
}
