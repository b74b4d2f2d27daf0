using Plane.Storage;

namespace Plane.Tests.Storage;

public abstract partial class StoreSuite
{
    [Fact]
    public async Task A_free_key_is_acquired_and_held()
    {
        await RegisterAsync();
        var command = Command(Key("room", "v1"), s => s with { Subdomain = "sub" });
        var holder = await AcquireAsync(command);

        Assert.Equal(command.BackendId, holder.Identity.Backend);
        Assert.Equal("v1", holder.Tag);
        Assert.Equal(Drone, holder.Drone);
        Assert.Equal(Cluster, holder.Cluster);
        Assert.Equal("sub", holder.Subdomain);
        Assert.Equal(BackendStatus.Scheduled, holder.Status);
        Assert.Equal(holder, await Store.ReadHolderAsync(command.Key, default));
        var details = await DetailsAsync(holder.Identity);
        Assert.True(details.HoldsKey);
        Assert.Equal(holder.Identity.Token, details.Key.FencingToken);
        Assert.Equal(BackendStatus.Scheduled, Assert.Single(details.History).Status);
    }

    [Fact]
    public async Task A_fencing_token_is_close_to_the_time_in_milliseconds()
    {
        await RegisterAsync();
        var holder = await AcquireAsync("room");
        Assert.InRange(
            holder.Identity.Token.Value, DateTimeOffset.UtcNow.AddMinutes(-5).ToUnixTimeMilliseconds(), DateTimeOffset.UtcNow.AddMinutes(5).ToUnixTimeMilliseconds());
    }

    [Fact]
    public async Task The_same_command_again_is_acquired_again_by_the_same_holder()
    {
        var session = await RegisterAsync();
        var command = Command(Key("room"));
        var first = await AcquireAsync(command);
        Assert.Equal(first, await AcquireAsync(command));
        Assert.Equal(first, await AcquireAsync(command, DroneName.Parse("dr-other")));
        Assert.Single(await ActionsAsync(session));
        Assert.NotEqual(RouteOutcome.Gone, (await Store.ResolveAsync(command.Token.Hash(), default)).Outcome);
    }

    [Fact]
    public async Task The_same_command_at_once_many_times_makes_one_backend()
    {
        var session = await RegisterAsync();
        var command = Command(Key("room"), s => s with { Id = BackendName.Parse("mine") });
        var results = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => Pick(i).AcquireAsync(On(command), default)));
        Assert.All(results, r => Assert.Equal((AcquireOutcome.Acquired, results[0].Holder), (r.Outcome, r.Holder)));
        Assert.Single(await ActionsAsync(session));
    }

    [Fact]
    public async Task A_held_key_is_not_acquired_and_nothing_is_left_behind()
    {
        var session = await RegisterAsync();
        var holder = await AcquireAsync("room");
        var other = Command(Key("room", "other-tag"));
        var result = await Store.AcquireAsync(On(other), default);
        Assert.Equal(AcquireOutcome.Held, result.Outcome);
        Assert.Equal(holder, result.Holder);
        Assert.Null(await Store.ReadBackendAsync(other.BackendId, default));
        Assert.Single(await ActionsAsync(session));
    }

    [Fact]
    public async Task Of_hundreds_that_acquire_one_key_at_once_exactly_one_wins()
    {
        var session = await RegisterAsync();
        var results = await Task.WhenAll(Enumerable.Range(0, 300).Select(i => Pick(i).AcquireAsync(On(Command(Key("hot"))), default)));
        var winner = Assert.Single(results, r => r.Outcome == AcquireOutcome.Acquired).Holder!;
        Assert.All(results, r => Assert.True(r.Outcome == AcquireOutcome.Acquired || (r.Outcome == AcquireOutcome.Held && r.Holder == winner), r.ToString()));
        Assert.Single((await Store.ListBackendsAsync(new BackendQuery(), default)).Backends);
        Assert.Single(await ActionsAsync(session));
    }

    [Fact]
    public async Task Fencing_tokens_of_a_key_grow_strictly_in_the_order_of_acquisition()
    {
        await RegisterAsync();
        var last = new FencingToken(0);
        for (var i = 0; i < 20; i++)
        {
            // Several contend each time; the next one acquires as soon as the key is released.
            var results = await Task.WhenAll(Enumerable.Range(0, 5).Select(n => Pick(n).AcquireAsync(On(Command(Key("room"))), default)));
            var holder = Assert.Single(results, r => r.Outcome == AcquireOutcome.Acquired).Holder!;
            Assert.True(holder.Identity.Token > last, $"{holder.Identity.Token} after {last}");
            last = holder.Identity.Token;
            Assert.True((await ApplyAsync(holder.Identity, BackendStatus.Terminated)).Applied);
        }
    }

    [Fact]
    public async Task No_fencing_token_is_drawn_twice_for_whatever_keys()
    {
        await RegisterAsync();
        var results = await Task.WhenAll(Enumerable.Range(0, 200).Select(i => Pick(i).AcquireAsync(On(Command()), default)));
        Assert.Equal(200, results.Select(r => r.Holder!.Identity.Token).Distinct().Count());
    }

    [Fact]
    public async Task The_same_name_in_two_namespaces_is_two_keys()
    {
        await RegisterAsync();
        await AcquireAsync(Command(new KeyConfig { Name = "b", Namespace = "a" }));
        await AcquireAsync(Command(new KeyConfig { Name = "b", Namespace = "" }));
        await AcquireAsync(Command(new KeyConfig { Name = "B", Namespace = "a" }));
    }

    [Theory]
    [InlineData("x'; drop table plane.keys; --")]
    [InlineData("../../etc")]
    [InlineData("\ud83d\udd11 \u00e4\u0301\u4e2d")]
    public async Task Any_valid_key_is_stored_and_found_as_it_is(string name)
    {
        await RegisterAsync();
        var key = new KeyConfig { Name = name, Namespace = name, Tag = name };
        var holder = await AcquireAsync(Command(key));
        Assert.Equal(holder, await Store.ReadHolderAsync(key, default));
        Assert.Equal(name, (await DetailsAsync(holder.Identity)).Key.Name);
    }

    [Fact]
    public async Task An_expired_holder_gives_way_and_its_backend_is_lost()
    {
        var session = await RegisterAsync();
        var first = await AcquireAsync("room");
        await Harness.AdvanceAsync(Numbers.Expiry + TimeSpan.FromSeconds(1));
        await HeartbeatAsync(session);
        Assert.Null(await Store.ReadHolderAsync(Key("room"), default));

        var second = await AcquireAsync("room");
        Assert.True(second.Identity.Token > first.Identity.Token);
        var lost = await DetailsAsync(first.Identity);
        Assert.Equal(BackendStatus.Terminated, lost.Status);
        Assert.False(lost.HoldsKey);
        Assert.Equal(TerminationReason.Lost, lost.History[^1].TerminationReason);

        // The order to start the lost one is no longer carried out.
        Assert.Equal(second.Identity, Assert.Single(await ActionsAsync(session)).Identity);
    }

    [Fact]
    public async Task Of_many_that_acquire_an_expired_key_at_once_exactly_one_wins()
    {
        var session = await RegisterAsync();
        var first = await AcquireAsync("room");
        await Harness.AdvanceAsync(Numbers.Expiry + TimeSpan.FromSeconds(1));
        await HeartbeatAsync(session);
        var results = await Task.WhenAll(Enumerable.Range(0, 60).Select(i => Pick(i).AcquireAsync(On(Command(Key("room"))), default)));
        var winner = Assert.Single(results, r => r.Outcome == AcquireOutcome.Acquired).Holder!;
        Assert.All(results.Where(r => r.Outcome != AcquireOutcome.Acquired), r => Assert.Equal(winner, r.Holder));
        Assert.Equal(2, (await DetailsAsync(first.Identity)).History.Length);
    }

    [Fact]
    public async Task A_chosen_backend_id_that_another_key_used_is_refused_and_the_key_stays_free()
    {
        await RegisterAsync();
        var id = BackendName.Parse("mine");
        await AcquireAsync(Command(Key("one"), s => s with { Id = id }));
        var result = await Store.AcquireAsync(On(Command(Key("two"), s => s with { Id = id })), default);
        Assert.Equal(AcquireOutcome.BackendIdTaken, result.Outcome);
        await AcquireAsync("two");
    }

    [Fact]
    public async Task A_chosen_backend_id_stays_taken_after_its_end()
    {
        await RegisterAsync();
        var id = BackendName.Parse("mine");
        var holder = await AcquireAsync(Command(Key("one"), s => s with { Id = id }));
        await ApplyAsync(holder.Identity, BackendStatus.Terminated);
        var result = await Store.AcquireAsync(On(Command(Key("one"), s => s with { Id = id })), default);
        Assert.Equal(AcquireOutcome.BackendIdTaken, result.Outcome);
    }

    [Fact]
    public async Task Another_request_with_the_chosen_id_of_the_keys_holder_finds_it_held()
    {
        await RegisterAsync();
        var holder = await AcquireAsync(Command(Key("one"), s => s with { Id = BackendName.Parse("mine") }));
        var result = await Store.AcquireAsync(On(Command(Key("one"), s => s with { Id = BackendName.Parse("mine") })), default);
        Assert.Equal((AcquireOutcome.Held, holder), (result.Outcome, result.Holder));
    }

    [Fact]
    public async Task Of_many_keys_that_want_one_backend_id_at_once_one_gets_it()
    {
        await RegisterAsync();
        var results = await Task.WhenAll(Enumerable.Range(0, 30).Select(i =>
            Pick(i).AcquireAsync(On(Command(Key($"key-{i}"), s => s with { Id = BackendName.Parse("mine") })), default)));
        Assert.Single(results, r => r.Outcome == AcquireOutcome.Acquired);
        Assert.Equal(29, results.Count(r => r.Outcome == AcquireOutcome.BackendIdTaken));
        Assert.Single((await Store.ListBackendsAsync(new BackendQuery(), default)).Backends);
    }

    [Fact]
    public async Task A_drone_that_is_unknown_or_of_another_pool_or_kind_is_unfit()
    {
        await RegisterAsync(pool: "gpu");
        var docker = DroneName.Parse("dr-docker");
        await Store.RegisterDroneAsync(Registration(docker) with { Kinds = [ExecutorKind.Docker] }, Controller, default);
        Assert.Equal(AcquireOutcome.DroneUnfit, (await Store.AcquireAsync(On(Command(), DroneName.Parse("dr-none")), default)).Outcome);
        Assert.Equal(AcquireOutcome.DroneUnfit, (await Store.AcquireAsync(On(Command()), default)).Outcome);
        Assert.Equal(AcquireOutcome.DroneUnfit, (await Store.AcquireAsync(On(Command(), docker), default)).Outcome);
        await AcquireAsync(Command(null, s => s with { Pool = "gpu" }));
    }

    [Fact]
    public async Task A_drone_that_is_draining_not_ready_or_silent_is_unfit()
    {
        var session = await RegisterAsync();
        await Store.SetDrainingAsync(Cluster, Drone, true, false, default);
        Assert.Equal(AcquireOutcome.DroneUnfit, (await Store.AcquireAsync(On(Command()), default)).Outcome);
        await Store.SetDrainingAsync(Cluster, Drone, false, false, default);
        await HeartbeatAsync(session, 6_001, ready: false);
        Assert.Equal(AcquireOutcome.DroneUnfit, (await Store.AcquireAsync(On(Command()), default)).Outcome);
        await HeartbeatAsync(session, 6_002);
        await AcquireAsync(Command());
        await Harness.AdvanceAsync(Numbers.HeartbeatFresh + TimeSpan.FromSeconds(1));
        Assert.Equal(AcquireOutcome.DroneUnfit, (await Store.AcquireAsync(On(Command()), default)).Outcome);
    }

    [Fact]
    public async Task What_ends_makes_room_and_a_drone_that_registers_with_another_capacity_has_that()
    {
        async Task<int> FillAsync()
        {
            var acquired = 0;
            while ((await Store.AcquireAsync(On(Command()), default)).Outcome == AcquireOutcome.Acquired)
            {
                acquired++;
            }

            return acquired;
        }

        await RegisterAsync(capacity: 4);
        var first = await AcquireAsync(Command());
        Assert.Equal(3, await FillAsync());
        await ApplyAsync(first.Identity, BackendStatus.Terminated);
        Assert.Equal(1, await FillAsync());
        await RegisterAsync(capacity: 6);
        Assert.Equal(2, await FillAsync());
        await RegisterAsync(capacity: 5);
        Assert.Equal(0, await FillAsync());
        await RegisterAsync(capacity: 7);
        Assert.Equal(1, await FillAsync());
    }

    [Fact]
    public async Task A_drone_is_never_filled_beyond_its_capacity()
    {
        await RegisterAsync(capacity: 7);
        var results = await Task.WhenAll(Enumerable.Range(0, 60).Select(i => Pick(i).AcquireAsync(On(Command()), default)));
        Assert.Equal(7, results.Count(r => r.Outcome == AcquireOutcome.Acquired));
        Assert.Equal(53, results.Count(r => r.Outcome == AcquireOutcome.DroneUnfit));
        Assert.Equal(7, (await Store.ListBackendsAsync(new BackendQuery(), default)).Backends.Length);
    }

    [Fact]
    public async Task An_ended_backend_frees_its_place()
    {
        await RegisterAsync(capacity: 1);
        var holder = await AcquireAsync("one");
        Assert.Empty(await Store.ListCandidatesAsync(Cluster, default));
        await ApplyAsync(holder.Identity, BackendStatus.Terminated);
        Assert.Equal(0, Assert.Single(await Store.ListCandidatesAsync(Cluster, default)).Backends);
        await AcquireAsync("two");
    }

    [Fact]
    public async Task Tokens_are_issued_for_live_holders_with_the_same_tag_in_the_order_of_the_requests()
    {
        await RegisterAsync();
        var holder = await AcquireAsync(Command(Key("room", "a")));
        var token = BearerToken.NewRandom();
        var results = await Store.IssueTokensAsync([Ask(Key("nobody")), Ask(Key("room", "b")), Ask(Key("room", "a"), token, "ann")], default);
        Assert.Equal([TokenOutcome.NotHeld, TokenOutcome.TagDiffers, TokenOutcome.Issued], results.Select(r => r.Outcome));
        Assert.Null(results[0].Holder);
        Assert.Equal(holder, results[1].Holder);
        Assert.Equal(holder, results[2].Holder);
        await ReadyAsync(holder.Identity);
        var route = (await Store.ResolveAsync(token.Hash(), default)).Route;
        Assert.Equal(("ann", "secret"), (route?.User, route?.SecretToken));
    }

    [Fact]
    public async Task No_token_is_issued_for_an_expired_or_ended_holder()
    {
        var session = await RegisterAsync();
        var ended = await AcquireAsync("ended");
        await ApplyAsync(ended.Identity, BackendStatus.Terminated);
        await AcquireAsync("expired");
        await Harness.AdvanceAsync(Numbers.Expiry + TimeSpan.FromSeconds(1));
        await HeartbeatAsync(session);
        Assert.All(await Store.IssueTokensAsync([Ask(Key("ended")), Ask(Key("expired"))], default), r => Assert.Equal(TokenOutcome.NotHeld, r.Outcome));
    }

    [Fact]
    public async Task A_holder_that_is_ending_still_gets_tokens_and_says_so()
    {
        await RegisterAsync();
        var holder = await AcquireAsync("room");
        await ApplyAsync(holder.Identity, BackendStatus.Terminating);
        var result = Assert.Single(await Store.IssueTokensAsync([Ask(Key("room"))], default));
        Assert.Equal((TokenOutcome.Issued, BackendStatus.Terminating), (result.Outcome, result.Holder!.Status));
    }

    [Fact]
    public async Task Issuing_the_same_token_again_is_harmless()
    {
        await RegisterAsync();
        await AcquireAsync("room");
        var ask = Ask(Key("room"));
        await Store.IssueTokensAsync([ask, ask], default);
        Assert.Equal(TokenOutcome.Issued, Assert.Single(await Store.IssueTokensAsync([ask], default)).Outcome);
    }

    [Fact]
    public async Task A_token_asked_for_again_after_the_key_changed_hands_leads_to_the_new_holder()
    {
        await RegisterAsync();
        var first = await AcquireAsync("room");
        var token = BearerToken.NewRandom();
        await Store.IssueTokensAsync([Ask(Key("room"), token)], default);
        await ApplyAsync(first.Identity, BackendStatus.Terminated);
        var second = await AcquireAsync("room");
        await ReadyAsync(second.Identity);
        await Store.IssueTokensAsync([Ask(Key("room"), token)], default);
        Assert.Equal(second.Identity, (await Store.ResolveAsync(token.Hash(), default)).Route?.Backend);
    }

    [Fact]
    public async Task A_static_token_is_shared_by_all_who_connect()
    {
        await RegisterAsync();
        var command = Command(Key("room"), s => s with { UseStaticToken = true });
        var holder = await AcquireAsync(command);
        Assert.Equal(command.StaticToken, holder.StaticToken);
        var own = BearerToken.NewRandom();
        Assert.Equal(command.StaticToken, Assert.Single(await Store.IssueTokensAsync([Ask(Key("room"), own)], default)).Holder!.StaticToken);
        await ReadyAsync(holder.Identity);
        Assert.Equal(RouteOutcome.Found, (await Store.ResolveAsync(command.StaticToken!.Value.Hash(), default)).Outcome);
        Assert.Equal(RouteOutcome.Gone, (await Store.ResolveAsync(own.Hash(), default)).Outcome);
        Assert.Equal(RouteOutcome.Gone, (await Store.ResolveAsync(command.Token.Hash(), default)).Outcome);
    }

    [Fact]
    public async Task A_lease_is_renewed_until_it_has_expired()
    {
        await RegisterAsync();
        var holder = await AcquireAsync("room");
        for (var i = 0; i < 3; i++)
        {
            await Harness.AdvanceAsync(Numbers.Expiry - TimeSpan.FromSeconds(5));
            Assert.Equal([RenewalOutcome.Renewed], await Store.RenewAsync([holder.Identity], default));
        }

        Assert.NotNull(await Store.ReadHolderAsync(Key("room"), default));
        await Harness.AdvanceAsync(Numbers.Expiry + TimeSpan.FromSeconds(1));
        Assert.Equal([RenewalOutcome.Expired], await Store.RenewAsync([holder.Identity], default));
        Assert.Null(await Store.ReadHolderAsync(Key("room"), default));
    }

    [Fact]
    public async Task Each_holder_of_a_batch_gets_its_own_answer()
    {
        await RegisterAsync();
        var (good, prevented, ended) = (await AcquireAsync("good"), await AcquireAsync("prevented"), await AcquireAsync("ended"));
        await Store.PreventRenewalAsync(prevented.Identity.Backend, default);
        await ApplyAsync(ended.Identity, BackendStatus.Terminated);
        var wrongToken = good.Identity with { Token = new FencingToken(good.Identity.Token.Value + 1) };
        var unknown = new BackendIdentity(BackendName.Parse("nobody"), new FencingToken(1));
        var outcomes = await Store.RenewAsync(
            [ended.Identity, good.Identity, wrongToken, prevented.Identity, good.Identity, unknown], default);
        Assert.Equal(
            [RenewalOutcome.Unknown, RenewalOutcome.Renewed, RenewalOutcome.Unknown, RenewalOutcome.Prevented, RenewalOutcome.Renewed, RenewalOutcome.Unknown],
            outcomes);
    }

    [Fact]
    public async Task Preventing_renewal_says_what_it_changed()
    {
        await RegisterAsync();
        var holder = await AcquireAsync("room");
        Assert.Equal(ChangeOutcome.NotFound, await Store.PreventRenewalAsync(BackendName.Parse("nobody"), default));
        Assert.Equal(ChangeOutcome.Changed, await Store.PreventRenewalAsync(holder.Identity.Backend, default));
        Assert.Equal(ChangeOutcome.Unchanged, await Store.PreventRenewalAsync(holder.Identity.Backend, default));
        Assert.False((await DetailsAsync(holder.Identity)).AllowRenew);
    }

    [Fact]
    public async Task Renewals_acquisitions_states_and_ends_at_once_never_fail()
    {
        var session = await RegisterAsync(capacity: 100_000);
        var holders = (await Task.WhenAll(Enumerable.Range(0, 60).Select(i => Pick(i).AcquireAsync(On(Command()), default))))
            .Select(r => r.Holder!.Identity).ToArray();
        var work = Enumerable.Range(0, 240).Select(async i =>
        {
            var store = Pick(i);
            var order = (BackendIdentity[])[.. holders];
            new Random(i).Shuffle(order);
            switch (i % 8)
            {
                case 0:
                    await store.RenewAsync(order, default);
                    break;
                case 1:
                    await store.ApplyStatesAsync(session, [.. order.Take(20).Select((h, n) => Event(h, BackendStatus.Loading + (n % 3 * 10), n))], default);
                    break;
                case 2:
                    await store.ApplyStatesAsync(session, [.. order.Take(3).Select((h, n) => Event(h, BackendStatus.Terminated, n))], default);
                    break;
                case 3:
                    await store.TerminateAsync(order[0].Backend, null, TerminationKind.Soft, TerminationReason.External, default);
                    break;
                case 4:
                    await store.AcquireAsync(On(Command(Key($"contended-{i % 5}"))), default);
                    break;
                case 5:
                    await store.ReportProxyAsync(
                        new ProxyReport { Cluster = Cluster, Proxy = ProxyName.Parse("px-a"), Version = "1", InUse = order }, Controller, default);
                    break;
                case 6:
                    await store.SweepLostAsync(default);
                    await store.SetDrainingAsync(Cluster, Drone, false, i % 16 == 6, default);
                    break;
                default:
                    var page = await store.ReadActionsAsync(session, 0, 10, default);
                    await store.AcknowledgeActionsAsync(session, page.Actions.Select(a => a.Number).LastOrDefault(), default);
                    await store.RevokeAsync(order[0].Backend, new RevokeScope(), default);
                    break;
            }
        });
        await Task.WhenAll(work);
        await CalmAsync();
    }

    private IPlaneStore Pick(int i) => Harness.Stores[i % Harness.Stores.Count];
}
