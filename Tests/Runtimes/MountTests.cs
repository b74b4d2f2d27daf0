using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Plane.Drone.Runtimes;
using Plane.Drone.Runtimes.Docker;
using Plane.Tests.Support;

namespace Plane.Tests.Runtimes;

public sealed class MountTests : IAsyncLifetime
{
    private readonly DockerBench _bench = new();

    private string Base => _bench.Directory["mounts"];

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _bench.EndAsync();

    [Theory]
    [InlineData("", "room", "room")]
    [InlineData("ns", "room", "ns/room")]
    [InlineData("", "../../etc", "%2E.%2F..%2Fetc")]
    [InlineData("..", "..", "%2E./%2E.")]
    [InlineData("", ".plane", "%2Eplane")]
    [InlineData("", "a.b_c-D9", "a.b_c-D9")]
    [InlineData("", "a%2Fb", "a%252Fb")]
    [InlineData("", "ä:~", "%C3%A4%3A%7E")]
    public void A_keys_directory_is_encoded(string space, string name, string expected) =>
        Assert.Equal(expected, MountDirectory.RelativePath(new MountRequest((string?)null), new KeyConfig { Name = name, Namespace = space }));

    [Fact]
    public void A_long_name_is_cut_and_completed_by_its_hash()
    {
        var one = MountDirectory.Encode(new string('ä', 255));
        var other = MountDirectory.Encode(new string('ä', 254) + "b");

        Assert.Equal(200, one.Length);
        Assert.Matches("^(%C3%A4)+[%C3A4]*~[0-9a-f]{64}$", one);
        Assert.NotEqual(one, other);
        Assert.Equal(200, MountDirectory.Encode(new string('a', 200)).Length);
        Assert.DoesNotContain('~', MountDirectory.Encode(new string('a', 200)));
    }

    [Property(MaxTest = 500)]
    public Property Encoding_is_one_harmless_name_and_never_the_same_for_two(NonEmptyString one, NonEmptyString other)
    {
        var (a, b) = (Valid(one.Get), Valid(other.Get));
        var encoded = MountDirectory.Encode(a);
        return (encoded.Length is > 0 and <= 200
            && encoded[0] != '.'
            && encoded.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-' or '%' or '~')
            && (a == b) == (encoded == MountDirectory.Encode(b))).ToProperty();

        // Keys have no unpaired surrogates.
        static string Valid(string text) => text.Aggregate("k", (all, c) => char.IsSurrogate(c) ? all : all + c);
    }

    [Theory]
    [InlineData("../x")]
    [InlineData("a/../../x")]
    [InlineData("/etc")]
    [InlineData("a//b")]
    [InlineData("./a")]
    [InlineData(".plane/x")]
    [InlineData("a\nb")]
    public void A_path_that_leads_out_is_refused(string path) =>
        Assert.Throws<RuntimeFailureException>(() => MountDirectory.RelativePath(new MountRequest(path), new KeyConfig { Name = "k" }));

    [Theory]
    [InlineData("/etc")]
    [InlineData("..")]
    [InlineData(".")]
    [InlineData("../mounts-2")]
    [InlineData(".plane")]
    [InlineData("loop")]
    public void A_link_that_leads_out_is_refused(string target)
    {
        Directory.CreateDirectory(Path.Combine(Base, ".plane"));
        Directory.CreateDirectory(Base + "-2");
        File.CreateSymbolicLink(Path.Combine(Base, "loop"), target);

        Assert.Throws<RuntimeFailureException>(() => MountDirectory.Resolve(Base, "loop"));
        if (target != "loop")
        {
            Assert.Throws<RuntimeFailureException>(() => MountDirectory.Resolve(Base, target == "." ? "loop" : "loop/../loop"));
        }
    }

    [Fact]
    public void A_link_that_stays_inside_is_followed()
    {
        Directory.CreateDirectory(Path.Combine(Base, "real"));
        File.CreateSymbolicLink(Path.Combine(Base, "link"), "real");

        Assert.Equal(Path.Combine(Base, "real", "new"), MountDirectory.Resolve(Base, "link/new"));
        Assert.True(Directory.Exists(Path.Combine(Base, "real", "new")));
    }

    [Fact]
    public async Task A_key_named_like_a_way_out_gets_a_directory_below_the_base()
    {
        var start = await MountingAsync(new KeyConfig { Name = "../../etc" }, null, "echo hello >/plane-data/file; ls /plane-data; exit 0");
        var runtime = _bench.NewRuntime();

        await runtime.StartAsync(start, default);

        var file = Path.Combine(Base, "%2E.%2F..%2Fetc", "file");
        await Eventually.TrueAsync(() => File.Exists(file), $"{file} is written");
        Assert.Equal(start.Identity.Token.ToString(), File.ReadAllText(Path.Combine(Base, ".plane", "%252E.%252F..%252Fetc")));
        var seen = await (await DockerEngine.SharedAsync()).InspectAsync(DockerBench.NameOf(start.Identity));
        Assert.Equal("/plane-data", Assert.Single(seen!["HostConfig"]!["Mounts"]!.AsArray())!["Target"]!.GetValue<string>());
    }

    [Fact]
    public async Task A_link_that_one_backend_left_leads_no_other_out()
    {
        var parent = await MountingAsync(new KeyConfig { Name = "parent" }, null, "ln -s /etc /plane-data/child; exit 0");
        var runtime = _bench.NewRuntime();
        await runtime.StartAsync(parent, default);
        await Eventually.TrueAsync(() => new FileInfo(Path.Combine(Base, "parent", "child")).LinkTarget is not null, "the link is there");
        var child = await MountingAsync(new KeyConfig { Name = "child", Namespace = "parent" }, null, "exec sleep 1000");

        var failure = await Assert.ThrowsAsync<RuntimeFailureException>(() => runtime.StartAsync(child, default));

        Assert.Contains("leads out", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_older_holder_is_refused_after_a_newer_one_has_mounted()
    {
        var runtime = _bench.NewRuntime();
        var key = new KeyConfig { Name = "fenced" };
        var older = await MountingAsync(key, null, "exec sleep 1000");
        var newer = await MountingAsync(key, null, "exec sleep 1000");
        await runtime.StartAsync(newer, default);

        var failure = await Assert.ThrowsAsync<RuntimeFailureException>(() => runtime.StartAsync(older, default));

        Assert.Contains($"fencing token {newer.Identity.Token}, not {older.Identity.Token}", failure.Message, StringComparison.Ordinal);
        Assert.Null(await (await DockerEngine.SharedAsync()).InspectAsync(DockerBench.NameOf(older.Identity)));
    }

    [Fact]
    public async Task Of_many_tokens_at_once_the_greatest_stays()
    {
        var fence = new MountFence(TimeProvider.System);
        var tokens = Enumerable.Range(1, 40).OrderBy(t => t * 7919 % 41).ToList();

        var outcomes = await Task.WhenAll(tokens.Select(t => Task.Run(async () =>
        {
            try
            {
                await fence.EnterAsync(Base, "a/b", new FencingToken(t), default);
                return (t, Entered: true);
            }
            catch (RuntimeFailureException)
            {
                return (t, Entered: false);
            }
        })));

        Assert.Equal("40", File.ReadAllText(Path.Combine(Base, ".plane", "a%2Fb")));
        Assert.True(outcomes.Single(o => o.t == 40).Entered);
    }

    [Fact]
    public async Task A_fence_that_cannot_be_read_refuses()
    {
        Directory.CreateDirectory(Path.Combine(Base, ".plane"));
        await File.WriteAllTextAsync(Path.Combine(Base, ".plane", "x"), "garbage");

        await Assert.ThrowsAsync<RuntimeFailureException>(() => new MountFence(TimeProvider.System).EnterAsync(Base, "x", new FencingToken(1), default));
    }

    [Fact]
    public async Task A_drone_without_a_mount_directory_refuses_mounts()
    {
        _bench.Configure = o => o.MountBase = null;
        var start = await MountingAsync(new KeyConfig { Name = "k" }, "data", "exec sleep 1000");

        var failure = await Assert.ThrowsAsync<RuntimeFailureException>(() => _bench.NewRuntime().StartAsync(start, default));

        Assert.Contains("no mount directory", failure.Message, StringComparison.Ordinal);
    }

    private async Task<BackendStart> MountingAsync(KeyConfig key, string? path, string script)
    {
        var start = await _bench.StartOf(script);
        return start with { Key = key, Executable = start.Executable with { Mount = new MountRequest(path) } };
    }
}
