using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Plane.DroneHost.Runtimes;
using Plane.DroneHost.Runtimes.Docker;
using Plane.Testing;

namespace Plane.Tests.Runtimes;

public sealed class MountTests : IAsyncLifetime
{
    private readonly DockerBench _bench = new();

    private string Base => _bench.Directory["mounts"];

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync() => await _bench.EndAsync();

    [Theory]
    [InlineData("", "room", "room")]
    [InlineData("ns", "room", ".ns/ns/room")]
    [InlineData("", "../../etc", "%2E.%2F..%2Fetc")]
    [InlineData("..", "..", ".ns/%2E./%2E.")]
    [InlineData("", ".ns", "%2Ens")]
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
    [InlineData(".ns/team/x")]
    [InlineData(".ns")]
    [InlineData("a\nb")]
    public void A_path_that_leads_out_is_refused(string path) =>
        Assert.Throws<RuntimeFailureException>(() => MountDirectory.RelativePath(new MountRequest(path), new KeyConfig { Name = "k" }));

    [Theory]
    [InlineData("/etc")]
    [InlineData("..")]
    [InlineData("real")]
    [InlineData("link")]
    [InlineData("missing")]
    public void A_link_is_not_followed_wherever_it_leads(string target)
    {
        Directory.CreateDirectory(Path.Combine(Base, "real"));
        File.CreateSymbolicLink(Path.Combine(Base, "link"), target);

        Assert.Throws<RuntimeFailureException>(() => MountDirectory.Resolve(Base, "link"));
        Assert.Throws<RuntimeFailureException>(() => MountDirectory.Resolve(Base, "link/new"));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(Base, "real")));
    }

    [Property(MaxTest = 500)]
    public Property No_keys_directory_contains_anothers(NonEmptyString space, NonEmptyString name, NonEmptyString other)
    {
        var keys = new[] { ("", Valid(space.Get)), ("", Valid(name.Get)), (Valid(space.Get), Valid(name.Get)), (Valid(name.Get), Valid(other.Get)), ("", ".ns"), (".ns", Valid(name.Get)) }
            .Select(k => new KeyConfig { Namespace = k.Item1, Name = k.Item2 }).Distinct().Select(k => MountDirectory.RelativePath(new MountRequest((string?)null), k)).ToList();
        return keys.All(a => keys.Count(b => $"{b}/".StartsWith($"{a}/", StringComparison.Ordinal)) == 1).ToProperty();

        static string Valid(string text) => text.Aggregate("k", (all, c) => char.IsSurrogate(c) ? all : all + c);
    }

    [Theory]
    [InlineData("team", "team/x")]
    [InlineData("team/x", "team")]
    [InlineData("a/b/c/d", "a/b")]
    [InlineData("a", "a/b/c")]
    public async Task A_mount_that_contains_another_or_lies_in_one_is_refused(string first, string second)
    {
        var fence = new MountFence(TimeProvider.System);
        await fence.EnterAsync(Base, first, new FencingToken(1), default);

        var failure = await Assert.ThrowsAsync<RuntimeFailureException>(() => fence.EnterAsync(Base, second, new FencingToken(2), default));

        Assert.Contains("must not contain each other", failure.Message, StringComparison.Ordinal);
        await fence.EnterAsync(Base, first, new FencingToken(3), default);
        await fence.EnterAsync(Base, $"{first}-2", new FencingToken(4), default);
    }

    [Fact]
    public async Task Mounts_of_former_versions_are_kept_apart_too()
    {
        var own = Directory.CreateDirectory(Path.Combine(Base, ".plane")).FullName;
        await File.WriteAllTextAsync(Path.Combine(own, MountDirectory.Encode("ä/b/c")), "7");
        var fence = new MountFence(TimeProvider.System);

        await Assert.ThrowsAsync<RuntimeFailureException>(() => fence.EnterAsync(Base, "ä", new FencingToken(9), default));
        await Assert.ThrowsAsync<RuntimeFailureException>(() => fence.EnterAsync(Base, "ä/b", new FencingToken(9), default));
        await fence.EnterAsync(Base, "ä/b/c", new FencingToken(9), default);
        await fence.EnterAsync(Base, "ä/b/d", new FencingToken(9), default);
    }

    [Fact]
    public async Task A_namespaced_keys_directory_of_a_former_version_is_moved_with_its_token()
    {
        var own = Directory.CreateDirectory(Path.Combine(Base, ".plane")).FullName;
        Directory.CreateDirectory(Path.Combine(Base, "team", "x"));
        await File.WriteAllTextAsync(Path.Combine(Base, "team", "x", "file"), "its data");
        await File.WriteAllTextAsync(Path.Combine(own, "team%2Fx"), "7");
        var (fence, mount, key) = (new MountFence(TimeProvider.System), new MountRequest((string?)null), new KeyConfig { Namespace = "team", Name = "x" });
        var relative = MountDirectory.RelativePath(mount, key);

        var older = await Assert.ThrowsAsync<RuntimeFailureException>(() => fence.EnterAsync(Base, relative, new FencingToken(6), default, MountDirectory.FormerPath(mount, key)));
        await fence.EnterAsync(Base, relative, new FencingToken(8), default, MountDirectory.FormerPath(mount, key));

        Assert.Contains("newer holder", older.Message, StringComparison.Ordinal);
        Assert.Equal("its data", await File.ReadAllTextAsync(Path.Combine(MountDirectory.Resolve(Base, relative), "file")));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(Base, "team")));

        // The directory of the key ("", "team") contains no other one's any more.
        await fence.EnterAsync(Base, "team", new FencingToken(9), default);
    }

    [Fact]
    public async Task A_directory_that_no_key_has_mounted_is_not_moved()
    {
        Directory.CreateDirectory(Path.Combine(Base, "team", "x"));

        await new MountFence(TimeProvider.System).EnterAsync(Base, ".ns/team/x", new FencingToken(8), default, "team/x");

        Assert.True(Directory.Exists(Path.Combine(Base, "team", "x")));
        Assert.Empty(Directory.EnumerateFileSystemEntries(MountDirectory.Resolve(Base, ".ns/team/x")));
    }

    [Fact]
    public async Task A_link_in_the_place_of_a_former_directory_leads_nowhere()
    {
        var own = Directory.CreateDirectory(Path.Combine(Base, ".plane")).FullName;
        Directory.CreateDirectory(Path.Combine(Base, "team"));
        File.CreateSymbolicLink(Path.Combine(Base, "team", "x"), "/etc");
        await File.WriteAllTextAsync(Path.Combine(own, "team%2Fx"), "7");

        await new MountFence(TimeProvider.System).EnterAsync(Base, ".ns/team/x", new FencingToken(8), default, "team/x");

        Assert.Empty(Directory.EnumerateFileSystemEntries(MountDirectory.Resolve(Base, ".ns/team/x")));
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
        Assert.Equal("/plane-data", Assert.Single(seen!.HostConfig!.Mounts!).Target);
    }

    [Fact]
    public async Task A_link_that_one_backend_left_leads_no_other_out()
    {
        var parent = await MountingAsync(new KeyConfig { Name = "parent" }, null, "ln -s /etc /plane-data/child; exit 0");
        var runtime = _bench.NewRuntime();
        await runtime.StartAsync(parent, default);
        await Eventually.TrueAsync(() => new FileInfo(Path.Combine(Base, "parent", "child")).LinkTarget is not null, "the link is there");
        var child = await MountingAsync(new KeyConfig { Name = "child", Namespace = "parent" }, null, "ls -A /plane-data >/plane-data/seen; exit 0");
        var nested = await MountingAsync(new KeyConfig { Name = "other" }, "parent/child", "exec sleep 1000");

        await runtime.StartAsync(child, default);
        var failure = await Assert.ThrowsAsync<RuntimeFailureException>(() => runtime.StartAsync(nested, default));

        Assert.Contains("lies in 'parent'", failure.Message, StringComparison.Ordinal);
        var seen = Path.Combine(Base, ".ns", "parent", "child", "seen");
        await Eventually.TrueAsync(() => File.Exists(seen) && File.ReadAllText(seen) == "seen\n", "the key's own directory is mounted, and is empty");
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

        Assert.Contains("no --mount-base", failure.Message, StringComparison.Ordinal);
    }

    private async Task<BackendStart> MountingAsync(KeyConfig key, string? path, string script)
    {
        var start = await _bench.StartOf(script);
        return start with { Key = key, Executable = start.Executable with { Mount = new MountRequest(path) } };
    }
}
