using Plane.Tests.Support;

namespace Plane.Tests.Grains;

public sealed class CertificateTests(GrainClusters clusters) : IClassFixture<GrainClusters>
{
    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task The_values_of_all_owners_stand_together(On on)
    {
        var plane = await clusters.OfAsync(on);
        var grain = plane.Client.GetGrain<ICertificateGrain>(plane.NewCluster().Value);
        Assert.Empty(await grain.ReadTxt());

        Assert.Null(await grain.SetTxt(new TxtValues { Owner = "px-a", Values = ["b", "a"] }));
        Assert.Null(await grain.SetTxt(new TxtValues { Owner = "px-b", Values = ["c", "a"] }));
        Assert.Equal(["a", "b", "c"], await grain.ReadTxt());

        Assert.Null(await grain.SetTxt(new TxtValues { Owner = "px-a" }));
        Assert.Equal(["a", "c"], await grain.ReadTxt());
    }

    [Fact]
    public async Task Values_that_break_a_rule_are_refused_and_change_nothing()
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var grain = plane.Client.GetGrain<ICertificateGrain>(plane.NewCluster().Value);
        Assert.Equal("values", (await grain.SetTxt(new TxtValues { Owner = "px-a", Values = [new string('x', 256)] }))!.Path);
        Assert.Equal("owner", (await grain.SetTxt(new TxtValues { Owner = "", Values = ["x"] }))!.Path);
        Assert.Empty(await grain.ReadTxt());
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_change_behind_the_grains_back_is_seen_through_the_feed(On on)
    {
        var plane = await clusters.OfAsync(on);
        var cluster = plane.NewCluster();
        var grain = plane.Client.GetGrain<ICertificateGrain>(cluster.Value);
        Assert.Empty(await grain.ReadTxt());
        await plane.Store.SetTxtAsync(cluster, new TxtValues { Owner = "px-a", Values = ["v"] }, TimeSpan.FromMinutes(1), default);
        await Eventually.SeenAsync(t => grain.ReadTxt(t), v => v is ["v"], "the value");
    }

    [Fact]
    public async Task Reads_within_a_second_cost_one_statement()
    {
        await using var plane = await GrainCluster.StartAsync(On.Sqlite);
        var grain = plane.Client.GetGrain<ICertificateGrain>(plane.NewCluster().Value);
        await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => grain.ReadTxt()));

        // One a second, and a busy machine may take longer than one for 200 calls.
        Assert.InRange(plane.Faults.Calls("ReadTxtAsync"), 1, 20);
    }
}
