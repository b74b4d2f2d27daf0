namespace Plane.Tests.Storage;

public abstract partial class StoreSuite
{
    private static readonly ProxyName s_proxy = ProxyName.Parse("px-one");

    [Fact]
    public async Task The_lost_sweep_ends_every_backend_whose_key_expired_and_no_other()
    {
        var session = await RegisterAsync();
        var (lost, kept) = (await AcquireAsync("lost"), await AcquireAsync("kept"));
        await Harness.AdvanceAsync(TimeSpan.FromSeconds(40));
        await Store.RenewAsync([kept.Identity], default);
        Assert.Equal(0, await Store.SweepLostAsync(default));
        await Harness.AdvanceAsync(TimeSpan.FromSeconds(25));
        Assert.Equal(1, await Store.SweepLostAsync(default));
        Assert.Equal(0, await Store.SweepLostAsync(default));
        Assert.Equal(TerminationReason.Lost, (await DetailsAsync(lost.Identity)).History[^1].TerminationReason);
        Assert.Equal(TerminationReason.Lost, (await Store.ListBackendsAsync(new BackendQuery { KeyName = "lost" }, default)).Backends.Single().TerminationReason);
        Assert.Equal(BackendStatus.Scheduled, (await DetailsAsync(kept.Identity)).Status);
        Assert.Equal(kept.Identity, Assert.Single(await ActionsAsync(session)).Identity);
        await HeartbeatAsync(session);
        await AcquireAsync("lost");
    }

    [Fact]
    public async Task Sweeps_at_once_from_all_controllers_concern_each_backend_once()
    {
        await RegisterAsync(capacity: 10_000);
        await Task.WhenAll(Enumerable.Range(0, 700).Select(i => Pick(i).AcquireAsync(On(Command()), default)));
        await Harness.AdvanceAsync(Numbers.Expiry + TimeSpan.FromSeconds(1));
        var counts = await Task.WhenAll(Enumerable.Range(0, 6).Select(i => Pick(i).SweepLostAsync(default)));
        Assert.Equal(700, counts.Sum() + await Store.SweepLostAsync(default));
        Assert.Equal(0, (await Store.ReadClusterAsync(Cluster, default)).Drones.Single().BackendCount);
    }

    [Fact]
    public async Task A_backend_over_its_lifetime_is_ended_softly()
    {
        var session = await RegisterAsync();
        var holder = await AcquireAsync(Command(null, s => s with { LifetimeLimitSeconds = 30 }));
        await AcquireAsync(Command());
        await Harness.AdvanceAsync(TimeSpan.FromSeconds(20));
        Assert.Equal(0, await Store.SweepLifetimeAsync(default));
        await Harness.AdvanceAsync(TimeSpan.FromSeconds(11));
        Assert.Equal(1, await Store.SweepLifetimeAsync(default));
        Assert.Equal(0, await Store.SweepLifetimeAsync(default));
        var action = (await ActionsAsync(session))[^1];
        Assert.Equal(holder.Identity, action.Identity);
        Assert.Equal(new TerminateOrder { Kind = TerminationKind.Soft, Reason = TerminationReason.Swept }, action.Terminate);
    }

    [Fact]
    public async Task Without_proxies_idleness_counts_from_ready_up_to_now()
    {
        var session = await RegisterAsync();
        var holder = await AcquireAsync(Command(null, s => s with { MaxIdleSeconds = 20 }));
        await Harness.AdvanceAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(0, await Store.SweepIdleAsync(default));
        await ReadyAsync(holder.Identity);
        await Harness.AdvanceAsync(TimeSpan.FromSeconds(10));
        Assert.Equal(0, await Store.SweepIdleAsync(default));
        await Harness.AdvanceAsync(TimeSpan.FromSeconds(11));
        Assert.Equal(1, await Store.SweepIdleAsync(default));
        Assert.Equal(0, await Store.SweepIdleAsync(default));
        var action = (await ActionsAsync(session))[^1];
        Assert.Equal((holder.Identity, TerminationReason.Swept), (action.Identity, action.Terminate!.Reason));
    }

    [Fact]
    public async Task A_backend_in_use_is_not_idle_though_its_limit_is_shorter_than_a_report()
    {
        await RegisterAsync();
        var used = await AcquireAsync(Command(null, s => s with { MaxIdleSeconds = 1 }));
        await ReadyAsync(used.Identity);
        await ReportAsync(s_proxy, used.Identity);
        for (var i = 0; i < 4; i++)
        {
            await Harness.AdvanceAsync(Numbers.ProxyReport);
            Assert.Equal(0, await Store.SweepIdleAsync(default));
            await ReportAsync(s_proxy, used.Identity);
            Assert.Equal(0, await Store.SweepIdleAsync(default));
        }

        Assert.NotNull((await DetailsAsync(used.Identity)).LastUsedAt);
        await Harness.AdvanceAsync(Numbers.ProxyReport);
        await ReportAsync(s_proxy);
        Assert.Equal(1, await Store.SweepIdleAsync(default));
    }

    [Fact]
    public async Task Idleness_counts_up_to_the_oldest_report_of_a_live_proxy()
    {
        await RegisterAsync();
        var holder = await AcquireAsync(Command(null, s => s with { MaxIdleSeconds = 20 }));
        await ReadyAsync(holder.Identity);
        var late = ProxyName.Parse("px-late");
        await ReportAsync(late);
        await Harness.AdvanceAsync(TimeSpan.FromSeconds(30));

        // The other one has not said yet what it served since.
        await ReportAsync(s_proxy);
        Assert.Equal(0, await Store.SweepIdleAsync(default));
        await ReportAsync(late);
        Assert.Equal(1, await Store.SweepIdleAsync(default));
    }

    [Fact]
    public async Task A_proxy_silent_for_long_no_longer_holds_up_the_sweep()
    {
        await RegisterAsync();
        var holder = await AcquireAsync(Command(null, s => s with { MaxIdleSeconds = 20 }));
        await ReadyAsync(holder.Identity);
        await ReportAsync(s_proxy);
        await Harness.AdvanceAsync(Numbers.ProxySilent - TimeSpan.FromSeconds(10));
        Assert.Equal(0, await Store.SweepIdleAsync(default));
        await Harness.AdvanceAsync(TimeSpan.FromSeconds(11));
        Assert.Equal(1, await Store.SweepIdleAsync(default));
    }

    [Fact]
    public async Task A_report_in_parts_is_a_sign_of_life_with_its_last_part()
    {
        await RegisterAsync();
        var (one, two) = (await AcquireAsync(Command(null, s => s with { MaxIdleSeconds = 1 })), await AcquireAsync(Command(null, s => s with { MaxIdleSeconds = 1 })));
        await ReadyAsync(one.Identity);
        await ReadyAsync(two.Identity);
        await ReportAsync(s_proxy, one.Identity, two.Identity);
        await Harness.AdvanceAsync(Numbers.ProxyReport);
        await Store.ReportProxyAsync(
            new ProxyReport { Cluster = Cluster, Proxy = s_proxy, Version = "1", InUse = [one.Identity], Continues = true }, Controller, default);
        Assert.Equal(0, await Store.SweepIdleAsync(default));
        await ReportAsync(s_proxy, two.Identity);
        Assert.Equal(0, await Store.SweepIdleAsync(default));
    }

    [Fact]
    public async Task A_report_of_another_acquisition_counts_for_nothing()
    {
        await RegisterAsync();
        var holder = await AcquireAsync(Command(null, s => s with { MaxIdleSeconds = 10 }));
        await ReadyAsync(holder.Identity);
        await Harness.AdvanceAsync(TimeSpan.FromSeconds(11));
        await ReportAsync(s_proxy, holder.Identity with { Token = new FencingToken(1) });
        Assert.Null((await DetailsAsync(holder.Identity)).LastUsedAt);
        Assert.Equal(1, await Store.SweepIdleAsync(default));
    }

    [Fact]
    public async Task Clean_up_deletes_what_is_older_than_its_age_and_nothing_else()
    {
        await RegisterAsync();
        var command = Command(Key("old"));
        var old = await AcquireAsync(command);
        var running = await AcquireAsync(Command(Key("running")));
        await ApplyAsync(old.Identity, BackendStatus.Terminated);
        await ReportAsync(s_proxy);
        await Store.SetTxtAsync(Cluster, new TxtValues { Owner = "px-one", Values = ["v"] }, TimeSpan.FromMinutes(10), default);
        await Harness.AdvanceAsync(TimeSpan.FromDays(2));
        var recent = await AcquireAsync(Command(null), await FreshDroneAsync());
        await ApplyAsync(recent.Identity, BackendStatus.Terminated);

        Assert.True(await Store.CleanUpAsync(TimeSpan.FromDays(1), TimeSpan.FromDays(1), default) > 0);
        Assert.Null(await Store.ReadBackendAsync(old.Identity.Backend, default));
        Assert.Null(await Store.ReadHistoryAsync(old.Identity.Backend, null, default));
        Assert.Equal(RouteOutcome.Gone, (await Store.ResolveAsync(command.Token.Hash(), default)).Outcome);
        Assert.NotNull(await Store.ReadBackendAsync(recent.Identity.Backend, default));
        Assert.NotNull(await Store.ReadBackendAsync(running.Identity.Backend, default));
        Assert.Equal(0, await Store.CleanUpAsync(TimeSpan.FromDays(1), TimeSpan.FromDays(1), default));
    }

    [Fact]
    public async Task Clean_up_works_through_more_than_one_batch()
    {
        var session = await RegisterAsync(capacity: 10_000);
        var holders = await Task.WhenAll(Enumerable.Range(0, 1_200).Select(i => Pick(i).AcquireAsync(On(Command()), default)));
        await Store.ApplyStatesAsync(session, [.. holders.Select((h, i) => Event(h.Holder!.Identity, BackendStatus.Terminated, i))], default);
        await Harness.AdvanceAsync(TimeSpan.FromSeconds(10));
        await Store.CleanUpAsync(TimeSpan.Zero, TimeSpan.Zero, default);
        Assert.Empty((await Store.ListBackendsAsync(new BackendQuery(), default)).Backends);
    }

    [Fact]
    public async Task Clean_up_forgets_drones_that_were_silent_for_long_and_run_nothing()
    {
        var (gone, busy) = (DroneName.Parse("dr-gone"), DroneName.Parse("dr-busy"));
        var first = await RegisterAsync(gone);
        await RegisterAsync(busy);
        await AcquireAsync(Command(), busy);
        await Harness.AdvanceAsync(TimeSpan.FromDays(8));
        var lives = await RegisterAsync(DroneName.Parse("dr-lives"));

        Assert.True(await Store.CleanUpAsync(TimeSpan.FromDays(7), TimeSpan.FromDays(1), default) > 0);
        Assert.Equal(["dr-busy", "dr-lives"], (await Store.ReadClusterAsync(Cluster, default)).Drones.Select(d => d.Node.Name));
        Assert.Equal(SessionState.Current, await Store.ReadSessionAsync(lives, default));

        // One that comes back is new; but no session of before may be taken for its own.
        Assert.Equal(SessionState.Unknown, await Store.ReadSessionAsync(first, default));
        var again = (await Store.RegisterDroneAsync(Registration(gone) with { LastAction = 40 }, Controller, default)).Session!;
        Assert.True(again.Number > first.Number);
        Assert.Equal(SessionState.Replaced, await Store.ReadSessionAsync(first, default));
        await AcquireAsync(Command(), gone);
        Assert.Equal(41, Assert.Single(await ActionsAsync(again, after: 40)).Number);
    }

    [Fact]
    public async Task A_silent_drone_is_not_forgotten_within_a_day_however_soon_ended_backends_are()
    {
        await RegisterAsync();
        await Harness.AdvanceAsync(TimeSpan.FromHours(23));
        await Store.CleanUpAsync(TimeSpan.Zero, TimeSpan.FromDays(1), default);
        Assert.Equal("dr-one", Assert.Single((await Store.ReadClusterAsync(Cluster, default)).Drones).Node.Name);
    }

    [Fact]
    public async Task Clean_up_removes_all_tokens_of_an_ended_backend_however_many()
    {
        await RegisterAsync();
        var holder = await AcquireAsync("room");
        var tokens = Enumerable.Range(0, 2_500).Select(_ => BearerToken.NewRandom()).ToArray();
        await Store.IssueTokensAsync([.. tokens.Select(t => Ask(Key("room"), t))], default);
        await ApplyAsync(holder.Identity, BackendStatus.Terminated);
        Assert.True(await Store.CleanUpAsync(TimeSpan.FromDays(1), TimeSpan.FromDays(1), default) >= 2_500);
        Assert.Equal(0, await Store.CleanUpAsync(TimeSpan.FromDays(1), TimeSpan.FromDays(1), default));
    }

    private async Task<DroneName> FreshDroneAsync()
    {
        var name = DroneName.NewRandom();
        await RegisterAsync(name);
        return name;
    }
}
