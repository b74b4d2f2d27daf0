using Plane.Storage;

namespace Plane.Tests.Storage;

// Connects that carry an id of their own.
public abstract partial class StoreSuite
{
    private static IdempotencyKey Mark(string id, string digest = "what") => new(id, digest, [1, 2, 3]);

    private static AcquireRequest On(ResolvedConnect command, IdempotencyKey mark) => On(command) with { Mark = mark };

    private Task<TokenResult> IssueAsync(KeyConfig key, IdempotencyKey mark, bool waitsForEnd = false, BearerToken? token = null) =>
        Store.IssueOnceAsync(Ask(key, token), mark, waitsForEnd, default);

    [Fact]
    public async Task A_repeated_acquisition_gets_the_answer_of_the_first()
    {
        await RegisterAsync();
        var first = await Store.AcquireAsync(On(Command(Key("room")), Mark("id") with { Sealed = [7, 8] }), default);
        Assert.Equal(AcquireOutcome.Acquired, first.Outcome);

        // Another key and another token: both are drawn anew by each attempt.
        var again = await Store.AcquireAsync(On(Command(), Mark("id")), default);
        Assert.Equal(AcquireOutcome.Repeated, again.Outcome);
        Assert.Equal(first.Holder, again.Holder);
        Assert.True(again.Kept!.Spawned);
        Assert.Equal([7, 8], again.Kept.Sealed);

        var asked = await IssueAsync(Key("elsewhere"), Mark("id"));
        Assert.Equal(TokenOutcome.Repeated, asked.Outcome);
        Assert.Equal(first.Holder, asked.Holder);
        Assert.Equal(1, (await Store.ReadClusterAsync(Cluster, default)).Drones.Single().BackendCount);
    }

    [Fact]
    public async Task A_repeated_request_for_a_held_key_gets_the_answer_of_the_first()
    {
        await RegisterAsync();
        var holder = await AcquireAsync("room");
        var (one, two) = (BearerToken.NewRandom(), BearerToken.NewRandom());
        Assert.Equal(TokenOutcome.Issued, (await IssueAsync(Key("room"), Mark("id"), token: one)).Outcome);
        var again = await IssueAsync(Key("room"), Mark("id"), token: two);
        Assert.Equal(TokenOutcome.Repeated, again.Outcome);
        Assert.False(again.Kept!.Spawned);
        Assert.Equal(holder.Identity, again.Holder!.Identity);
        await ReadyAsync(holder.Identity);
        Assert.Equal(RouteOutcome.Found, (await Store.ResolveAsync(one.Hash(), default)).Outcome);
        Assert.NotEqual(RouteOutcome.Found, (await Store.ResolveAsync(two.Hash(), default)).Outcome);
    }

    [Fact]
    public async Task An_id_that_stands_for_another_request_is_refused()
    {
        await RegisterAsync();
        Assert.Equal(AcquireOutcome.Acquired, (await Store.AcquireAsync(On(Command(Key("room")), Mark("id")), default)).Outcome);
        Assert.Equal(AcquireOutcome.RequestIdTaken, (await Store.AcquireAsync(On(Command(), Mark("id", "other")), default)).Outcome);
        Assert.Equal(TokenOutcome.RequestIdTaken, (await IssueAsync(Key("room"), Mark("id", "other"))).Outcome);
    }

    [Fact]
    public async Task Of_equal_requests_at_once_one_acquires_and_the_others_get_its_answer()
    {
        await RegisterAsync();
        var results = await Task.WhenAll(Enumerable.Range(0, 24).Select(i => Pick(i).AcquireAsync(On(Command(), Mark("id")), default)));
        var first = Assert.Single(results, r => r.Outcome == AcquireOutcome.Acquired);
        Assert.All(results, r => Assert.Equal(first.Holder!.Identity, r.Holder!.Identity));
        Assert.Equal(23, results.Count(r => r.Outcome == AcquireOutcome.Repeated));
        Assert.Equal(1, (await Store.ReadClusterAsync(Cluster, default)).Drones.Single().BackendCount);
        await CalmAsync();
    }

    [Fact]
    public async Task A_request_that_got_nothing_is_not_kept()
    {
        Assert.Equal(AcquireOutcome.DroneUnfit, (await Store.AcquireAsync(On(Command(Key("room")), Mark("id")), default)).Outcome);
        Assert.Equal(TokenOutcome.NotHeld, (await IssueAsync(Key("room"), Mark("id"))).Outcome);
        await RegisterAsync();
        await AcquireAsync(Command(Key("room", "v1")));
        Assert.Equal(TokenOutcome.TagDiffers, (await IssueAsync(Key("room", "v2"), Mark("id"))).Outcome);
        Assert.Equal(AcquireOutcome.Held, (await Store.AcquireAsync(On(Command(Key("room")), Mark("id")), default)).Outcome);
        Assert.Equal(AcquireOutcome.Acquired, (await Store.AcquireAsync(On(Command(Key("other")), Mark("id", "also other")), default)).Outcome);
    }

    [Fact]
    public async Task An_answer_is_kept_for_its_time_and_cleaned_up_after_it()
    {
        await RegisterAsync();
        var first = await AcquireAsync(Command(Key("room")));
        Assert.Equal(TokenOutcome.Issued, (await IssueAsync(Key("room"), Mark("id"))).Outcome);
        Assert.Equal(TokenOutcome.Issued, (await IssueAsync(Key("room"), Mark("forgotten"))).Outcome);
        for (var minute = 0; minute < 9; minute++)
        {
            await Harness.AdvanceAsync(TimeSpan.FromSeconds(50));
            await Store.RenewAsync([first.Identity], default);
        }

        await Store.CleanUpAsync(TimeSpan.FromDays(1), TimeSpan.FromDays(1), default);
        Assert.Equal(TokenOutcome.Repeated, (await IssueAsync(Key("room"), Mark("id"))).Outcome);
        await Harness.AdvanceAsync(RequestIdentity.Kept - TimeSpan.FromSeconds(8 * 50));

        // Over: the id is free for anything.
        var session = await RegisterAsync();
        await HeartbeatAsync(session);
        await AcquireAsync(Command(Key("new")));
        Assert.Equal(TokenOutcome.Issued, (await IssueAsync(Key("new"), Mark("id", "other"))).Outcome);
        await Store.CleanUpAsync(TimeSpan.FromDays(1), TimeSpan.FromDays(1), default);
        Assert.Equal(TokenOutcome.Repeated, (await IssueAsync(Key("new"), Mark("id", "other"))).Outcome);
        Assert.Equal(0, await Store.CleanUpAsync(TimeSpan.FromDays(1), TimeSpan.FromDays(1), default));
    }

    [Fact]
    public async Task A_repeat_names_the_backend_of_then_and_says_that_it_has_ended()
    {
        await RegisterAsync();
        var first = (await Store.AcquireAsync(On(Command(Key("room"), s => s with { UseStaticToken = true }), Mark("id")), default)).Holder!;
        await ApplyAsync(first.Identity, BackendStatus.Terminated);
        await AcquireAsync("room");
        var again = await IssueAsync(Key("room"), Mark("id"));
        Assert.Equal(TokenOutcome.Repeated, again.Outcome);
        Assert.Equal(first with { Status = BackendStatus.Terminated }, again.Holder);
        await Store.CleanUpAsync(TimeSpan.Zero, TimeSpan.FromDays(1), default);
        await Harness.AdvanceAsync(TimeSpan.FromSeconds(1));
        await Store.CleanUpAsync(TimeSpan.Zero, TimeSpan.FromDays(1), default);
        Assert.Null(await Store.ReadBackendAsync(first.Identity.Backend, default));
        Assert.Equal(again.Holder, (await IssueAsync(Key("room"), Mark("id"))).Holder);
    }

    [Fact]
    public async Task A_holder_that_is_ending_is_no_answer_for_a_request_that_waits_for_its_end()
    {
        await RegisterAsync();
        var first = await AcquireAsync("room");
        await ApplyAsync(first.Identity, BackendStatus.Terminating);
        Assert.Equal(first.Identity, (await IssueAsync(Key("room"), Mark("id"), waitsForEnd: true)).Holder!.Identity);
        await ApplyAsync(first.Identity, BackendStatus.Terminated);
        var second = await Store.AcquireAsync(On(Command(Key("room")), Mark("id")), default);
        Assert.Equal(AcquireOutcome.Acquired, second.Outcome);
        Assert.NotEqual(first.Identity, second.Holder!.Identity);

        // The other one that does not wait has its answer.
        Assert.Equal(second.Holder.Identity, (await IssueAsync(Key("room"), Mark("id"), waitsForEnd: true)).Holder!.Identity);
    }

    [Fact]
    public async Task A_static_token_that_was_revoked_is_replaced_for_a_request_with_an_id_too()
    {
        await RegisterAsync();
        var holder = await AcquireAsync(Command(Key("room"), s => s with { UseStaticToken = true }));
        await Store.RevokeAsync(holder.Identity.Backend, new RevokeScope(), default);
        var issued = await IssueAsync(Key("room"), Mark("id"));
        Assert.Equal(TokenOutcome.Issued, issued.Outcome);
        Assert.NotNull(issued.Holder!.StaticToken);
        Assert.NotEqual(holder.StaticToken, issued.Holder.StaticToken);
        Assert.Equal(issued.Holder.StaticToken, (await IssueAsync(Key("room"), Mark("id"))).Holder!.StaticToken);
    }
}
