namespace Plane.Tests.Storage;

// TXT values, the challenge lease, orders.
public abstract partial class StoreSuite
{
    private static readonly ClusterName s_elsewhere = ClusterName.Parse("other.com");

    [Fact]
    public async Task Txt_values_are_the_union_of_their_owners_until_they_expire()
    {
        Task Set(string owner, params string[] values) =>
            Store.SetTxtAsync(Cluster, new TxtValues { Owner = owner, Values = values }, TimeSpan.FromMinutes(10), default);

        await Set("px-a", "b", "a", "a");
        await Set("px-b", "c", "a", "B");
        Assert.Equal(["B", "a", "b", "c"], await Store.ReadTxtAsync(Cluster, default));
        Assert.Empty(await Store.ReadTxtAsync(ClusterName.Parse("other.com"), default));
        await Set("px-b");
        Assert.Equal(["a", "b"], await Store.ReadTxtAsync(Cluster, default));
        await Harness.AdvanceAsync(TimeSpan.FromMinutes(9));
        await Set("px-c", "z");
        await Harness.AdvanceAsync(TimeSpan.FromMinutes(2));
        Assert.Equal(["z"], await Store.ReadTxtAsync(Cluster, default));
    }

    [Fact]
    public async Task Values_that_are_added_stand_beside_the_owners_earlier_ones_and_all_for_the_later_time()
    {
        Task<bool> Add(string owner, params string[] values) =>
            Store.SetTxtAsync(Cluster, new TxtValues { Owner = owner, Values = values, Add = true }, TimeSpan.FromMinutes(10), default);

        Assert.True(await Add("operator", "b"));
        await Harness.AdvanceAsync(TimeSpan.FromMinutes(6));
        Assert.True(await Add("operator", "a", "b"));
        Assert.True(await Add("px-a", "c"));
        await Harness.AdvanceAsync(TimeSpan.FromMinutes(6));
        var entries = await Store.ListTxtAsync(Cluster, default);
        Assert.Equal(["operator", "px-a"], entries.Select(e => e.Owner));
        Assert.Equal(["a", "b"], entries[0].Values);
        Assert.InRange(entries[0].ExpiresIn, TimeSpan.FromMinutes(3), TimeSpan.FromMinutes(4));
        Assert.Empty(await Store.ListTxtAsync(s_elsewhere, default));

        // Expired ones do not come back with those that are added.
        await Harness.AdvanceAsync(TimeSpan.FromMinutes(5));
        Assert.True(await Add("operator", "d"));
        Assert.Equal(["d"], await Store.ReadTxtAsync(Cluster, default));
    }

    [Fact]
    public async Task Added_values_beyond_the_most_of_one_owner_change_nothing()
    {
        string[] most = [.. Enumerable.Range(0, TxtValues.MaxValues).Select(i => $"v{i:00}")];
        Assert.True(await Store.SetTxtAsync(Cluster, new TxtValues { Owner = "operator", Values = most }, TimeSpan.FromMinutes(10), default));
        Assert.True(await Store.SetTxtAsync(Cluster, new TxtValues { Owner = "operator", Values = ["v03"], Add = true }, TimeSpan.FromMinutes(10), default));
        Assert.False(await Store.SetTxtAsync(Cluster, new TxtValues { Owner = "operator", Values = ["more"], Add = true }, TimeSpan.FromMinutes(10), default));
        Assert.Equal(most, await Store.ReadTxtAsync(Cluster, default));
        Assert.True(await Store.SetTxtAsync(Cluster, new TxtValues { Owner = "operator", Values = ["one"] }, TimeSpan.FromMinutes(10), default));
        Assert.Equal(["one"], await Store.ReadTxtAsync(Cluster, default));
    }

    [Fact]
    public async Task Values_added_at_once_all_stand()
    {
        await Task.WhenAll(Enumerable.Range(0, 12).Select(i => Store.SetTxtAsync(
            Cluster, new TxtValues { Owner = "operator", Values = [$"v{i:00}"], Add = true }, TimeSpan.FromMinutes(10), default)));
        Assert.Equal(Enumerable.Range(0, 12).Select(i => $"v{i:00}"), await Store.ReadTxtAsync(Cluster, default));
    }

    [Fact]
    public async Task The_challenge_lease_has_one_holder_until_it_is_released_or_its_time_is_over()
    {
        Task<ChallengeLease> Hold(string owner) => Store.HoldChallengeAsync(Cluster, new ChallengeHold { Owner = owner }, default);

        var first = await Hold("px-a");
        Assert.True(first.IsHeldBy("px-a"));
        Assert.InRange(first.ExpiresIn, TimeSpan.FromSeconds(50), TimeSpan.FromSeconds(60));
        Assert.Equal("px-a", (await Hold("px-b")).Owner);
        Assert.Equal("px-b", (await Store.HoldChallengeAsync(s_elsewhere, new ChallengeHold { Owner = "px-b" }, default)).Owner);

        // Renewed, it outlives its first time.
        await Harness.AdvanceAsync(TimeSpan.FromSeconds(40));
        Assert.True((await Hold("px-a")).IsHeldBy("px-a"));
        await Harness.AdvanceAsync(TimeSpan.FromSeconds(40));
        Assert.Equal("px-a", (await Hold("px-b")).Owner);

        // Its holder says no more: another takes over, and a late release of the first does nothing.
        await Harness.AdvanceAsync(TimeSpan.FromSeconds(30));
        Assert.True((await Hold("px-b")).IsHeldBy("px-b"));
        await Store.ReleaseChallengeAsync(Cluster, "px-a", default);
        Assert.Equal("px-b", (await Hold("px-a")).Owner);
        await Store.ReleaseChallengeAsync(Cluster, "px-b", default);
        Assert.True((await Hold("px-a")).IsHeldBy("px-a"));
    }

    [Fact]
    public async Task Of_many_that_ask_for_the_challenge_lease_at_once_one_holds_it_and_all_are_told_who()
    {
        var leases = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => Store.HoldChallengeAsync(Cluster, new ChallengeHold { Owner = $"px-{i}" }, default)));
        Assert.Single(leases.Select(l => l.Owner).Distinct());
    }

    [Fact]
    public async Task A_renewal_for_a_shorter_time_does_not_shorten_the_challenge_lease()
    {
        await Store.HoldChallengeAsync(Cluster, new ChallengeHold { Owner = "px-a" }, default);
        var renewed = await Store.HoldChallengeAsync(Cluster, new ChallengeHold { Owner = "px-a", Time = TimeSpan.FromSeconds(1) }, default);
        Assert.True(renewed.ExpiresIn > TimeSpan.FromSeconds(30), renewed.ToString());
    }

    [Fact]
    public async Task Orders_are_counted_over_all_owners_within_the_window_and_the_limit()
    {
        Task<OrderQuota> Begin(string id, string authority = "ca") => Store.BeginOrderAsync(
            Cluster, new CertificateOrder { Id = id, Owner = $"px-{id}", Authority = authority, Limit = 2 }, default);

        Assert.Equal(new OrderQuota { IsAllowed = true, Counted = 1 }, await Begin("1"));
        Assert.Equal(new OrderQuota { IsAllowed = true, Counted = 1 }, await Begin("1"));
        await Harness.AdvanceAsync(TimeSpan.FromDays(5));
        Assert.Equal(new OrderQuota { IsAllowed = true, Counted = 2 }, await Begin("2"));
        var refused = await Begin("3");
        Assert.False(refused.IsAllowed);
        Assert.Equal(2, refused.Counted);
        Assert.InRange(refused.Wait, TimeSpan.FromDays(1.9), TimeSpan.FromDays(2));
        Assert.True((await Begin("4", "another")).IsAllowed);

        // One that came to nothing makes room, and so does time.
        await Store.DropOrderAsync(Cluster, "2", default);
        Assert.True((await Begin("5")).IsAllowed);
        Assert.False((await Begin("6")).IsAllowed);
        await Harness.AdvanceAsync(TimeSpan.FromDays(4));
        Assert.Equal(new OrderQuota { IsAllowed = true, Counted = 2 }, await Begin("6"));
    }

    [Fact]
    public async Task Orders_made_at_once_do_not_pass_the_limit()
    {
        var allowed = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => Store.BeginOrderAsync(
            Cluster, new CertificateOrder { Id = $"{i}", Owner = "px-a", Authority = "ca", Limit = 5 }, default)));
        Assert.Equal(5, allowed.Count(a => a.IsAllowed));
    }
}
