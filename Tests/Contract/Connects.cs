using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Plane.Storage;

namespace Plane.Tests.Contract;

/// <summary>Connect requests from outside: each rule names its field, and whatever comes, the rules answer.</summary>
public sealed class Connects
{
    /// <summary>Requests made of hostile parts, well-typed but otherwise anything.</summary>
    public static Arbitrary<ConnectRequest> Hostile()
    {
        var text = Gen.OneOf(
            Gen.Elements("", "a", "\0", "\ud800", "../../etc", "/abs", "a/../b", "host", "container:x", " ", ".plane/x", "x=y", new string('x', 40_000), "\u202e", "ä"),
            ArbMap.Default.GeneratorFor<string>());
        var number = Gen.Elements<int?>(null, int.MinValue, -2, -1, 0, 1, 64, 65, 600, 601, int.MaxValue);
        var limits =
            from a in number
            from b in number
            select new ResourceLimits { CpuPeriod = a, CpuPeriodPercent = b, CpuTimeLimit = b, MemoryLimitBytes = a, DiskLimitBytes = b };
        var amount = Gen.Elements<long?>(null, long.MinValue, -1, 0, 1, 64, 1_000_001, 1L << 53, (1L << 53) + 1, long.MaxValue);
        var requests = from a in amount from b in amount from c in amount select new ResourceRequests { CpuMillis = a, MemoryBytes = b, DiskBytes = c };
        var executable =
            from image in text
            from command in Gen.ArrayOf(text)
            from name in text
            from value in text
            from grace in number
            from gpus in number
            from resource in limits
            from request in requests
            from which in Gen.Choose(0, 255)
            select new Executable
            {
                Image = (which & 1) == 0 ? image : null,
                Command = (which & 2) == 0 ? command : null,
                Env = (which & 4) == 0 && name is not null ? new Dictionary<string, string> { [name] = value! } : null,
                WorkingDirectory = (which & 8) == 0 ? value : null,
                Mount = (which & 16) == 0 ? new MountRequest(name) : null,
                NetworkName = (which & 32) == 0 ? value : null,
                StopGraceSeconds = grace,
                Gpus = (which & 64) == 0 ? gpus : null,
                ResourceLimits = (which & 128) == 0 ? resource : null,
                ResourceRequests = (which & 3) == 0 ? request : null,
                Credentials = (which & 3) == 0 ? new RegistryCredentials { Username = name!, Password = value! } : null,
            };
        var spawn =
            from e in executable
            from pool in text
            from lifetime in number
            from idle in number
            from subdomain in text
            from shared in Gen.Elements(true, false)
            from browser in Gen.Elements(true, false)
            from origins in Gen.ArrayOf(Gen.OneOf(text, Gen.Elements("https://a.example", "http://a.example:8080")))
            select new SpawnConfig
            {
                Executable = e, Pool = pool!, LifetimeLimitSeconds = lifetime, MaxIdleSeconds = idle, Subdomain = subdomain, UseStaticToken = shared,
                Browser = browser, Embed = !shared, Protocol = (BackendProtocol?)idle, AllowedOrigins = origins is [] ? null : origins,
            };
        var key = from name in text from space in text from tag in text select new KeyConfig { Name = name!, Namespace = space!, Tag = tag! };
        return (
            from k in Gen.OneOf(key.Select(k => (KeyConfig?)k), Gen.Constant<KeyConfig?>(null))
            from s in Gen.OneOf(spawn.Select(s => (SpawnConfig?)s), Gen.Constant<SpawnConfig?>(null))
            from user in text
            select new ConnectRequest { Key = k, SpawnConfig = s, User = user }).ToArbitrary();
    }

    [Property(Arbitrary = [typeof(Connects)], MaxTest = 2_000)]
    public void Whatever_comes_is_accepted_or_refused_with_a_field(ConnectRequest request)
    {
        if (ConnectRules.Validate(request) is { } error)
        {
            Assert.NotEmpty(error.Path);
            Assert.NotEmpty(error.Problem);
            Assert.True(error.Message.Length < 400, error.Message);
            return;
        }

        // Sums of what any number of backends reserve are bounded by what one may reserve.
        if (request.SpawnConfig is { } accepted)
        {
            var reserves = ResourceAmounts.Of(accepted.Executable);
            Assert.InRange(reserves.CpuMillis, 0, ResourceRequests.MostCpuMillis);
            Assert.InRange(reserves.MemoryBytes, 0, ResourceAmounts.Most);
            Assert.InRange(reserves.DiskBytes, 0, ResourceAmounts.Most);
            Assert.InRange(reserves.Gpus, ResourceAmounts.AllGpus, 64);
        }

        // What passed holds nothing that the parts behind cannot carry: it survives UTF-8 and JSON as it is.
        var json = JsonSerializer.Serialize(request);
        Assert.Equal(json, JsonSerializer.Serialize(JsonSerializer.Deserialize<ConnectRequest>(json)));
        Assert.DoesNotContain("\\u0000", json, StringComparison.Ordinal);
    }

    [Fact]
    public void A_key_or_a_spawn_config_must_be_given() => Assert.Equal("key", ConnectRules.Validate(new ConnectRequest())?.Path);

    [Fact]
    public void The_smallest_requests_are_valid()
    {
        Assert.Null(ConnectRules.Validate(new ConnectRequest { Key = new KeyConfig { Name = "a" } }));
        Assert.Null(ConnectRules.Validate(With(e => e)));
    }

    public static TheoryData<string, Func<Executable, Executable>> BadExecutables() => new()
    {
        { "image", e => e with { Image = "" } },
        { "image", e => e with { Image = "a b" } },
        { "image", e => e with { Image = "bild\u00e4" } },
        { "command", e => e with { Command = [] } },
        { "command", e => e with { Command = [""] } },
        { "command", e => e with { Command = [null!] } },
        { "command", e => e with { Command = ["a", "b\0"] } },
        { "env", e => e with { Env = new() { ["A=B"] = "" } } },
        { "env", e => e with { Env = new() { [""] = "" } } },
        { "env", e => e with { Env = new() { ["A"] = "\0" } } },
        { "env", e => e with { Env = new() { ["A"] = null! } } },
        { "env", e => e with { Env = Enumerable.Range(0, 513).ToDictionary(i => $"A{i}", _ => "") } },
        { "stop_grace_seconds", e => e with { StopGraceSeconds = -1 } },
        { "stop_grace_seconds", e => e with { StopGraceSeconds = 601 } },
        { "gpus", e => e with { Gpus = 0 } },
        { "network_name", e => e with { NetworkName = "host" } },
        { "network_name", e => e with { NetworkName = "container:other" } },
        { "mount", e => e with { Mount = new MountRequest("../../etc") } },
        { "mount", e => e with { Mount = new MountRequest("/etc") } },
        { "mount", e => e with { Mount = new MountRequest("a//b") } },
        { "mount", e => e with { Mount = new MountRequest(".plane") } },
        { "resource_limits.memory_limit_bytes", e => e with { ResourceLimits = new ResourceLimits { MemoryLimitBytes = 0 } } },
        { "resource_limits.cpu_period", e => e with { ResourceLimits = new ResourceLimits { CpuPeriod = 999 } } },
        { "resource_limits.cpu_period_percent", e => e with { ResourceLimits = new ResourceLimits { CpuPeriodPercent = -1 } } },
        { "resource_requests.cpu_millis", e => e with { ResourceRequests = new ResourceRequests { CpuMillis = -1 } } },
        { "resource_requests.cpu_millis", e => e with { ResourceRequests = new ResourceRequests { CpuMillis = 1_000_001 } } },
        { "resource_requests.memory_bytes", e => e with { ResourceRequests = new ResourceRequests { MemoryBytes = long.MinValue } } },
        { "resource_requests.memory_bytes", e => e with { ResourceRequests = new ResourceRequests { MemoryBytes = (1L << 53) + 1 } } },
        { "resource_requests.disk_bytes", e => e with { ResourceRequests = new ResourceRequests { DiskBytes = long.MaxValue } } },
        { "resource_requests.cpu_millis", e => e with { ResourceRequests = new ResourceRequests { CpuMillis = 501 }, ResourceLimits = new ResourceLimits { CpuPeriodPercent = 50 } } },
        { "resource_requests.memory_bytes", e => e with { ResourceRequests = new ResourceRequests { MemoryBytes = 2 }, ResourceLimits = new ResourceLimits { MemoryLimitBytes = 1 } } },
        { "resource_requests.disk_bytes", e => e with { ResourceRequests = new ResourceRequests { DiskBytes = 2 }, ResourceLimits = new ResourceLimits { DiskLimitBytes = 1 } } },
        { "working_directory", e => e with { WorkingDirectory = "/x" } },
    };

    [Theory]
    [MemberData(nameof(BadExecutables))]
    public void A_bad_field_of_an_executable_is_named(string field, Func<Executable, Executable> change) =>
        Assert.Equal($"spawn_config.executable.{field}", ConnectRules.Validate(With(change))?.Path);

    [Fact]
    public void What_a_backend_reserves_is_its_requests_and_else_its_limits()
    {
        static ResourceAmounts Of(ResourceRequests? requests, ResourceLimits? limits, int? gpus = null)
        {
            var request = With(e => e with { ResourceRequests = requests, ResourceLimits = limits, Gpus = gpus });
            Assert.Null(ConnectRules.Validate(request));
            return ResourceAmounts.Of(request.SpawnConfig!.Executable);
        }

        Assert.Equal(ResourceAmounts.None, Of(null, null));
        Assert.Equal(ResourceAmounts.None, Of(new ResourceRequests(), new ResourceLimits { CpuTimeLimit = 9 }));
        var limits = new ResourceLimits { CpuPeriodPercent = 150, MemoryLimitBytes = 7, DiskLimitBytes = 8 };
        Assert.Equal(new ResourceAmounts { CpuMillis = 1_500, MemoryBytes = 7, DiskBytes = 8 }, Of(null, limits));
        Assert.Equal(new ResourceAmounts { CpuMillis = 1_500, MemoryBytes = 5, DiskBytes = 8 }, Of(new ResourceRequests { MemoryBytes = 5 }, limits));

        // What is limited need not be reserved.
        Assert.Equal(ResourceAmounts.None, Of(new ResourceRequests { CpuMillis = 0, MemoryBytes = 0, DiskBytes = 0 }, limits));
        Assert.Equal(ResourceAmounts.Most, Of(null, new ResourceLimits { MemoryLimitBytes = long.MaxValue }).MemoryBytes);
        Assert.Equal(ResourceAmounts.AllGpus, Of(null, null, -1).Gpus);
        Assert.Equal(3, Of(new ResourceRequests { CpuMillis = 1 }, null, 3).Gpus);
    }

    [Fact]
    public void Amounts_are_whole_numbers()
    {
        foreach (var text in new[] { "1.5", "1e3", "-0.1", "\"1\"", "\"500m\"", "NaN", "Infinity", "9223372036854775808", "true", "[1]" })
        {
            Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<ResourceRequests>($"{{\"cpu_millis\": {text}}}", PlaneJson.Http));
        }

        Assert.Equal(500, JsonSerializer.Deserialize<ResourceRequests>("{\"cpu_millis\": 500}", PlaneJson.Http)!.CpuMillis);
        Assert.Null(JsonSerializer.Deserialize<ResourceRequests>("{\"cpu_millis\": null}", PlaneJson.Http)!.CpuMillis);
    }

    [Fact]
    public void An_executable_is_bounded_in_all_as_it_is_in_each_part()
    {
        // 31 values of 32 KiB fit; whatever comes on top is counted in UTF-8, wherever it stands.
        var env = Enumerable.Range(0, 31).ToDictionary(i => $"V{i:00}", _ => new string('x', 32 * 1024));
        Assert.Null(ConnectRules.Validate(With(e => e with { Env = env })));
        Assert.Equal("spawn_config.executable", ConnectRules.Validate(With(e => e with { Env = env, Command = [new string('\u20ac', 12 * 1024)] }))?.Path);
        Assert.Equal(
            "spawn_config.executable", ConnectRules.Validate(With(e => e with { Command = [.. Enumerable.Repeat(new string('x', 32 * 1024), 33)] }))?.Path);
    }

    [Fact]
    public void A_process_has_none_of_what_needs_an_image()
    {
        static string? Path(Func<Executable, Executable> change) =>
            ConnectRules.Validate(new ConnectRequest { SpawnConfig = new SpawnConfig { Executable = change(new Executable { Command = ["x"] }) } })?.Path;

        Assert.Null(Path(e => e with { WorkingDirectory = "/x" }));
        Assert.Null(Path(e => e with { ResourceRequests = new ResourceRequests { CpuMillis = 100, MemoryBytes = 1, DiskBytes = 1 } }));
        Assert.EndsWith("resource_limits", Path(e => e with { ResourceLimits = new ResourceLimits() }), StringComparison.Ordinal);
        Assert.EndsWith("network_name", Path(e => e with { NetworkName = "n" }), StringComparison.Ordinal);
        Assert.EndsWith("gpus", Path(e => e with { Gpus = 1 }), StringComparison.Ordinal);
        Assert.EndsWith("mount", Path(e => e with { Mount = new MountRequest("a") }), StringComparison.Ordinal);
        Assert.EndsWith("pull_policy", Path(e => e with { PullPolicy = PullPolicy.Always }), StringComparison.Ordinal);
        Assert.EndsWith("executable", Path(e => new Executable()), StringComparison.Ordinal);
    }

    [Fact]
    public void Other_fields_are_named_too()
    {
        static string? Path(ConnectRequest request) => ConnectRules.Validate(request)?.Path;
        static ConnectRequest Spawn(Func<SpawnConfig, SpawnConfig> change)
        {
            var request = With(e => e);
            return request with { SpawnConfig = change(request.SpawnConfig!) };
        }

        Assert.Equal("user", Path(With(e => e) with { User = "a\n" }));
        Assert.Equal("auth", Path(With(e => e) with { Auth = Json("[1]") }));
        Assert.Equal("auth", Path(With(e => e) with { Auth = Json($"{{\"a\":\"{new string('x', 8 * 1024)}\"}}") }));
        Assert.Null(Path(With(e => e) with { Auth = Json("{\"a\":\"ä\"}") }));
        Assert.Equal("spawn_config.subdomain", Path(Spawn(s => s with { Subdomain = "a.b" })));
        Assert.Equal("spawn_config.pool", Path(Spawn(s => s with { Pool = "\u0000" })));
        Assert.Equal("spawn_config.lifetime_limit_seconds", Path(Spawn(s => s with { LifetimeLimitSeconds = 0 })));
        Assert.Equal("spawn_config.max_idle_seconds", Path(Spawn(s => s with { MaxIdleSeconds = -5 })));
        Assert.Equal("spawn_config.use_static_token", Path(Spawn(s => s with { UseStaticToken = true }) with { User = "ann" }));
        Assert.Equal("spawn_config.browser", Path(Spawn(s => s with { UseStaticToken = true, Browser = true })));
        Assert.Equal("spawn_config.embed", Path(Spawn(s => s with { Embed = true })));
        Assert.Null(Path(Spawn(s => s with { Embed = true, Browser = true })));
        Assert.Equal("spawn_config.protocol", Path(Spawn(s => s with { Protocol = (BackendProtocol)7 })));
    }

    [Theory]
    [InlineData("https://app.example.com", true)]
    [InlineData("http://localhost:3000", true)]
    [InlineData("http://[::1]:3000", true)]
    [InlineData("https://xn--mnchen-3ya.example", true)]
    [InlineData("https://app.example.com/", false)]
    [InlineData("https://app.example.com:443", false)]
    [InlineData("https://App.example.com", false)]
    [InlineData("HTTPS://app.example.com", false)]
    [InlineData("https://münchen.example", false)]
    [InlineData("https://user@app.example.com", false)]
    [InlineData("https://app.example.com?x", false)]
    [InlineData("https://*.example.com", false)]
    [InlineData("*", false)]
    [InlineData("null", false)]
    [InlineData("", false)]
    [InlineData(null, false)]
    [InlineData("app.example.com", false)]
    [InlineData("ftp://app.example.com", false)]
    [InlineData("file:///etc", false)]
    [InlineData("https://a\r\nb", false)]
    public void Allowed_origins_are_written_as_browsers_write_them(string? origin, bool isValid)
    {
        var request = With(e => e);
        Assert.Equal(isValid ? null : "spawn_config.allowed_origins", ConnectRules.Validate(request with { SpawnConfig = request.SpawnConfig! with { AllowedOrigins = [origin!] } })?.Path);
    }

    [Fact]
    public void Allowed_origins_are_few()
    {
        var request = With(e => e);
        string[] origins = [.. Enumerable.Range(0, ConnectRules.MaxOrigins + 1).Select(i => $"https://{i}.example")];
        Assert.NotNull(ConnectRules.Validate(request with { SpawnConfig = request.SpawnConfig! with { AllowedOrigins = origins } }));
        Assert.Null(ConnectRules.Validate(request with { SpawnConfig = request.SpawnConfig! with { AllowedOrigins = origins[1..] } }));
    }

    [Fact]
    public void A_command_for_browsers_has_a_subdomain_and_one_of_a_clients_own_making_without_is_refused()
    {
        var request = With(e => e);
        request = request with { SpawnConfig = request.SpawnConfig! with { Browser = true } };
        var command = ConnectCommand.For(request, ClusterName.Parse("example.com"));
        Assert.Matches("^[a-z0-9]{14}$", SubdomainOf(command));
        Assert.NotEqual(SubdomainOf(command), SubdomainOf(ConnectCommand.For(request, null)));
        Assert.Null(ConnectRules.Validate(command));
        Assert.Equal("drawn.subdomain", ConnectRules.Validate(command with { Drawn = command.Drawn with { Subdomain = null } })?.Path);
        Assert.Equal("drawn.subdomain", ConnectRules.Validate(command with { Drawn = command.Drawn with { Subdomain = "a.b" } })?.Path);
        Assert.Equal("mine", SubdomainOf(ConnectCommand.For(request with { SpawnConfig = request.SpawnConfig with { Subdomain = "mine" } }, null)));

        static string? SubdomainOf(ConnectCommand command) => ResolvedConnect.Of(command).Spawn!.Subdomain;
    }

    [Fact]
    public void What_was_drawn_for_a_command_is_checked_with_its_request()
    {
        var given = ConnectCommand.For(With(e => e) with { Key = new KeyConfig { Name = "a" } }, null);
        var drawn = ConnectCommand.For(With(e => e), null);
        Assert.Null(ConnectRules.Validate(given));
        Assert.Null(ConnectRules.Validate(drawn));
        Assert.Equal("request", ConnectRules.Validate(given with { Request = null! })?.Path);
        Assert.Equal("user", ConnectRules.Validate(given with { Request = given.Request with { User = "a\n" } })?.Path);
        Assert.Equal("drawn", ConnectRules.Validate(given with { Drawn = null! })?.Path);
        Assert.Equal("drawn.key", ConnectRules.Validate(given with { Drawn = drawn.Drawn })?.Path);
        Assert.Equal("drawn.key", ConnectRules.Validate(drawn with { Drawn = given.Drawn })?.Path);
        Assert.Equal("key.name", ConnectRules.Validate(drawn with { Drawn = drawn.Drawn with { Key = new KeyConfig { Name = "" } } })?.Path);
        Assert.Equal("drawn.backend_id", ConnectRules.Validate(given with { Drawn = given.Drawn with { BackendId = default } })?.Path);
        Assert.Equal("drawn.token", ConnectRules.Validate(given with { Drawn = given.Drawn with { Token = BearerToken.NewStatic() } })?.Path);
        Assert.Equal("secret_token", ConnectRules.Validate(given with { Drawn = given.Drawn with { SecretToken = " " } })?.Path);
        Assert.Equal("drawn.static_token", ConnectRules.Validate(given with { Drawn = given.Drawn with { StaticToken = BearerToken.NewStatic() } })?.Path);
    }

    [Fact]
    public void What_is_new_in_a_spawn_config_changes_no_requests_digest()
    {
        // Of a program before it: a repeat in the middle of an upgrade is the same request.
        var request = With(e => e) with { RequestId = "r" };
        Assert.DoesNotContain("browser", JsonSerializer.Serialize(request, PlaneJson.Http), StringComparison.Ordinal);
        Assert.Equal(RequestIdentity.Of(request), RequestIdentity.Of(request with { SpawnConfig = request.SpawnConfig! with { Browser = false, Embed = false } }));
    }

    private static ConnectRequest With(Func<Executable, Executable> change) =>
        new() { SpawnConfig = new SpawnConfig { Executable = change(new Executable { Image = "board:1" }) } };

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("\"\\ud800\"")]
    [InlineData("{\"\\udc00\":1}")]
    public void What_is_no_JSON_of_valid_Unicode_is_not_read(string text) => Assert.False(JsonText.TryParse(text, out _));

    private static JsonText Json(string text) => JsonText.TryParse(text, out var json) ? json : throw new ArgumentException(text);
}
