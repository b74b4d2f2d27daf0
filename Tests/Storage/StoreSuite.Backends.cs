using Plane.Storage;

namespace Plane.Tests.Storage;

public abstract partial class StoreSuite
{
    [Fact]
    public async Task States_move_forward_steps_may_be_skipped_and_each_gets_its_entry()
    {
        var session = await RegisterAsync();
        var holder = await AcquireAsync("room");
        var reply = await Store.ApplyStatesAsync(
            session,
            [
                Event(holder.Identity, BackendStatus.Loading, 10),
                Event(holder.Identity, BackendStatus.Waiting, 11, e => e with { Address = "127.0.0.1:30001" }),
                Event(holder.Identity, BackendStatus.Starting, 12),
                Event(holder.Identity, BackendStatus.Ready, 13),
                Event(holder.Identity, BackendStatus.Loading, 14),
            ],
            default);
        Assert.Equal(SessionState.Current, reply.Session);
        Assert.Equal([(10L, true), (11, true), (12, false), (13, true), (14, true)], reply.Acks.Select(a => (a.Sequence, a.Applied)));
        Assert.NotNull(reply.Acks[2].Refusal);
        var details = await DetailsAsync(holder.Identity);
        Assert.Equal((BackendStatus.Ready, "127.0.0.1:30001"), (details.Status, details.Address));
        Assert.Equal(
            [BackendStatus.Scheduled, BackendStatus.Loading, BackendStatus.Waiting, BackendStatus.Ready], details.History.Select(h => h.Status));
        Assert.Equal(details.History.Select(h => h.Time).Order(), details.History.Select(h => h.Time));
        Assert.False((await ApplyAsync(holder.Identity, BackendStatus.Starting)).Applied);
        Assert.Equal(4, (await DetailsAsync(holder.Identity)).History.Length);
    }

    [Fact]
    public async Task Every_transition_of_the_table_is_applied_and_no_other()
    {
        await RegisterAsync();
        foreach (var from in BackendTransitions.Order)
        {
            foreach (var to in BackendTransitions.Order)
            {
                var holder = await AcquireAsync(Command());
                if (from > BackendStatus.Scheduled)
                {
                    Assert.True((await ApplyAsync(holder.Identity, from)).Applied);
                }

                await ApplyAsync(holder.Identity, to);
                var expected = BackendTransitions.IsAllowed(from, to, TransitionSource.Drone) ? to : from;
                Assert.Equal(expected, (await DetailsAsync(holder.Identity)).Status);
            }
        }
    }

    [Fact]
    public async Task A_terminated_event_with_the_token_releases_the_key()
    {
        await RegisterAsync();
        var holder = await AcquireAsync("room");
        var wrong = holder.Identity with { Token = new FencingToken(1) };
        var refused = await ApplyAsync(wrong, BackendStatus.Terminated);
        Assert.False(refused.Applied);
        Assert.NotNull(refused.Refusal);
        Assert.NotNull(await Store.ReadHolderAsync(Key("room"), default));

        var applied = await ApplyAsync(holder.Identity, BackendStatus.Terminated, e => e with
        {
            TerminationReason = TerminationReason.External,
            TerminationKind = TerminationKind.Soft,
            ExitCode = 3,
            Message = "gone",
        });
        Assert.True(applied.Applied);
        Assert.Null(await Store.ReadHolderAsync(Key("room"), default));
        var details = await DetailsAsync(holder.Identity);
        Assert.False(details.HoldsKey);
        Assert.Null(details.LeaseExpiresAt);
        Assert.Equal((3, "gone"), (details.ExitCode, details.Message));
        Assert.Equal(
            (TerminationReason.External, TerminationKind.Soft, true),
            (details.History[^1].TerminationReason, details.History[^1].TerminationKind, details.History[^1].ExitError));
        Assert.True((await ApplyAsync(holder.Identity, BackendStatus.Terminated)).Applied);
        Assert.Equal([RenewalOutcome.Unknown], await Store.RenewAsync([holder.Identity], default));
    }

    [Theory]
    [InlineData(TerminationReason.External, 143, false)]
    [InlineData(TerminationReason.External, 1, true)]
    [InlineData(null, 143, true)]
    public async Task An_end_by_the_stop_signals_default_is_an_error_only_where_nobody_asked_for_it(TerminationReason? reason, int code, bool isError)
    {
        await RegisterAsync();
        var holder = await AcquireAsync("room");
        await ApplyAsync(holder.Identity, BackendStatus.Terminating, e => e with { TerminationReason = reason });
        await ApplyAsync(holder.Identity, BackendStatus.Terminated, e => e with { TerminationReason = reason, ExitCode = code });

        var history = (await DetailsAsync(holder.Identity)).History;
        Assert.Equal([null, isError], history.TakeLast(2).Select(h => h.ExitError));
        var read = Assert.Single(await Store.ReadHistoriesAsync([holder.Identity.Backend], default))!;
        Assert.Equal([null, isError], read.Entries.TakeLast(2).Select(h => h.ExitError));
    }

    [Fact]
    public async Task A_backend_that_exited_by_itself_has_no_reason()
    {
        await RegisterAsync();
        var holder = await AcquireAsync("room");
        await ApplyAsync(holder.Identity, BackendStatus.Terminated, e => e with { ExitCode = 0 });
        var entry = (await DetailsAsync(holder.Identity)).History[^1];
        Assert.Equal((null, false), (entry.TerminationReason, entry.ExitError));
        Assert.Null((await Store.ListBackendsAsync(new BackendQuery(), default)).Backends.Single().TerminationReason);
    }

    [Fact]
    public async Task A_replaced_session_and_another_drone_apply_nothing()
    {
        var old = await RegisterAsync();
        await RegisterAsync();
        var holder = await AcquireAsync("room");
        var reply = await Store.ApplyStatesAsync(old, [Event(holder.Identity, BackendStatus.Ready)], default);
        Assert.Equal((SessionState.Replaced, 0), (reply.Session, reply.Acks.Length));
        reply = await Store.ApplyStatesAsync(old with { Number = 50 }, [Event(holder.Identity, BackendStatus.Ready)], default);
        Assert.Equal(SessionState.Unknown, reply.Session);
        var other = await RegisterAsync(DroneName.Parse("dr-two"));
        reply = await Store.ApplyStatesAsync(other, [Event(holder.Identity, BackendStatus.Ready)], default);
        Assert.False(reply.Acks.Single().Applied);
        Assert.Equal(BackendStatus.Scheduled, (await DetailsAsync(holder.Identity)).Status);
    }

    [Fact]
    public async Task What_a_replaced_session_notes_of_a_backend_is_not_taken()
    {
        var old = await RegisterAsync();
        var holder = await AcquireAsync("noted");
        var current = await RegisterAsync();
        await Store.ApplyStatesAsync(current, [Event(holder.Identity, BackendStatus.Waiting, 1, e => e with { Message = "new" })], default);

        var note = Event(holder.Identity, BackendStatus.Waiting, 1, e => e with { Message = "old", OutputTail = "old", IsWarm = true });
        Assert.Equal(SessionState.Replaced, (await Store.ApplyStatesAsync(old, [note], default)).Session);
        var ahead = current with { Number = current.Number + 1 };
        Assert.Equal(SessionState.Unknown, (await Store.ApplyStatesAsync(ahead, [note], default)).Session);

        var details = await DetailsAsync(holder.Identity);
        Assert.Equal(("new", null), (details.Message, details.OutputTail));
    }

    [Fact]
    public async Task Events_of_many_backends_are_applied_in_one_batch()
    {
        var session = await RegisterAsync();
        var holders = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => AcquireAsync(Command())));
        var events = holders.SelectMany((h, i) => new[]
        {
            Event(h.Identity, BackendStatus.Loading, i * 10),
            Event(h.Identity, BackendStatus.Ready, (i * 10) + 1, e => e with { Address = $"10.0.0.{i}:1" }),
            Event(h.Identity, i % 2 == 0 ? BackendStatus.Terminated : BackendStatus.Loading, (i * 10) + 2),
        }).ToArray();
        var reply = await Store.ApplyStatesAsync(session, events, default);
        Assert.Equal(events.Select(e => e.Sequence), reply.Acks.Select(a => a.Sequence));
        Assert.All(reply.Acks, a => Assert.True(a.Applied));
        Assert.Equal(25, (await Store.ListBackendsAsync(new BackendQuery { Status = BackendStatus.Terminated }, default)).Backends.Length);
    }

    [Fact]
    public async Task Histories_of_several_backends_come_in_the_order_that_was_asked_for()
    {
        await RegisterAsync();
        var (one, two) = (await AcquireAsync("one"), await AcquireAsync("two"));
        await ReadyAsync(one.Identity);
        var (first, second) = (one.Identity.Backend, two.Identity.Backend);
        var histories = await Store.ReadHistoriesAsync([second, BackendName.Parse("none"), first, second], default);
        Assert.Equal(4, histories.Count);
        Assert.Null(histories[1]);
        Assert.Equal([BackendStatus.Scheduled], histories[0]!.Entries.Select(h => h.Status));
        Assert.Equal([BackendStatus.Scheduled, BackendStatus.Ready], histories[2]!.Entries.Select(h => h.Status));
        Assert.Equal([BackendStatus.Scheduled], histories[3]!.Entries.Select(h => h.Status));
        Assert.All(histories, h => Assert.True(h is null || h.Cluster == Cluster));
        Assert.Empty(await Store.ReadHistoriesAsync([], default));
    }

    [Fact]
    public async Task History_after_a_state_holds_the_later_entries_only()
    {
        await RegisterAsync();
        var holder = await AcquireAsync("room");
        await ReadyAsync(holder.Identity);
        var history = (await Store.ReadHistoriesAsync([holder.Identity.Backend], default)).Single()!;
        Assert.Equal([BackendStatus.Scheduled, BackendStatus.Ready], history.After(null).Select(h => h.Status));
        Assert.Equal([BackendStatus.Ready], history.After(BackendStatus.Loading).Select(h => h.Status));
        Assert.Empty(history.After(BackendStatus.Ready));
    }

    [Fact]
    public async Task Details_tell_what_was_asked_for_and_no_secret()
    {
        await RegisterAsync(pool: "p");
        var command = Command(Key("room"), s => s with
        {
            Pool = "p",
            LifetimeLimitSeconds = 100,
            MaxIdleSeconds = 50,
            Subdomain = "sub",
            UseStaticToken = true,
            Executable = new Executable { Image = "board:1", Credentials = new RegistryCredentials { Username = "user", Password = "pass-word" } },
        });
        var holder = await AcquireAsync(command);
        var details = await DetailsAsync(holder.Identity);
        Assert.Equal(
            ("p", "board:1", ExecutorKind.Docker, 50, "sub", true),
            (details.Pool, details.Image, details.Executor, details.MaxIdleSeconds, details.Subdomain, details.UsesStaticToken));
        Assert.InRange((details.LifetimeEndsAt!.Value - details.CreatedAt).TotalSeconds, 99, 101);
        Assert.InRange((details.LeaseExpiresAt!.Value - details.CreatedAt).TotalSeconds, 59, 61);
        var json = System.Text.Json.JsonSerializer.Serialize(details);
        Assert.DoesNotContain("pass-word", json, StringComparison.Ordinal);
        Assert.DoesNotContain(command.StaticToken!.Value.Value, json, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Backends_are_listed_newest_first_in_pages_without_repeats()
    {
        await RegisterAsync();
        var ids = new List<BackendName>();
        for (var i = 0; i < 25; i++)
        {
            ids.Add((await AcquireAsync($"key-{i}")).Identity.Backend);
        }

        var listed = new List<BackendSummary>();
        for (string? cursor = null; ;)
        {
            var page = await Store.ListBackendsAsync(new BackendQuery { Limit = 7, Cursor = cursor }, default);
            listed.AddRange(page.Backends);
            if ((cursor = page.NextCursor) is null)
            {
                break;
            }
        }

        Assert.Equal(25, listed.Count);
        Assert.Equal(ids.Order(Comparer<BackendName>.Create((a, b) => string.CompareOrdinal(a.Value, b.Value))), listed.Select(b => b.BackendId).Order(Comparer<BackendName>.Create((a, b) => string.CompareOrdinal(a.Value, b.Value))));
        Assert.Equal(listed.Select(b => b.CreatedAt).OrderDescending(), listed.Select(b => b.CreatedAt));
    }

    [Fact]
    public async Task Lists_are_filtered_by_cluster_state_drone_and_key()
    {
        await RegisterAsync();
        var two = DroneName.Parse("dr-two");
        await RegisterAsync(two);
        var first = await AcquireAsync("one");
        var second = await AcquireAsync(Command(new KeyConfig { Name = "one", Namespace = "n" }), two);
        await ReadyAsync(second.Identity);
        async Task<BackendName[]> List(BackendQuery query) => [.. (await Store.ListBackendsAsync(query, default)).Backends.Select(b => b.BackendId)];

        Assert.Equal(2, (await List(new BackendQuery { Cluster = Cluster, KeyName = "one" })).Length);
        Assert.Empty(await List(new BackendQuery { Cluster = ClusterName.Parse("other.com") }));
        Assert.Empty(await List(new BackendQuery { KeyName = "two" }));
        Assert.Equal([second.Identity.Backend], await List(new BackendQuery { Status = BackendStatus.Ready }));
        Assert.Equal([first.Identity.Backend], await List(new BackendQuery { Drone = Drone, Status = BackendStatus.Scheduled }));
    }

    [Theory]
    [InlineData("")]
    [InlineData("nonsense!")]
    [InlineData("MS4xLg")]
    [InlineData("MS45OTk5OTk5OTk5OTk5OTk5OTk5OTkuYQ")]
    [InlineData("MS45MDAwMDAwMDAwMDAwMDAwMDAuYQ")]
    [InlineData("MS45MjIzMzcyMDM2ODU0Nzc1ODA3LmE")]
    [InlineData("MS4yNTM0MDIzMDA4MDAwMDAwMDAuYQ")]
    public async Task A_foreign_cursor_is_refused(string cursor) =>
        await Assert.ThrowsAsync<FormatException>(() => Store.ListBackendsAsync(new BackendQuery { Cursor = cursor }, default));

    [Fact]
    public async Task A_token_leads_to_a_backend_once_it_is_ready_and_until_it_has_ended()
    {
        await RegisterAsync();
        var command = Command(Key("room"), s => s with { Subdomain = "sub" }) with { User = "ann", Auth = JsonText.TryParse("{\"a\":1}", out var j) ? j : null };
        var holder = await AcquireAsync(command);
        async Task<RouteReply> Resolve() => await Store.ResolveAsync(command.Token.Hash(), default);

        Assert.Equal(RouteOutcome.Starting, (await Resolve()).Outcome);
        await ApplyAsync(holder.Identity, BackendStatus.Waiting, e => e with { Address = "127.0.0.1:30001" });
        Assert.Equal(RouteOutcome.Starting, (await Resolve()).Outcome);
        await ApplyAsync(holder.Identity, BackendStatus.Ready);
        var route = (await Resolve()).Route!;
        Assert.Equal(
            new Route
            {
                Backend = holder.Identity,
                Cluster = Cluster,
                Address = "127.0.0.1:30001",
                Subdomain = "sub",
                User = "ann",
                Auth = command.Auth,
                SecretToken = command.SecretToken,
                Status = BackendStatus.Ready,
            },
            route);
        await ApplyAsync(holder.Identity, BackendStatus.Terminating);
        Assert.Equal((RouteOutcome.Found, BackendStatus.Terminating), ((await Resolve()).Outcome, (await Resolve()).Route!.Status));
        await ApplyAsync(holder.Identity, BackendStatus.Terminated);
        Assert.Equal((RouteOutcome.Gone, false), ((await Resolve()).Outcome, (await Resolve()).NeverReady));
        Assert.Equal(RouteOutcome.Gone, (await Store.ResolveAsync(BearerToken.NewRandom().Hash(), default)).Outcome);
    }

    [Fact]
    public async Task A_route_has_what_the_spawn_config_says_of_the_web()
    {
        var session = await RegisterAsync();
        var command = Command(Key("room"), s => s with { Browser = true, Subdomain = "sub", Protocol = BackendProtocol.H2c, Embed = true, AllowedOrigins = ["https://a.example"] });
        var holder = await AcquireAsync(command);
        await ApplyAsync(holder.Identity, BackendStatus.Ready, e => e with { Address = "127.0.0.1:30001" });
        var web = (await Store.ResolveAsync(command.Token.Hash(), default)).Route!.Web!;
        Assert.Equal((BackendProtocol.H2c, true, "https://a.example"), (web.Protocol, web.Embed, Assert.Single(web.AllowedOrigins)));
        Assert.Equal(BackendProtocol.H2c, Assert.Single(await ActionsAsync(session)).Spawn!.Protocol);
    }

    [Fact]
    public async Task A_backend_that_ends_before_it_had_an_address_leads_nowhere()
    {
        await RegisterAsync();
        var command = Command();
        var holder = await AcquireAsync(command);
        await ApplyAsync(holder.Identity, BackendStatus.Terminating);
        Assert.Equal(RouteOutcome.Gone, (await Store.ResolveAsync(command.Token.Hash(), default)).Outcome);
    }

    [Fact]
    public async Task A_backend_that_ends_before_it_was_ready_leads_nowhere_and_the_answer_says_why()
    {
        await RegisterAsync();
        var command = Command();
        var holder = await AcquireAsync(command);
        await ApplyAsync(holder.Identity, BackendStatus.Waiting, e => e with { Address = "127.0.0.1:30001" });
        await ApplyAsync(holder.Identity, BackendStatus.Terminating, e => e with { TerminationReason = TerminationReason.StartupTimeout });
        var reply = await Store.ResolveAsync(command.Token.Hash(), default);
        Assert.Equal((RouteOutcome.Gone, true, TerminationReason.StartupTimeout), (reply.Outcome, reply.NeverReady, reply.Reason));
        await ApplyAsync(holder.Identity, BackendStatus.Terminated);
        reply = await Store.ResolveAsync(command.Token.Hash(), default);
        Assert.Equal((RouteOutcome.Gone, true, TerminationReason.StartupTimeout), (reply.Outcome, reply.NeverReady, reply.Reason));
        Assert.False((await Store.ResolveAsync(BearerToken.NewRandom().Hash(), default)).NeverReady);
    }

    [Fact]
    public async Task Revoking_takes_one_users_one_token_or_all()
    {
        await RegisterAsync();
        var holder = await AcquireAsync("room");
        await ReadyAsync(holder.Identity);
        var (ann, bob, eve, nobody) = (BearerToken.NewRandom(), BearerToken.NewRandom(), BearerToken.NewRandom(), BearerToken.NewRandom());
        await Store.IssueTokensAsync(
            [Ask(Key("room"), ann, "ann"), Ask(Key("room"), bob, "bob"), Ask(Key("room"), eve, "eve"), Ask(Key("room"), nobody)], default);
        var id = holder.Identity.Backend;
        async Task<string> Found() => string.Concat(await Task.WhenAll(new[] { (ann, 'a'), (bob, 'b'), (eve, 'e'), (nobody, 'n') }.Select(async t =>
            (await Store.ResolveAsync(t.Item1.Hash(), default)).Outcome == RouteOutcome.Found ? t.Item2.ToString() : "")));

        Assert.Equal(ChangeOutcome.NotFound, await Store.RevokeAsync(BackendName.Parse("none"), new RevokeScope(), default));
        Assert.Equal(ChangeOutcome.Unchanged, await Store.RevokeAsync(id, new RevokeScope { User = "zoe" }, default));
        Assert.Equal("aben", await Found());
        Assert.Equal(ChangeOutcome.Changed, await Store.RevokeAsync(id, new RevokeScope { User = "ann" }, default));
        Assert.Equal(ChangeOutcome.Unchanged, await Store.RevokeAsync(id, new RevokeScope { User = "ann" }, default));
        Assert.Equal("ben", await Found());
        Assert.Equal(ChangeOutcome.Changed, await Store.RevokeAsync(id, new RevokeScope { Token = bob }, default));
        Assert.Equal("en", await Found());
        Assert.Equal(ChangeOutcome.Changed, await Store.RevokeAsync(id, new RevokeScope(), default));
        Assert.Equal("", await Found());

        // A late repeat of the request that made the token does not bring it back.
        await Store.IssueTokensAsync([Ask(Key("room"), ann, "ann")], default);
        Assert.Equal("", await Found());
    }

    [Fact]
    public async Task A_revoked_static_token_is_replaced_by_a_fresh_one_at_the_next_connect()
    {
        await RegisterAsync();
        var command = Command(Key("room"), s => s with { UseStaticToken = true });
        var holder = await AcquireAsync(command);
        await ReadyAsync(holder.Identity);
        Assert.Equal(ChangeOutcome.Changed, await Store.RevokeAsync(holder.Identity.Backend, new RevokeScope { Token = command.StaticToken }, default));
        Assert.Equal(RouteOutcome.Gone, (await Store.ResolveAsync(command.StaticToken!.Value.Hash(), default)).Outcome);

        var results = await Task.WhenAll(Enumerable.Range(0, 10).Select(i => Pick(i).IssueTokensAsync([Ask(Key("room"))], default)));
        var fresh = Assert.Single(results.Select(r => r[0].Holder!.StaticToken!.Value).Distinct());
        Assert.NotEqual(command.StaticToken, fresh);
        Assert.True(fresh.IsStatic);
        Assert.Equal(RouteOutcome.Found, (await Store.ResolveAsync(fresh.Hash(), default)).Outcome);
        Assert.Equal(RouteOutcome.Gone, (await Store.ResolveAsync(command.StaticToken.Value.Hash(), default)).Outcome);
    }

    [Fact]
    public async Task A_message_of_a_backend_that_waits_is_replaced_and_removed()
    {
        await RegisterAsync();
        var holder = await AcquireAsync("noted");
        await ApplyAsync(holder.Identity, BackendStatus.Waiting);

        Assert.True((await ApplyAsync(holder.Identity, BackendStatus.Waiting, e => e with { Message = "one" })).Applied);
        await ApplyAsync(holder.Identity, BackendStatus.Waiting, e => e with { Message = "two" });
        Assert.Equal("two", (await DetailsAsync(holder.Identity)).Message);
        Assert.Equal(2, (await DetailsAsync(holder.Identity)).History.Length);

        // As a drone's outbox sends them: in one batch.
        await Store.ApplyStatesAsync(
            null,
            [
                Event(holder.Identity, BackendStatus.Waiting, 1, e => e with { Message = "three" }),
                Event(holder.Identity, BackendStatus.Waiting, 2, e => e with { Message = "" }),
                Event(holder.Identity, BackendStatus.Ready, 3, e => e with { Address = "127.0.0.1:30001" }),
            ],
            default);
        Assert.Equal((BackendStatus.Ready, null), ((await DetailsAsync(holder.Identity)).Status, (await DetailsAsync(holder.Identity)).Message));

        await ApplyAsync(holder.Identity, BackendStatus.Waiting, e => e with { Message = "late" });
        Assert.Null((await DetailsAsync(holder.Identity)).Message);
    }

    [Fact]
    public async Task The_end_of_its_output_comes_with_its_end()
    {
        await RegisterAsync();
        var holder = await AcquireAsync("failed");
        var other = holder.Identity with { Token = new FencingToken(holder.Identity.Token.Value + 1) };
        await ApplyAsync(other, BackendStatus.Terminated, e => e with { OutputTail = "another's" });
        Assert.Null((await DetailsAsync(holder.Identity)).OutputTail);

        await ApplyAsync(holder.Identity, BackendStatus.Terminated, e => e with { ExitCode = 1, OutputTail = "one\ntwo 🎈" });

        var details = await DetailsAsync(holder.Identity);
        Assert.Equal((BackendStatus.Terminated, 1, "one\ntwo 🎈"), (details.Status, details.ExitCode, details.OutputTail));
    }

    [Fact]
    public async Task Failures_are_found_however_many_backends_have_ended_since_and_the_last_comes_first()
    {
        await RegisterAsync();
        await ApplyAsync((await AcquireAsync("long-ago")).Identity, BackendStatus.Terminated, e => e with { TerminationReason = TerminationReason.InternalError });
        await Harness.AdvanceAsync(TimeSpan.FromMinutes(11));
        await RegisterAsync();
        var slow = await AcquireAsync("slow");
        await ApplyAsync(slow.Identity, BackendStatus.Terminated, e => e with { TerminationReason = TerminationReason.StartupTimeout });
        await Harness.AdvanceAsync(TimeSpan.FromSeconds(1));
        var broken = await AcquireAsync(Command(Key("broken", "tag")));
        await ApplyAsync(broken.Identity, BackendStatus.Terminated, e => e with { ExitCode = 1 });
        await Harness.AdvanceAsync(TimeSpan.FromSeconds(1));
        await AcquireAsync("runs");
        for (var i = 0; i < 12; i++)
        {
            await ApplyAsync((await AcquireAsync($"good-{i}")).Identity, BackendStatus.Terminated, e => e with { ExitCode = 0 });
        }

        BackendFailure[] expected =
        [
            new(broken.Identity.Backend, new KeyInfo { Namespace = "", Name = "broken", Tag = "tag", FencingToken = broken.Identity.Token }, null, true),
            new(slow.Identity.Backend, new KeyInfo { Namespace = "", Name = "slow", Tag = "", FencingToken = slow.Identity.Token }, TerminationReason.StartupTimeout, null),
        ];
        Assert.Equal(expected, await Store.ListFailuresAsync(TimeSpan.FromMinutes(10), 10, default));
        Assert.Equal([broken.Identity.Backend], (await Store.ListFailuresAsync(TimeSpan.FromMinutes(10), 1, default)).Select(f => f.BackendId));
    }

    [Theory]
    [InlineData(TerminationReason.Lost, null, true)]
    [InlineData(TerminationReason.KeyExpired, 143, true)]
    [InlineData(TerminationReason.External, 1, true)]
    [InlineData(null, 143, true)]
    [InlineData(TerminationReason.External, 143, false)]
    [InlineData(TerminationReason.Swept, 0, false)]
    [InlineData(null, null, false)]
    public async Task A_failure_is_an_end_by_an_error_or_for_a_reason_that_no_caller_asked_for(TerminationReason? reason, int? code, bool isFailure)
    {
        await RegisterAsync();
        var holder = await AcquireAsync("room");
        await ApplyAsync(holder.Identity, BackendStatus.Terminated, e => e with { TerminationReason = reason, ExitCode = code });

        Assert.Equal(isFailure ? 1 : 0, (await Store.ListFailuresAsync(TimeSpan.FromMinutes(10), 10, default)).Count);
    }
}
