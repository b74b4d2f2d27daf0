using Plane.Storage;

namespace Plane.Tests.Storage;

public abstract partial class StoreSuite
{
    private const string WarmAddress = "127.0.0.1:30001";

    private static readonly ServiceName s_board = ServiceName.Parse("board");

    [Fact]
    public async Task A_claim_gives_the_key_to_a_backend_that_runs()
    {
        var session = await WarmDroneAsync();
        var service = await PutBoardAsync();
        var warm = await WarmAsync(service);
        var expiry = (await DetailsAsync(warm)).LeaseExpiresAt;

        var command = ClaimOf(service, "room");
        var claimed = await Store.ClaimAsync(ForClaim(command, "/claimed"), default);

        Assert.Equal(AcquireOutcome.Acquired, claimed.Outcome);
        var holder = claimed.Holder!;
        Assert.Equal((warm.Backend, Drone, Cluster, BackendStatus.Waiting), (holder.Identity.Backend, holder.Drone, holder.Cluster, holder.Status));
        Assert.True(holder.Identity.Token > warm.Token);
        Assert.Equal(holder, await Store.ReadHolderAsync(command.Key, default));
        var details = await DetailsAsync(holder.Identity);
        Assert.Equal((command.Key.Namespace, "room", "v1"), (details.Key.Namespace, details.Key.Name, details.Key.Tag));
        Assert.Equal((holder.Identity.Token, warm.Token), (details.Key.FencingToken, details.StartToken));
        Assert.Equal(warm, details.AsStarted);
        Assert.True(details.HoldsKey);
        Assert.Equal(expiry, details.LeaseExpiresAt);

        var action = (await ActionsAsync(session)).Single(a => a.Kind == DroneActionKind.Claim);
        Assert.Equal(holder.Identity, action.Identity);
        Assert.Equal(new ClaimOrder { Key = command.Key, StartToken = warm.Token, Service = s_board, Path = "/claimed" }, action.Claim);
        Assert.Equal(RouteOutcome.Starting, (await Store.ResolveAsync(command.Token.Hash(), default)).Outcome);
        Assert.True((await ReadyAsync(holder.Identity)).Applied);
        var route = await Store.ResolveAsync(command.Token.Hash(), default);
        Assert.Equal((RouteOutcome.Found, holder.Identity, "ada"), (route.Outcome, route.Route!.Backend, route.Route.User));
    }

    [Fact]
    public async Task Of_many_claims_at_once_each_gets_a_backend_of_its_own_and_the_rest_none()
    {
        var session = await WarmDroneAsync();
        var service = await PutBoardAsync();
        var pool = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => WarmAsync(service, place: i)));

        var results = await Task.WhenAll(Enumerable.Range(0, 60).Select(i => Pick(i).ClaimAsync(ForClaim(ClaimOf(service, $"room-{i}")), default)));

        var claimed = results.Where(r => r.Outcome == AcquireOutcome.Acquired).Select(r => r.Holder!.Identity).ToList();
        Assert.Equal(pool.Select(b => b.Backend.Value).Order(), claimed.Select(c => c.Backend.Value).Order());
        Assert.Equal(20, claimed.Select(c => c.Token).Distinct().Count());
        Assert.Equal(40, results.Count(r => r.Outcome == AcquireOutcome.NoneWarm));
        Assert.Equal(20, (await ActionsAsync(session)).Count(a => a.Kind == DroneActionKind.Claim));
    }

    [Fact]
    public async Task Of_two_claims_of_one_backend_one_gets_it()
    {
        await WarmDroneAsync();
        var service = await PutBoardAsync();
        for (var i = 0; i < 20; i++)
        {
            var warm = await WarmAsync(service, place: i);
            var results = await Task.WhenAll(
                Pick(0).ClaimAsync(ForClaim(ClaimOf(service, $"a-{i}")), default), Pick(1).ClaimAsync(ForClaim(ClaimOf(service, $"b-{i}")), default));
            Assert.Equal(warm.Backend, Assert.Single(results, r => r.Outcome == AcquireOutcome.Acquired).Holder!.Identity.Backend);
            Assert.Single(results, r => r.Outcome == AcquireOutcome.NoneWarm);
        }
    }

    [Fact]
    public async Task Of_claims_and_acquisitions_of_one_key_one_gets_it_and_its_tokens_grow()
    {
        await WarmDroneAsync();
        var service = await PutBoardAsync();
        var last = new FencingToken(0);
        for (var i = 0; i < 20; i++)
        {
            await WarmAsync(service, place: 2 * i);
            await WarmAsync(service, place: (2 * i) + 1);
            var results = await Task.WhenAll(
                Pick(0).ClaimAsync(ForClaim(ClaimOf(service, "room")), default),
                Pick(1).ClaimAsync(ForClaim(ClaimOf(service, "room")), default),
                Pick(0).AcquireAsync(On(ClaimOf(service, "room")), default),
                Pick(1).AcquireAsync(On(ClaimOf(service, "room")), default));
            var holder = Assert.Single(results, r => r.Outcome == AcquireOutcome.Acquired).Holder!;
            Assert.Equal(3, results.Count(r => r.Outcome == AcquireOutcome.Held));
            Assert.True(holder.Identity.Token > last, $"{holder.Identity.Token} after {last}");
            last = holder.Identity.Token;
            Assert.True((await ApplyAsync(holder.Identity, BackendStatus.Terminated, e => e with { TerminationReason = TerminationReason.External })).Applied);
            await EndPoolAsync();
        }
    }

    [Fact]
    public async Task A_key_that_is_held_claims_nothing()
    {
        await WarmDroneAsync();
        var service = await PutBoardAsync();
        var holder = await AcquireAsync(ClaimOf(service, "room"));
        var warm = await WarmAsync(service);
        var result = await Store.ClaimAsync(ForClaim(ClaimOf(service, "room")), default);
        Assert.Equal((AcquireOutcome.Held, holder), (result.Outcome, result.Holder));
        Assert.Equal(warm, Assert.Single(await Store.ListWarmAsync(default)).Identity);
    }

    [Fact]
    public async Task A_claim_takes_the_key_of_an_expired_holder_whose_backend_is_lost()
    {
        var session = await WarmDroneAsync();
        var service = await PutBoardAsync();
        var first = await AcquireAsync(ClaimOf(service, "room"));
        await Harness.AdvanceAsync(Numbers.Expiry + TimeSpan.FromSeconds(1));
        await WarmBeatAsync(session);
        await WarmAsync(service);

        var result = await Store.ClaimAsync(ForClaim(ClaimOf(service, "room")), default);

        Assert.Equal(AcquireOutcome.Acquired, result.Outcome);
        Assert.True(result.Holder!.Identity.Token > first.Identity.Token);
        Assert.Equal((BackendStatus.Terminated, TerminationReason.Lost), await EndOfAsync(first.Identity));
    }

    [Fact]
    public async Task A_backend_whose_lease_has_little_left_is_not_claimed_before_it_is_renewed()
    {
        var session = await WarmDroneAsync();
        var service = await PutBoardAsync();
        var warm = await WarmAsync(service);
        await Harness.AdvanceAsync(Numbers.Soft);
        await WarmBeatAsync(session);
        Assert.Equal(AcquireOutcome.NoneWarm, (await Store.ClaimAsync(ForClaim(ClaimOf(service, "room")), default)).Outcome);

        Assert.Equal([RenewalOutcome.Renewed], await Store.RenewAsync([warm], default));
        Assert.Equal(AcquireOutcome.Acquired, (await Store.ClaimAsync(ForClaim(ClaimOf(service, "room")), default)).Outcome);
    }

    [Fact]
    public async Task A_drone_that_drains_is_silent_or_knows_no_claims_keeps_its_warm_backends()
    {
        var session = await WarmDroneAsync();
        var service = await PutBoardAsync();
        var warm = await WarmAsync(service);

        await Store.SetDrainingAsync(Cluster, Drone, draining: true, terminate: false, default);
        Assert.Equal(AcquireOutcome.NoneWarm, await TryAsync());
        Assert.True(Assert.Single(await Store.ListWarmAsync(default)).IsEnding);
        await Store.SetDrainingAsync(Cluster, Drone, draining: false, terminate: false, default);

        await WarmBeatAsync(session, takesClaims: false);
        Assert.Equal(AcquireOutcome.NoneWarm, await TryAsync());
        Assert.False(Assert.Single(await Store.ListCandidatesAsync(Cluster, default)).TakesClaims);

        // What it said holds for one session: the agent that registers next may be another version.
        await WarmBeatAsync(session);
        session = await RegisterAsync();
        Assert.Equal(AcquireOutcome.NoneWarm, await TryAsync());

        await WarmBeatAsync(session, ready: false);
        Assert.Equal(AcquireOutcome.NoneWarm, await TryAsync());

        await WarmBeatAsync(session);
        await Harness.AdvanceAsync(Numbers.HeartbeatFresh + TimeSpan.FromSeconds(1));
        await Store.RenewAsync([warm], default);
        Assert.Equal(AcquireOutcome.NoneWarm, await TryAsync());

        await WarmBeatAsync(session);
        Assert.True(Assert.Single(await Store.ListCandidatesAsync(Cluster, default)).TakesClaims);
        Assert.Equal(AcquireOutcome.Acquired, await TryAsync());

        async Task<AcquireOutcome> TryAsync() => (await Store.ClaimAsync(ForClaim(ClaimOf(service, "room")), default)).Outcome;
    }

    [Fact]
    public async Task A_backend_that_is_not_warm_is_ending_or_is_not_renewed_is_not_claimed()
    {
        await WarmDroneAsync();
        var service = await PutBoardAsync();
        var starting = await AcquireAsync(PoolOf(service, 0));
        await ApplyAsync(starting.Identity, BackendStatus.Waiting, e => e with { Address = WarmAddress });
        var ending = await WarmAsync(service, place: 1);
        await Store.TerminateAsync(ending.Backend, null, TerminationKind.Soft, TerminationReason.External, default);
        var prevented = await WarmAsync(service, place: 2);
        await Store.PreventRenewalAsync(prevented.Backend, default);
        var terminating = await WarmAsync(service, place: 3);
        await ApplyAsync(terminating, BackendStatus.Terminating);

        Assert.Equal(AcquireOutcome.NoneWarm, (await Store.ClaimAsync(ForClaim(ClaimOf(service, "room")), default)).Outcome);
        Assert.Equal(
            [(0, false, false), (1, true, true), (2, true, true), (3, false, true)],
            (await Store.ListWarmAsync(default)).OrderBy(w => w.Place).Select(w => (w.Place, w.IsWarm, w.IsEnding)));
        var use = await Store.ReadServiceAsync(s_board, default);
        Assert.Equal((0, 1), (use!.Backends, use.WarmStarting));
    }

    [Fact]
    public async Task Only_backends_of_the_services_version_and_cluster_are_claimed()
    {
        await WarmDroneAsync();
        var old = await PutBoardAsync();
        await WarmAsync(old);
        var service = await PutBoardAsync(count: 7);
        Assert.Equal(AcquireOutcome.ServiceChanged, (await Store.ClaimAsync(ForClaim(ClaimOf(old, "room")), default)).Outcome);
        Assert.Equal(AcquireOutcome.NoneWarm, (await Store.ClaimAsync(ForClaim(ClaimOf(service, "room")), default)).Outcome);
        await WarmAsync(service);
        var elsewhere = ForClaim(ClaimOf(service, "room")) with { Cluster = ClusterName.Parse("other.example") };
        Assert.Equal(AcquireOutcome.NoneWarm, (await Store.ClaimAsync(elsewhere, default)).Outcome);
        Assert.Equal(AcquireOutcome.Acquired, (await Store.ClaimAsync(ForClaim(ClaimOf(service, "room")), default)).Outcome);
        await Store.DeleteServiceAsync(s_board, keepBackends: true, default);
        Assert.Equal(AcquireOutcome.ServiceGone, (await Store.ClaimAsync(ForClaim(ClaimOf(service, "other")), default)).Outcome);
    }

    [Fact]
    public async Task A_claimed_backend_is_renewed_under_either_token()
    {
        await WarmDroneAsync();
        var service = await PutBoardAsync();
        var warm = await WarmAsync(service);
        var claimed = (await Store.ClaimAsync(ForClaim(ClaimOf(service, "room")), default)).Holder!.Identity;

        Assert.Equal(
            [RenewalOutcome.Renewed, RenewalOutcome.Unknown, RenewalOutcome.Renewed],
            await Store.RenewAsync([warm, warm with { Token = new FencingToken(warm.Token.Value - 1) }, claimed], default));
        await Harness.AdvanceAsync(TimeSpan.FromSeconds(30));
        var before = (await DetailsAsync(claimed)).LeaseExpiresAt;
        Assert.Equal([RenewalOutcome.Renewed], await Store.RenewAsync([warm], default));
        Assert.True((await DetailsAsync(claimed)).LeaseExpiresAt > before);

        await Harness.AdvanceAsync(Numbers.Expiry + TimeSpan.FromSeconds(1));
        Assert.Equal([RenewalOutcome.Expired, RenewalOutcome.Expired], await Store.RenewAsync([warm, claimed], default));
        await Store.SweepLostAsync(default);
        Assert.Equal([RenewalOutcome.Unknown, RenewalOutcome.Unknown], await Store.RenewAsync([warm, claimed], default));
        Assert.Null(await Store.ReadHolderAsync(ClaimOf(service, "room").Key, default));
    }

    [Fact]
    public async Task What_its_drone_says_under_the_token_of_its_start_counts_but_that_it_is_ready()
    {
        await WarmDroneAsync();
        var service = await PutBoardAsync();
        var warm = await WarmAsync(service);
        Assert.False((await ReadyAsync(warm)).Applied);
        var key = ClaimOf(service, "room").Key;
        var claimed = (await Store.ClaimAsync(ForClaim(ClaimOf(service, "room")), default)).Holder!.Identity;

        Assert.False((await ReadyAsync(warm)).Applied);
        Assert.Equal(BackendStatus.Waiting, (await DetailsAsync(claimed)).Status);
        var position = await Store.SettledLogEndAsync();
        Assert.True((await ApplyAsync(warm, BackendStatus.Terminating)).Applied);
        Assert.NotNull(await Store.ReadHolderAsync(key, default));
        Assert.True((await ApplyAsync(warm, BackendStatus.Terminated)).Applied);
        Assert.Null(await Store.ReadHolderAsync(key, default));
        Assert.Equal((BackendStatus.Terminated, null), await EndOfAsync(claimed));
        Assert.All((await Store.ReadLogAsync(position, 10, default)).Changes, c => Assert.Equal(claimed, c.Backend));
    }

    [Fact]
    public async Task The_lost_sweep_and_a_claim_do_not_both_take_a_backend()
    {
        var session = await WarmDroneAsync();
        var service = await PutBoardAsync();
        for (var i = 0; i < 10; i++)
        {
            var warm = await WarmAsync(service, place: i);
            if (i % 2 == 1)
            {
                await Harness.AdvanceAsync(Numbers.Expiry + TimeSpan.FromSeconds(1));
                await WarmBeatAsync(session);
            }

            var claiming = Pick(0).ClaimAsync(ForClaim(ClaimOf(service, $"room-{i}")), default);
            await Pick(1).SweepLostAsync(default);
            var claimed = await claiming;

            Assert.Equal(i % 2 == 1 ? AcquireOutcome.NoneWarm : AcquireOutcome.Acquired, claimed.Outcome);
            await Store.SweepLostAsync(default);
            Assert.Equal(i % 2 == 1 ? BackendStatus.Terminated : BackendStatus.Waiting, (await DetailsAsync(warm)).Status);
        }
    }

    [Fact]
    public async Task A_claim_counts_against_the_services_limit_and_a_warm_backend_does_not()
    {
        await WarmDroneAsync();
        var service = await PutBoardAsync(max: 3);
        await Task.WhenAll(Enumerable.Range(0, 10).Select(i => WarmAsync(service, place: i)));
        var results = await Task.WhenAll(Enumerable.Range(0, 10).Select(i => Pick(i).ClaimAsync(ForClaim(ClaimOf(service, $"room-{i}")), default)));
        Assert.Equal(3, results.Count(r => r.Outcome == AcquireOutcome.Acquired));
        Assert.Equal(7, results.Count(r => r.Outcome == AcquireOutcome.ServiceFull));
        var use = await Store.ReadServiceAsync(s_board, default);
        Assert.Equal((3, 7, 0), (use!.Backends, use.WarmReady, use.WarmStarting));
        Assert.Equal(AcquireOutcome.ServiceFull, (await Store.AcquireAsync(On(ClaimOf(service, "one-more")), default)).Outcome);
    }

    [Fact]
    public async Task The_same_claim_again_finds_the_key_held_by_its_own_backend()
    {
        await WarmDroneAsync();
        var service = await PutBoardAsync();
        await WarmAsync(service);
        await WarmAsync(service, place: 1);
        var command = ClaimOf(service, "room");
        var first = await Store.ClaimAsync(ForClaim(command), default);
        var again = await Store.ClaimAsync(ForClaim(command), default);
        Assert.Equal((AcquireOutcome.Held, first.Holder), (again.Outcome, again.Holder));
        var issued = Assert.Single(await Store.IssueTokensAsync([Ask(command.Key, command.Token)], default));
        Assert.Equal((TokenOutcome.Issued, first.Holder), (issued.Outcome, issued.Holder));
    }

    [Fact]
    public async Task A_claimed_backend_lives_as_long_as_a_session_may_from_its_claim_on()
    {
        var session = await WarmDroneAsync();
        var service = await PutBoardAsync();
        var warm = await WarmAsync(service);
        await Harness.AdvanceAsync(TimeSpan.FromSeconds(20));
        await Store.RenewAsync([warm], default);
        await WarmBeatAsync(session);
        var command = ClaimOf(service, "room") with { Spawn = service.Config.SpawnConfig with { LifetimeLimitSeconds = 30 } };
        var claimed = (await Store.ClaimAsync(ForClaim(command), default)).Holder!.Identity;

        await Harness.AdvanceAsync(TimeSpan.FromSeconds(25));
        Assert.Equal(0, await Store.SweepLifetimeAsync(default));
        await Harness.AdvanceAsync(TimeSpan.FromSeconds(6));
        Assert.Equal(1, await Store.SweepLifetimeAsync(default));
        var end = (await ActionsAsync(session)).Single(a => a.Kind == DroneActionKind.Terminate);
        Assert.Equal(claimed, end.Identity);
    }

    [Fact]
    public async Task What_was_claimed_meanwhile_is_not_ended_with_its_pool()
    {
        var session = await WarmDroneAsync();
        var service = await PutBoardAsync();
        await WarmAsync(service);
        await WarmAsync(service, place: 1);
        var listed = await Store.ListWarmAsync(default);
        var claimed = (await Store.ClaimAsync(ForClaim(ClaimOf(service, "room")), default)).Holder!.Identity;

        Assert.Equal(1, await Store.EndWarmAsync([.. listed.Select(w => w.Identity)], default));

        var end = (await ActionsAsync(session)).Single(a => a.Kind == DroneActionKind.Terminate);
        Assert.NotEqual(claimed.Backend, end.Identity.Backend);
        Assert.Equal(TerminationReason.Swept, end.Terminate!.Reason);
        Assert.Equal(0, await Store.EndWarmAsync([.. listed.Select(w => w.Identity)], default));
    }

    [Fact]
    public async Task Starts_of_warm_backends_that_fail_one_after_another_wait()
    {
        await WarmDroneAsync();
        var service = await PutBoardAsync();
        Assert.Null(await DelayAsync());
        for (var i = 0; i < 3; i++)
        {
            var failed = await AcquireAsync(PoolOf(service, i));
            await ApplyAsync(failed.Identity, BackendStatus.Terminated, e => e with { TerminationReason = TerminationReason.InternalError });
            Assert.Equal(i == 2, await DelayAsync() > TimeSpan.Zero);
        }

        await Harness.AdvanceAsync(TimeSpan.FromSeconds(2));
        Assert.Equal(TimeSpan.Zero, await DelayAsync());
        var ended = await AcquireAsync(PoolOf(service, 4));
        await ApplyAsync(ended.Identity, BackendStatus.Terminated, e => e with { TerminationReason = TerminationReason.External });
        Assert.Equal(TimeSpan.Zero, await DelayAsync());
        await WarmAsync(service, place: 5);
        Assert.Null(await DelayAsync());

        Task<TimeSpan?> DelayAsync() => Store.ReadWarmDelayAsync(s_board, service.Version, default);
    }

    [Fact]
    public async Task Warm_backends_whose_end_was_asked_for_are_no_failed_starts()
    {
        await WarmDroneAsync();
        var service = await PutBoardAsync();
        for (var i = 0; i < 3; i++)
        {
            var ended = await AcquireAsync(PoolOf(service, i));
            await ApplyAsync(ended.Identity, BackendStatus.Terminating, e => e with { TerminationReason = TerminationReason.Swept });
            await ApplyAsync(ended.Identity, BackendStatus.Terminated);
        }

        Assert.Null(await Store.ReadWarmDelayAsync(s_board, service.Version, default));
    }

    [Fact]
    public async Task A_repeated_word_that_a_backend_is_warm_does_not_end_the_wait_of_others()
    {
        await WarmDroneAsync();
        var service = await PutBoardAsync();
        var warm = await WarmAsync(service);
        var failed = await AcquireAsync(PoolOf(service, 1));
        await ApplyAsync(failed.Identity, BackendStatus.Terminated, e => e with { TerminationReason = TerminationReason.InternalError });
        Assert.NotNull(await Store.ReadWarmDelayAsync(s_board, service.Version, default));

        await ApplyAsync(warm, BackendStatus.Waiting, e => e with { Address = WarmAddress, IsWarm = true });
        Assert.NotNull(await Store.ReadWarmDelayAsync(s_board, service.Version, default));
    }

    private async Task<DroneSession> WarmDroneAsync(DroneName? name = null)
    {
        var session = await RegisterAsync(name);
        await WarmBeatAsync(session);
        return session;
    }

    private async Task WarmBeatAsync(DroneSession session, bool takesClaims = true, bool ready = true)
    {
        var beat = new DroneHeartbeat { Session = session, InstanceId = "instance-1", BootId = "boot-1", Reading = 6_000, Ready = ready, TakesClaims = takesClaims };
        Assert.Equal(SessionState.Current, await Store.HeartbeatDroneAsync(beat, Controller, default));
    }

    private async Task<ServiceDefinition> PutBoardAsync(int count = 5, int? max = null)
    {
        var config = new ServiceConfig
        {
            SpawnConfig = new SpawnConfig { Executable = new Executable { Command = ["board"] } },
            Access = new ServiceAccess { Kind = ServiceAccessKind.Public },
            MaxBackends = max,
            Warm = new WarmConfig { Count = count },
        };
        return (await Store.PutServiceAsync(s_board, config, default)).Service!;
    }

    private static ResolvedConnect ClaimOf(ServiceDefinition service, string key) => Command(ServiceKeys.Within(service.Name, Key(key, "v1"))) with
    {
        User = "ada",
        Service = service.Name,
        ServiceVersion = service.Version,
        Warm = service.Config.Warm,
    };

    private static ResolvedConnect PoolOf(ServiceDefinition service, int place) => ClaimOf(service, "x") with { Key = PoolKey.Of(service.Name, service.Version, Cluster, place) };

    private static ClaimRequest ForClaim(ResolvedConnect command, string? path = null) => new() { Command = command, Cluster = Cluster, Path = path };

    private async Task<BackendIdentity> WarmAsync(ServiceDefinition service, int place = 0)
    {
        var holder = await AcquireAsync(PoolOf(service, place));
        var events = new[]
        {
            Event(holder.Identity, BackendStatus.Waiting, 1, e => e with { Address = WarmAddress }),
            Event(holder.Identity, BackendStatus.Waiting, 2, e => e with { Address = WarmAddress, IsWarm = true }),
        };
        Assert.All((await Store.ApplyStatesAsync(null, events, default)).Acks, a => Assert.True(a.Applied));
        return holder.Identity;
    }

    private async Task EndPoolAsync()
    {
        foreach (var warm in await Store.ListWarmAsync(default))
        {
            await ApplyAsync(warm.Identity, BackendStatus.Terminated, e => e with { TerminationReason = TerminationReason.External });
        }
    }

    private async Task<(BackendStatus, TerminationReason?)> EndOfAsync(BackendIdentity backend)
    {
        var details = await DetailsAsync(backend);
        return (details.Status, details.History[^1].TerminationReason);
    }
}
