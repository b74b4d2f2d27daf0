using Microsoft.Extensions.DependencyInjection;
using Plane.Grains;
using Plane.Grains.Feed;
using Plane.Storage;
using Plane.Testing;

namespace Plane.Tests.Grains;

public sealed class CertificateTests(GrainClusters clusters) : IClassFixture<GrainClusters>
{
    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task The_values_of_all_owners_stand_together(On on)
    {
        var plane = await clusters.OfAsync(on);
        var cluster = plane.NewCluster();
        var grain = plane.Certificates(cluster);
        Assert.Empty(await grain.ReadTxt(cluster));

        Assert.Null(await grain.SetTxt(cluster, new TxtValues { Owner = "px-a", Values = ["b", "a"] }));
        Assert.Null(await grain.SetTxt(cluster, new TxtValues { Owner = "px-b", Values = ["c", "a"] }));
        Assert.Equal(["a", "b", "c"], await grain.ReadTxt(cluster));

        Assert.Null(await grain.SetTxt(cluster, new TxtValues { Owner = "px-a" }));
        Assert.Equal(["a", "c"], await grain.ReadTxt(cluster));
    }

    [Fact]
    public async Task Clusters_of_one_shard_keep_their_values_apart()
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var mine = plane.NewCluster();
        var other = plane.NewCluster();
        while (GrainKeys.Certificate(other) != GrainKeys.Certificate(mine))
        {
            other = plane.NewCluster();
        }

        Assert.Null(await plane.Certificates(mine).SetTxt(mine, new TxtValues { Owner = "px-a", Values = ["mine"] }));
        Assert.Null(await plane.Certificates(other).SetTxt(other, new TxtValues { Owner = "px-a", Values = ["other"] }));
        Assert.Equal(["mine"], await plane.Certificates(mine).ReadTxt(mine));
        Assert.Equal(["other"], await plane.Certificates(other).ReadTxt(other));
    }

    [Fact]
    public async Task Values_that_break_a_rule_are_refused_and_change_nothing()
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var cluster = plane.NewCluster();
        var grain = plane.Certificates(cluster);
        var tooLong = await grain.SetTxt(cluster, new TxtValues { Owner = "px-a", Values = ["x", new string('x', 256)] });
        Assert.Equal("values[1]", tooLong!.Path);
        Assert.Contains("set the value that the ACME client shows", tooLong.Problem, StringComparison.Ordinal);
        Assert.Equal("values[0]", (await grain.SetTxt(cluster, new TxtValues { Owner = "px-a", Values = ["\u00e9"] }))!.Path);
        Assert.Equal("values[0]", (await grain.SetTxt(cluster, new TxtValues { Owner = "px-a", Values = [""] }))!.Path);
        Assert.Equal("owner", (await grain.SetTxt(cluster, new TxtValues { Owner = "", Values = ["x"] }))!.Path);
        Assert.Empty(await grain.ReadTxt(cluster));
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_change_behind_the_grains_back_is_seen_soon(On on)
    {
        var plane = await clusters.OfAsync(on);
        var cluster = plane.NewCluster();
        var grain = plane.Certificates(cluster);
        Assert.Empty(await grain.ReadTxt(cluster));
        await plane.Store.SetTxtAsync(cluster, new TxtValues { Owner = "px-a", Values = ["v"] }, TimeSpan.FromMinutes(1), default);
        await Eventually.SeenAsync(t => grain.ReadTxt(cluster, t), v => v is ["v"], "the value");
    }

    [Fact]
    public async Task Reads_within_a_second_cost_one_statement()
    {
        await using var plane = await GrainCluster.StartAsync(On.Sqlite);
        var cluster = plane.NewCluster();
        var grain = plane.Certificates(cluster);
        await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => grain.ReadTxt(cluster)));

        // One a second, and a busy machine may take longer than one for 200 calls.
        Assert.InRange(plane.Faults.Calls(nameof(IPlaneStore.ReadTxtAsync)), 1, 20);
    }

    [Fact]
    public async Task Invented_clusters_share_a_few_grains_and_leave_no_subscription_behind()
    {
        await using var plane = await GrainCluster.StartAsync(On.Sqlite);
        var feed = plane.SiloServices.GetRequiredService<ChangeFeed>();
        var before = feed.Subscribers;
        var invented = Enumerable.Range(0, 2_000).Select(_ => plane.NewCluster()).ToArray();
        await Task.WhenAll(invented.Select(c => plane.Certificates(c).ReadTxt(c)));
        Assert.Equal(before, feed.Subscribers);
        Assert.Equal(GrainKeys.CertificateShards, invented.Select(GrainKeys.Certificate).Distinct().Count());
    }

    [Fact]
    public async Task A_shard_that_is_full_forgets_and_goes_on_answering()
    {
        await using var plane = await GrainCluster.StartAsync(On.Sqlite);
        var mine = plane.NewCluster();
        Assert.Null(await plane.Certificates(mine).SetTxt(mine, new TxtValues { Owner = "px-a", Values = ["v"] }));
        var sameShard = new List<ClusterName>();
        while (sameShard.Count < CertificateGrain.MaxReadings + 10)
        {
            var other = plane.NewCluster();
            if (GrainKeys.Certificate(other) == GrainKeys.Certificate(mine))
            {
                sameShard.Add(other);
            }
        }

        await Task.WhenAll(sameShard.Select(c => plane.Certificates(c).ReadTxt(c)));
        Assert.Equal(["v"], await plane.Certificates(mine).ReadTxt(mine));
    }

    [Fact]
    public async Task A_cluster_of_another_shard_is_refused()
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var mine = plane.NewCluster();
        var other = plane.NewCluster();
        while (GrainKeys.Certificate(other) == GrainKeys.Certificate(mine))
        {
            other = plane.NewCluster();
        }

        await Assert.ThrowsAsync<InvalidCallException>(() => plane.Certificates(mine).ReadTxt(other));
        await Assert.ThrowsAsync<InvalidCallException>(() => plane.Certificates(mine).SetTxt(other, new TxtValues { Owner = "px-a" }));
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task The_challenge_lease_is_held_by_one_and_orders_are_counted(On on)
    {
        var plane = await clusters.OfAsync(on);
        var cluster = plane.NewCluster();
        var grain = plane.Certificates(cluster);
        Assert.True((await grain.TryHoldChallenge(cluster, new ChallengeHold { Owner = "px-a" })).IsHeldBy("px-a"));
        Assert.Equal("px-a", (await grain.TryHoldChallenge(cluster, new ChallengeHold { Owner = "px-b" })).Owner);
        await grain.ReleaseChallenge(cluster, "px-a");
        Assert.Equal("px-b", (await grain.TryHoldChallenge(cluster, new ChallengeHold { Owner = "px-b" })).Owner);
        Assert.Equal("px-b", (await grain.TryHoldChallenge(cluster, new ChallengeHold { Owner = "px-c" })).Owner);

        var order = new CertificateOrder { Id = "1", Owner = "px-b", Authority = "https://ca.example/directory", Limit = 1 };
        Assert.True((await grain.TryBeginOrder(cluster, order)).IsAllowed);
        Assert.False((await grain.TryBeginOrder(cluster, order with { Id = "2" })).IsAllowed);
        await grain.DropOrder(cluster, "1");
        Assert.True((await grain.TryBeginOrder(cluster, order with { Id = "2" })).IsAllowed);
    }

    [Fact]
    public async Task Requests_that_break_a_rule_are_refused_by_name()
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var cluster = plane.NewCluster();
        var grain = plane.Certificates(cluster);
        var hold = await Assert.ThrowsAsync<InvalidCallException>(
            () => grain.TryHoldChallenge(cluster, new ChallengeHold { Owner = "px-a", Time = TimeSpan.FromHours(1) }));
        Assert.Contains("time must be", hold.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<InvalidCallException>(() => grain.ReleaseChallenge(cluster, ""));
        await Assert.ThrowsAsync<InvalidCallException>(
            () => grain.TryBeginOrder(cluster, new CertificateOrder { Id = "1", Owner = "px-a", Authority = "ca", Limit = 0 }));
    }

    [Fact]
    public async Task Values_are_listed_by_owner_and_added_up_to_the_most()
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var cluster = plane.NewCluster();
        var grain = plane.Certificates(cluster);
        Assert.Null(await grain.SetTxt(cluster, new TxtValues { Owner = "operator", Values = ["a"] }));
        Assert.Null(await grain.SetTxt(cluster, new TxtValues { Owner = "operator", Values = ["b"], Add = true }));
        Assert.Equal(["a", "b"], Assert.Single(await grain.ListTxt(cluster)).Values);
        string[] more = [.. Enumerable.Range(0, TxtValues.MaxValues).Select(i => $"{i}")];
        Assert.Equal("values", (await grain.SetTxt(cluster, new TxtValues { Owner = "operator", Values = more, Add = true }))!.Path);
    }
}
