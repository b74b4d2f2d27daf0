using Plane.Testing;

namespace Plane.Tests.Grains;

public sealed class RouteTests(GrainClusters clusters) : IClassFixture<GrainClusters>
{
    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_resolve_waits_until_the_backend_is_ready(On on)
    {
        var plane = await clusters.OfAsync(on);
        var (drone, command, holder) = await ConnectAsync(plane);
        var waiting = plane.Route(command.Drawn.Token).Resolve(command.Drawn.Token, TimeSpan.FromSeconds(5));
        await drone.ReachAsync(holder.Identity, BackendStatus.Starting);
        Assert.False(waiting.IsCompleted);

        await drone.ReachAsync(holder.Identity, BackendStatus.Ready);

        var reply = await Eventually.EndsAsync(waiting, "the route");
        Assert.Equal(RouteOutcome.Found, reply.Outcome);
        Assert.Equal(holder.Identity, reply.Route!.Backend);
        Assert.Equal("ada", reply.Route.User);
        Assert.Equal(command.Drawn.SecretToken, reply.Route.SecretToken);
        Assert.Equal((await plane.Backend(holder.Identity).Describe())!.Address, reply.Route.Address);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_resolve_that_waits_hears_of_the_end(On on)
    {
        var plane = await clusters.OfAsync(on);
        var (drone, command, holder) = await ConnectAsync(plane);
        var waiting = plane.Route(command.Drawn.Token).Resolve(command.Drawn.Token, TimeSpan.FromSeconds(5));
        await drone.ReachAsync(holder.Identity, BackendStatus.Terminated);
        Assert.Equal(RouteOutcome.Gone, (await Eventually.EndsAsync(waiting, "an answer")).Outcome);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_resolve_that_waits_hears_of_a_revocation(On on)
    {
        var plane = await clusters.OfAsync(on);
        var (_, command, holder) = await ConnectAsync(plane);
        var waiting = plane.Route(command.Drawn.Token).Resolve(command.Drawn.Token, TimeSpan.FromSeconds(5));
        Assert.Equal(ChangeOutcome.Changed, await plane.Backend(holder.Identity).Revoke(new RevokeScope { Token = command.Drawn.Token }));
        Assert.Equal(RouteOutcome.Gone, (await Eventually.EndsAsync(waiting, "an answer")).Outcome);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_resolve_of_a_backend_that_goes_on_starting_ends_after_its_time(On on)
    {
        var plane = await clusters.OfAsync(on);
        var (_, command, holder) = await ConnectAsync(plane);
        var reply = await plane.Route(command.Drawn.Token).Resolve(command.Drawn.Token, TimeSpan.FromMilliseconds(50));
        Assert.Equal(RouteOutcome.Starting, reply.Outcome);
        Assert.Equal(holder.Identity, reply.Backend);
        Assert.Null(reply.Route);
    }

    [Fact]
    public async Task An_unknown_token_is_gone_at_once()
    {
        var plane = await clusters.OfAsync(On.Sqlite);
        var token = BearerToken.NewRandom();
        Assert.Equal(RouteOutcome.Gone, (await plane.Route(token).Resolve(token, TimeSpan.FromSeconds(5))).Outcome);
    }

    [Theory, InlineData(On.Sqlite), InlineData(On.Postgres)]
    public async Task A_static_token_leads_to_its_backend(On on)
    {
        var plane = await clusters.OfAsync(on);
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        var command = Commands.Connect(Commands.NewKey(), cluster, Commands.Spawn() with { UseStaticToken = true });
        var holder = await plane.ConnectedAsync(command);
        await drone.ReachAsync(holder.Identity, BackendStatus.Ready);
        var token = command.Drawn.StaticToken!.Value;

        Assert.Equal(command.Drawn.StaticToken, holder.StaticToken);
        Assert.Equal(command.Drawn.StaticToken, (await plane.ConnectedAsync(Commands.Connect(command.Key, cluster))).StaticToken);
        Assert.Equal(RouteOutcome.Found, (await plane.Route(token).Resolve(token, TimeSpan.Zero)).Outcome);
        Assert.Equal(command.Drawn.StaticToken, Assert.Single(await drone.ActionsAsync()).Spawn!.StaticToken);
    }

    private static async Task<(TestDrone Drone, ConnectCommand Command, HolderInfo Holder)> ConnectAsync(GrainCluster plane)
    {
        var cluster = plane.NewCluster();
        var drone = await TestDrone.RegisterAsync(plane, cluster);
        var command = Commands.Connect(Commands.NewKey(), cluster, Commands.Spawn(), user: "ada");
        return (drone, command, await plane.ConnectedAsync(command));
    }
}
