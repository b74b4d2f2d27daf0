using Plane.Storage;
using Plane.Testing;

namespace Plane.Tests.Storage;

public abstract partial class StoreSuite
{
    private static ServiceName Board { get; } = ServiceName.Parse("board");

    private static ServiceConfig Config(Func<ServiceConfig, ServiceConfig>? more = null)
    {
        var config = new ServiceConfig
        {
            SpawnConfig = new SpawnConfig { Executable = new Executable { Image = "board:1", Env = new() { ["B"] = "2", ["A"] = "1" } }, MaxIdleSeconds = 60 },
            Access = ServiceAccess.Public,
        };
        return more?.Invoke(config) ?? config;
    }

    [Fact]
    public async Task A_service_is_kept_as_it_was_put_and_its_version_grows_with_each_change()
    {
        var config = Config(c => c with
        {
            Access = ServiceAccess.ByForwardAuth("https://auth.example.com/check"),
            MaxBackends = 5,
            Warm = new WarmConfig { Count = 3, MaxAgeSeconds = 60, ClaimPath = null },
            Prepull = true,
            SpawnConfig = c.SpawnConfig with { AllowedOrigins = ["https://a.example"], Embed = true, Protocol = BackendProtocol.H2c },
        });
        var made = await Store.PutServiceAsync(Board, config, default);
        Assert.Equal(ServiceWriteOutcome.Created, made.Outcome);

        var found = await Store.FindServiceAsync(Board, default);
        Assert.NotNull(found);
        Assert.Equal(JsonOf(config), JsonOf(found.Config));
        Assert.Equal((made.Service!.Version, Board), (found.Version, found.Name));
        Assert.Equal(found.CreatedAt, found.UpdatedAt);

        // The same, with the environment in another order.
        var same = config with
        {
            SpawnConfig = config.SpawnConfig with { Executable = config.SpawnConfig.Executable with { Env = new() { ["A"] = "1", ["B"] = "2" } } },
        };
        var unchanged = await Harness.Stores[^1].PutServiceAsync(Board, same, default);
        Assert.Equal((ServiceWriteOutcome.Unchanged, found.Version, found.UpdatedAt), (unchanged.Outcome, unchanged.Service!.Version, unchanged.Service.UpdatedAt));

        var changed = await Store.PutServiceAsync(Board, Config(), default);
        Assert.Equal(ServiceWriteOutcome.Changed, changed.Outcome);
        Assert.True(changed.Service!.Version > found.Version);
        Assert.Equal(found.CreatedAt, changed.Service.CreatedAt);
        Assert.Equal(JsonOf(Config()), JsonOf((await Store.FindServiceAsync(Board, default))!.Config));

        Assert.True(await Store.DeleteServiceAsync(Board, keepBackends: false, default));
        Assert.False(await Store.DeleteServiceAsync(Board, keepBackends: false, default));
        Assert.Null(await Store.FindServiceAsync(Board, default));

        // A name that lives again has none of its earlier versions.
        Assert.True((await Store.PutServiceAsync(Board, Config(), default)).Service!.Version > changed.Service.Version);

        static string JsonOf(ServiceConfig config) => System.Text.Json.JsonSerializer.Serialize(
            config with { SpawnConfig = config.SpawnConfig with { Executable = config.SpawnConfig.Executable with { Env = null } } }, PlaneJson.Http)
            + string.Join(',', config.SpawnConfig.Executable.Env!.OrderBy(e => e.Key, StringComparer.Ordinal));
    }

    [Fact]
    public async Task One_service_that_is_put_many_times_at_once_is_made_once()
    {
        var results = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => Pick(i).PutServiceAsync(Board, Config(c => c with { MaxBackends = 1 + (i % 2) }), default)));
        Assert.Single(results, r => r.Outcome == ServiceWriteOutcome.Created);
        var last = results.MaxBy(r => r.Service!.Version)!.Service!;
        var found = await Store.FindServiceAsync(Board, default);
        Assert.Equal((last.Version, last.Config.MaxBackends), (found!.Version, found.Config.MaxBackends));
    }

    [Fact]
    public async Task Changes_of_services_are_in_the_log_and_are_events_of_every_cluster()
    {
        var start = await Store.SettledLogEndAsync();
        await Store.PutServiceAsync(Board, Config(), default);
        await Store.PutServiceAsync(Board, Config(), default);
        await Store.AddSigningKeyAsync(Board, SigningKey("k1"), default);
        await Store.DeleteSigningKeyAsync(Board, "k1", default);
        await Store.DeleteServiceAsync(Board, keepBackends: false, default);

        var page = await Eventually.SeenAsync(async token => await Store.ReadLogAsync(start, 100, token), p => p.Changes.Length >= 4, "all changes are there");
        Assert.All(page.Changes, c => Assert.Equal((ChangeKind.Service, (ServiceName?)Board, default(ClusterName)), (c.Kind, c.Service, c.Cluster)));
        Assert.Equal([null, null, null, BackendStatus.Terminated], page.Changes.Select(c => c.Status));
        var events = await Store.ReadEventsAsync(Cluster, start, 100, default);
        Assert.Equal(
            [ClusterEventKind.Service, ClusterEventKind.Service, ClusterEventKind.Service, ClusterEventKind.ServiceDeleted], events.Events.Select(e => e.Kind));
        Assert.All(events.Events, e => Assert.Equal(((ServiceName?)Board, (ClusterName?)null), (e.Service, e.Cluster)));
    }

    [Fact]
    public async Task A_backend_of_a_service_says_which_and_is_counted()
    {
        await RegisterAsync();
        await Store.PutServiceAsync(ServiceName.Parse("other"), Config(), default);
        var version = await PutAsync();
        var holder = await AcquireAsync(CommandOf("room", version));
        var other = await AcquireAsync("plain");

        Assert.Equal(((ServiceName?)Board, (long?)version), ((await DetailsAsync(holder.Identity)).Service, (await DetailsAsync(holder.Identity)).ServiceVersion));
        Assert.Null((await DetailsAsync(other.Identity)).Service);
        Assert.Equal(holder.Identity.Backend, Assert.Single((await Store.ListBackendsAsync(new BackendQuery { Service = Board }, default)).Backends).BackendId);
        Assert.Equal([("board", 1), ("other", 0)], (await Store.ListServicesAsync(default)).Select(s => (s.Service.Name.Value, s.Backends)));

        await ApplyAsync(holder.Identity, BackendStatus.Terminated);
        Assert.Equal(0, (await Store.ReadServiceAsync(Board, default))!.Backends);
    }

    [Fact]
    public async Task The_bound_of_a_service_holds_however_many_acquire_at_once()
    {
        await RegisterAsync();
        var version = await PutAsync(c => c with { MaxBackends = 7 });
        var results = await Task.WhenAll(Enumerable.Range(0, 60).Select(i => Pick(i).AcquireAsync(On(CommandOf($"room-{i}", version)), default)));

        Assert.Equal(7, results.Count(r => r.Outcome == AcquireOutcome.Acquired));
        Assert.All(results, r => Assert.True(r.Outcome is AcquireOutcome.Acquired or AcquireOutcome.ServiceFull, r.ToString()));
        Assert.Equal(7, (await Store.ReadServiceAsync(Board, default))!.Backends);
        Assert.Equal(7, (await Store.ListBackendsAsync(new BackendQuery(), default)).Backends.Length);

        var one = results.First(r => r.Outcome == AcquireOutcome.Acquired).Holder!.Identity;
        await ApplyAsync(one, BackendStatus.Terminated);
        await AcquireAsync(CommandOf("another", version));
        Assert.Equal(AcquireOutcome.ServiceFull, (await Store.AcquireAsync(On(CommandOf("yet-another", version)), default)).Outcome);
    }

    [Fact]
    public async Task A_full_service_still_replaces_a_holder_whose_lease_has_expired()
    {
        var session = await RegisterAsync();
        var version = await PutAsync(c => c with { MaxBackends = 1 });
        var lost = await AcquireAsync(CommandOf("room", version));
        await Harness.AdvanceAsync(Numbers.Expiry + TimeSpan.FromSeconds(1));
        await HeartbeatAsync(session);

        Assert.Equal(AcquireOutcome.ServiceFull, (await Store.AcquireAsync(On(CommandOf("other", version)), default)).Outcome);
        var next = await AcquireAsync(CommandOf("room", version));
        Assert.True(next.Identity.Token > lost.Identity.Token);
        Assert.Equal(TerminationReason.Lost, (await DetailsAsync(lost.Identity)).History[^1].TerminationReason);
    }

    [Fact]
    public async Task An_acquisition_by_another_version_or_a_deleted_service_is_refused()
    {
        await RegisterAsync();
        var version = await PutAsync();
        var now = await PutAsync(c => c with { MaxBackends = 3 });
        Assert.Equal(AcquireOutcome.ServiceChanged, (await Store.AcquireAsync(On(CommandOf("room", version)), default)).Outcome);
        await AcquireAsync(CommandOf("room", now));
        await Store.DeleteServiceAsync(Board, keepBackends: true, default);
        Assert.Equal(AcquireOutcome.ServiceGone, (await Store.AcquireAsync(On(CommandOf("other", now)), default)).Outcome);
    }

    [Fact]
    public async Task A_namespace_of_a_service_is_acquired_by_the_service_alone()
    {
        await RegisterAsync();
        var plain = Command(new KeyConfig { Name = "room", Namespace = "board/team" });
        await AcquireAsync(Command(new KeyConfig { Name = "early", Namespace = "board" }));
        await PutAsync();

        Assert.Equal(AcquireOutcome.NamespaceOwned, (await Store.AcquireAsync(On(plain), default)).Outcome);
        await AcquireAsync(Command(new KeyConfig { Name = "room", Namespace = "boards" }));

        // What holds a key of it is joined as before.
        var issued = await Store.IssueTokensAsync([Ask(new KeyConfig { Name = "early", Namespace = "board" })], default);
        Assert.Equal(TokenOutcome.Issued, issued[0].Outcome);
    }

    [Fact]
    public async Task A_deleted_service_ends_its_backends_unless_they_are_kept()
    {
        var session = await RegisterAsync();
        var version = await PutAsync();
        var ended = await AcquireAsync(CommandOf("room", version));
        await AcquireAsync("plain");
        await Store.AddSigningKeyAsync(Board, SigningKey("k1"), default);
        await Store.DeleteServiceAsync(Board, keepBackends: false, default);
        var end = Assert.Single((await ActionsAsync(session)), a => a.Terminate is not null);
        Assert.Equal((ended.Identity, TerminationKind.Soft), (end.Identity, end.Terminate!.Kind));

        version = await PutAsync();
        Assert.Empty((await Store.ListSigningKeysAsync(Board, default))!);
        await AcquireAsync(CommandOf("kept", version));
        await Store.DeleteServiceAsync(Board, keepBackends: true, default);
        Assert.Single((await ActionsAsync(session)), a => a.Terminate is not null);
    }

    [Fact]
    public async Task Signing_keys_are_added_once_and_bounded_and_shown_without_their_material()
    {
        Assert.Equal(SigningKeyOutcome.NoSuchService, await Store.AddSigningKeyAsync(Board, SigningKey("k1"), default));
        Assert.Null(await Store.ListSigningKeysAsync(Board, default));
        Assert.Null(await Store.ReadServiceAccessAsync(Board, default));
        await PutAsync();
        Assert.Empty((await Store.ListSigningKeysAsync(Board, default))!);

        var key = SigningKey("k1");
        Assert.Equal(SigningKeyOutcome.Added, await Store.AddSigningKeyAsync(Board, key, default));
        Assert.Equal(SigningKeyOutcome.Unchanged, await Store.AddSigningKeyAsync(Board, key, default));
        Assert.Equal(SigningKeyOutcome.KidTaken, await Store.AddSigningKeyAsync(Board, SigningKey("k1"), default));
        var read = await Store.ReadServiceAccessAsync(Board, default);
        Assert.Equal(key, Assert.Single(read!.Keys));
        Assert.Equal(("k1", SigningAlgorithm.HS256), ((await Store.ListSigningKeysAsync(Board, default))!.Single().Kid, (await Store.ListSigningKeysAsync(Board, default))!.Single().Alg));

        var results = await Task.WhenAll(Enumerable.Range(0, 30).Select(i => Pick(i).AddSigningKeyAsync(Board, SigningKey($"more-{i}"), default)));
        Assert.Equal(SigningKeyRules.MaxKeys - 1, results.Count(r => r == SigningKeyOutcome.Added));
        Assert.All(results, r => Assert.True(r is SigningKeyOutcome.Added or SigningKeyOutcome.TooMany));

        Assert.Equal(ChangeOutcome.Changed, await Store.DeleteSigningKeyAsync(Board, "k1", default));
        Assert.Equal(ChangeOutcome.NotFound, await Store.DeleteSigningKeyAsync(Board, "k1", default));
    }

    [Fact]
    public async Task Access_is_read_with_the_place_in_the_log_that_it_was_read_at()
    {
        await PutAsync();
        var position = await Eventually.SeenAsync(
            async token => (await Store.ReadServiceAccessAsync(Board, token))!.ReadAt, p => p > LogPosition.Start, "there is a place");
        await PutAsync(c => c with { MaxBackends = 2 });
        var later = await Eventually.SeenAsync(async token => await Store.ReadLogAsync(position, 10, token), p => p.Changes.Length > 0, "the change is after it");
        Assert.Equal(Board, later.Changes[^1].Service);
    }

    [Fact]
    public async Task A_label_that_is_a_hash_is_kept_with_its_key_until_the_service_goes()
    {
        var key = new KeyConfig { Name = "Räum 1", Namespace = "team" };
        var label = ServiceLabel.Of(Board, key);
        await Store.KeepLabelAsync(Board, label, key, default);
        Assert.Null(await Store.FindLabelAsync(Board, label, default));
        await PutAsync();
        await Store.KeepLabelAsync(Board, label, key, default);
        await Store.KeepLabelAsync(Board, label, key, default);
        Assert.Equal(key, await Store.FindLabelAsync(Board, label, default));
        Assert.Null(await Store.FindLabelAsync(ServiceName.Parse("other"), label, default));
        await Store.DeleteServiceAsync(Board, keepBackends: false, default);
        Assert.Null(await Store.FindLabelAsync(Board, label, default));
    }

    [Fact]
    public async Task Starts_that_fail_one_after_another_are_followed_by_longer_and_longer_rests()
    {
        var session = await RegisterAsync();
        var version = await PutAsync();
        var rests = new List<TimeSpan>();
        for (var i = 0; i < 11; i++)
        {
            var result = await Store.AcquireAsync(On(CommandOf("room", version)), default);
            if (result.Outcome == AcquireOutcome.CrashLoop)
            {
                Assert.InRange(result.HeldFor, TimeSpan.FromMilliseconds(1), TimeSpan.FromSeconds(60));
                rests.Add(TimeSpan.FromSeconds(Math.Ceiling(result.HeldFor.TotalSeconds)));
                await Harness.AdvanceAsync(result.HeldFor + TimeSpan.FromMilliseconds(50));
                await HeartbeatAsync(session);
                result = await Store.AcquireAsync(On(CommandOf("room", version)), default);
            }

            Assert.Equal(AcquireOutcome.Acquired, result.Outcome);
            await FailAsync(result.Holder!.Identity);
        }

        Assert.Equal([1, 2, 4, 8, 16, 32, 60, 60], rests.Select(r => (int)r.TotalSeconds));
        var failures = await Store.ReadFailuresAsync(new KeyConfig { Name = "room", Namespace = "board" }, default);
        Assert.Equal((11, "it exited with code 7", "the end"), (failures!.Count, failures.Ended, failures.OutputTail));

        // Another key of the service starts at once.
        await AcquireAsync(CommandOf("other", version));
    }

    [Fact]
    public async Task A_backend_that_is_lost_after_it_was_ready_ends_the_count()
    {
        await RegisterAsync();
        var version = await PutAsync();
        var key = new KeyConfig { Name = "room", Namespace = "board" };
        await FailAsync((await AcquireAsync(CommandOf("room", version))).Identity);
        Assert.NotNull(await Store.ReadFailuresAsync(key, default));

        await ReadyAsync((await AcquireAsync(CommandOf("room", version))).Identity);
        await Harness.AdvanceAsync(Numbers.Expiry + TimeSpan.FromSeconds(1));
        Assert.Equal(1, await Store.SweepLostAsync(default));
        Assert.Null(await Store.ReadFailuresAsync(key, default));
    }

    [Fact]
    public async Task A_backend_that_was_ready_for_a_while_or_ended_without_an_error_ends_the_count()
    {
        var session = await RegisterAsync();
        var version = await PutAsync();
        for (var i = 0; i < 8; i++)
        {
            var holder = await AcquireAsync(CommandOf("room", version));
            if (i % 2 == 0)
            {
                await FailAsync(holder.Identity);
                continue;
            }

            await ReadyAsync(holder.Identity);
            await Harness.AdvanceAsync(TimeSpan.FromSeconds(11));
            await HeartbeatAsync(session);
            await ApplyAsync(holder.Identity, BackendStatus.Terminated, e => e with { ExitCode = 1 });
            Assert.Null(await Store.ReadFailuresAsync(new KeyConfig { Name = "room", Namespace = "board" }, default));
        }

        // Neither a wish nor a lost drone is the backend's own fault.
        for (var i = 0; i < 5; i++)
        {
            var holder = await AcquireAsync(CommandOf("wish", version));
            await ApplyAsync(holder.Identity, BackendStatus.Terminated, e => e with { TerminationReason = TerminationReason.External, ExitCode = 143 });
        }

        Assert.Null(await Store.ReadFailuresAsync(new KeyConfig { Name = "wish", Namespace = "board" }, default));
    }

    [Fact]
    public async Task An_error_soon_after_the_start_counts_and_is_forgiven_after_ten_minutes()
    {
        var session = await RegisterAsync();
        var version = await PutAsync();
        for (var i = 0; i < 2; i++)
        {
            var holder = await AcquireAsync(CommandOf("room", version));
            await ReadyAsync(holder.Identity);
            await ApplyAsync(holder.Identity, BackendStatus.Terminated, e => e with { ExitCode = 1 });
        }

        Assert.Equal(2, (await Store.ReadFailuresAsync(new KeyConfig { Name = "room", Namespace = "board" }, default))!.Count);
        await Harness.AdvanceAsync(TimeSpan.FromMinutes(11));
        await HeartbeatAsync(session);
        await FailAsync((await AcquireAsync(CommandOf("room", version))).Identity);
        Assert.Equal(1, (await Store.ReadFailuresAsync(new KeyConfig { Name = "room", Namespace = "board" }, default))!.Count);

        await Harness.AdvanceAsync(TimeSpan.FromMinutes(61));
        await Store.HeartbeatControllerAsync(Controller, "1", "", default);
        await Store.CleanUpAsync(TimeSpan.FromDays(1), TimeSpan.FromDays(1), default);
        Assert.Null(await Store.ReadFailuresAsync(new KeyConfig { Name = "room", Namespace = "board" }, default));
    }

    [Fact]
    public async Task A_repeat_of_the_command_that_started_a_backend_finds_it_after_a_change_of_the_service()
    {
        await RegisterAsync();
        var command = CommandOf("room", await PutAsync(c => c with { MaxBackends = 1 }));
        var holder = await AcquireAsync(command);
        var now = await PutAsync(c => c with { MaxBackends = 1, Prepull = true });
        Assert.Equal(holder, await AcquireAsync(command with { ServiceVersion = now }));
    }

    private static SigningKey SigningKey(string kid) => new() { Kid = kid, Alg = SigningAlgorithm.HS256, Material = RandomText.Secret() };

    private static ResolvedConnect CommandOf(string name, long version) =>
        Command(new KeyConfig { Name = name, Namespace = "board" }) with { Service = Board, ServiceVersion = version };

    private async Task<long> PutAsync(Func<ServiceConfig, ServiceConfig>? more = null) => (await Store.PutServiceAsync(Board, Config(more), default)).Service!.Version;

    private Task<StateAck> FailAsync(BackendIdentity identity) => ApplyAsync(identity, BackendStatus.Terminated, e => e with { ExitCode = 7, OutputTail = "the end" });
}
