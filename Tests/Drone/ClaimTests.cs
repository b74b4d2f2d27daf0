using System.Text.Json.Nodes;
using Plane.DroneHost.Runtimes;
using Plane.Testing;

namespace Plane.Tests.Drone;

/// <summary>Warm backends: they wait for a claim, and get their key by it.</summary>
public sealed class ClaimTests
{
    [Fact]
    public async Task A_warm_backend_waits_until_it_is_claimed_and_is_ready_then()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var warm = await WarmAsync(drone);
        Assert.All(drone.Controller.Heartbeats, h => Assert.True(h.TakesClaims));
        Assert.Empty(drone.Runtime.Posts);

        var claimed = drone.Controller.Claim(warm);

        var ready = await drone.SeenAsync(claimed, BackendStatus.Ready);
        Assert.NotNull(ready.Address);
        var (target, body) = Assert.Single(drone.Runtime.Posts);
        Assert.Equal("/.plane/claim", target);
        var said = JsonNode.Parse(body)!;
        Assert.Equal(
            ("room", "board/team", "v1", claimed.Token.Value, "board"),
            ((string?)said["key"], (string?)said["namespace"], (string?)said["tag"], (long)said["fencing_token"]!, (string?)said["service"]));
        Assert.DoesNotContain(BackendStatus.Ready, drone.Controller.StatesOf(warm));
    }

    [Fact]
    public async Task Its_environment_says_that_it_is_warm_and_has_no_key()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var warm = await WarmAsync(drone);
        var environment = BackendEnvironment.Compose(drone.Runtime.Containers[warm].Order!, 8080);
        Assert.Equal("1", environment["SESSION_BACKEND_WARM"]);
        Assert.Equal(warm.Token.ToString(), environment["SESSION_BACKEND_FENCING_TOKEN"]);
        Assert.DoesNotContain("SESSION_BACKEND_KEY", environment.Keys);
        var other = await drone.ReadyBackendAsync();
        var usual = BackendEnvironment.Compose(drone.Runtime.Containers[other].Order!, 8080);
        Assert.DoesNotContain("SESSION_BACKEND_WARM", usual.Keys);
        Assert.Equal(other.Backend.Value, usual["SESSION_BACKEND_KEY"]);
    }

    [Fact]
    public async Task Without_a_path_it_is_ready_at_once()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var warm = await WarmAsync(drone);
        await drone.SeenAsync(drone.Controller.Claim(warm, path: null), BackendStatus.Ready);
        Assert.Empty(drone.Runtime.Posts);
    }

    [Theory]
    [InlineData(500)]
    [InlineData(302)]
    [InlineData(404)]
    public async Task One_that_refuses_its_claim_is_killed(int status)
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Runtime.OnPost = (_, _) => status);
        var claimed = drone.Controller.Claim(await WarmAsync(drone));
        var ended = await drone.EndedAsync(claimed);
        Assert.Equal((TerminationReason.InternalError, TerminationKind.Hard), (ended.TerminationReason, ended.TerminationKind));
        Assert.Contains($"POST /.plane/claim was answered with {status}", ended.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(BackendStatus.Ready, drone.Controller.StatesOf(claimed));
        Assert.Single(drone.Runtime.Posts);
    }

    [Fact]
    public async Task One_that_does_not_answer_its_claim_in_time_is_killed()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Runtime.OnPost = (_, _) => 0);
        var claimed = drone.Controller.Claim(await WarmAsync(drone));
        var ended = await drone.EndedAsync(claimed);
        Assert.Contains("was not answered within 2 s", ended.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_took_its_port_does_not_become_ready()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var warm = await WarmAsync(drone);
        drone.Runtime.Listener = _ => new ListenerLook(false, "another program");
        var claimed = drone.Controller.Claim(warm);
        var ended = await drone.EndedAsync(claimed);
        Assert.Equal(TerminationReason.InternalError, ended.TerminationReason);
        Assert.DoesNotContain(BackendStatus.Ready, drone.Controller.StatesOf(claimed));
    }

    [Fact]
    public async Task A_claim_that_comes_again_is_not_repeated()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var warm = await WarmAsync(drone);
        var claimed = drone.Controller.Claim(warm);
        await drone.SeenAsync(claimed, BackendStatus.Ready);
        drone.Controller.Claim(warm);
        await Eventually.TrueAsync(() => drone.Controller.Acknowledged.Contains(3), "it is acknowledged");
        Assert.Single(drone.Runtime.Posts);
        Assert.Equal(1, drone.Runtime.Running);
    }

    [Fact]
    public async Task A_second_claim_for_another_key_ends_it()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var warm = await WarmAsync(drone);
        var claimed = drone.Controller.Claim(warm);
        await drone.SeenAsync(claimed, BackendStatus.Ready);
        drone.Controller.Claim(warm, more: 2);
        var ended = await drone.EndedAsync(claimed);
        Assert.Equal((TerminationReason.InternalError, TerminationKind.Hard), (ended.TerminationReason, ended.TerminationKind));
        Assert.Single(drone.Runtime.Posts);
    }

    [Fact]
    public async Task An_agent_that_comes_back_finds_it_warm_and_delivers_its_claim()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var warm = await WarmAsync(drone);
        await drone.RestartAsync();
        await Eventually.EndsAsync(drone.Status.WhenReady, "it is ready");
        await Eventually.TrueAsync(() => drone.Controller.States.Count(s => s.Identity == warm && s.IsWarm) == 2, "it is reported warm again");

        await drone.SeenAsync(drone.Controller.Claim(warm), BackendStatus.Ready);

        Assert.Single(drone.Runtime.Posts);
        Assert.Single(drone.Runtime.Calls, c => c == $"start {warm.Backend}");
    }

    [Fact]
    public async Task A_claim_whose_answer_an_agent_did_not_live_to_see_is_delivered_again_with_the_same_token()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Runtime.OnPost = (_, _) => 0);
        var warm = await WarmAsync(drone);
        var claimed = drone.Controller.Claim(warm);
        await Eventually.TrueAsync(() => drone.Runtime.Posts.Count == 1, "the claim is delivered");
        await drone.StopAsync();
        drone.Runtime.OnPost = (_, _) => 200;

        await drone.StartAsync();

        await drone.SeenAsync(claimed, BackendStatus.Ready);
        Assert.Equal(drone.Runtime.Posts.First(), drone.Runtime.Posts.Last());
        Assert.Equal(2, drone.Runtime.Posts.Count);
        await drone.RestartAsync();
        await Eventually.EndsAsync(drone.Status.WhenReady, "it is ready");
        drone.Controller.Terminate(claimed);
        await drone.EndedAsync(claimed);
        Assert.Equal(2, drone.Runtime.Posts.Count);
    }

    [Fact]
    public async Task A_claim_that_meets_an_agent_on_its_way_down_is_known_to_the_next_one()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var warm = await WarmAsync(drone);
        await drone.StopAsync();
        var claimed = drone.Controller.Claim(warm);

        await drone.StartAsync();

        await drone.SeenAsync(claimed, BackendStatus.Ready);
        Assert.Single(drone.Runtime.Posts);
    }

    [Fact]
    public async Task It_is_renewed_under_the_token_of_its_claim_and_an_older_renewal_still_counts()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var warm = await WarmAsync(drone);
        var answer = new TaskCompletionSource();
        drone.Controller.BeforeRenewal = _ => answer.Task;
        drone.Clock.Advance(drone.Numbers.RenewAfter);
        await Eventually.TrueAsync(() => drone.Controller.Renewals.Any(r => r.Items.Contains(warm)), "it is renewed under its first token");

        var claimed = drone.Controller.Claim(warm);
        await drone.SeenAsync(claimed, BackendStatus.Ready);
        drone.Controller.BeforeRenewal = _ => Task.CompletedTask;
        answer.SetResult();
        var lease = drone.Backends.Find(warm)!.Lease;
        var reading = drone.Clock.Milliseconds;
        await Eventually.TrueAsync(() => lease.Deadlines.RenewAt > reading, "the older renewal counts");
        Assert.Equal(claimed, lease.OnWire);

        drone.Clock.Advance(drone.Numbers.RenewAfter);
        await Eventually.TrueAsync(() => drone.Controller.Renewals.Any(r => r.Items.Contains(claimed)), "it is renewed under its second token");
        await Eventually.SeenAsync(
            async _ => (await drone.RowAsync(warm))!.Deadlines.HardAt,
            hard => hard == drone.Clock.Milliseconds + (long)drone.Numbers.Hard.TotalMilliseconds,
            "the new deadline is stored");
    }

    [Fact]
    public async Task A_refused_renewal_under_the_token_of_its_claim_ends_it()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var warm = await WarmAsync(drone);
        var claimed = drone.Controller.Claim(warm);
        await drone.SeenAsync(claimed, BackendStatus.Ready);
        drone.Controller.OnRenew = (_, i) => i == claimed ? new RenewalAnswer { Identity = i, Outcome = RenewalOutcome.Unknown } : null;
        drone.Clock.Advance(drone.Numbers.RenewAfter);
        Assert.Equal(TerminationReason.KeyExpired, (await drone.EndedAsync(claimed)).TerminationReason);
    }

    [Fact]
    public async Task Its_end_may_be_asked_for_under_either_token()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var one = await WarmAsync(drone);
        drone.Controller.Terminate(one, TerminationKind.Soft, TerminationReason.Swept);
        Assert.Equal(TerminationReason.Swept, (await drone.EndedAsync(one)).TerminationReason);

        var two = await WarmAsync(drone);
        var claimed = drone.Controller.Claim(two);
        await drone.SeenAsync(claimed, BackendStatus.Ready);
        drone.Controller.Terminate(claimed, TerminationKind.Hard);
        Assert.Equal(TerminationReason.External, (await drone.EndedAsync(claimed)).TerminationReason);
        Assert.Equal(BackendStatus.Terminated, (await drone.RowAsync(two))!.Status);
        Assert.Null(drone.Controller.Ended(two));
    }

    [Fact]
    public async Task One_that_exits_before_its_claim_comes_ends_under_the_token_that_the_drone_knew()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var warm = await WarmAsync(drone);
        drone.Runtime.Exit(warm, 3);
        Assert.Equal(3, (await drone.EndedAsync(warm)).ExitCode);
        drone.Controller.Claim(warm);
        await Eventually.TrueAsync(() => drone.Controller.Acknowledged.Contains(2), "the claim is acknowledged");
        Assert.Empty(drone.Runtime.Posts);
    }

    [Fact]
    public async Task The_claim_of_a_backend_that_it_does_not_know_changes_nothing()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var claimed = drone.Controller.Claim(FakeController.NewIdentity());
        await Eventually.TrueAsync(() => drone.Controller.Acknowledged.Contains(1), "the claim is acknowledged");
        Assert.Empty(drone.Controller.StatesOf(claimed));
    }

    private static async Task<BackendIdentity> WarmAsync(DroneUnderTest drone)
    {
        var warm = drone.Controller.SpawnWarm();
        await Eventually.SeenAsync(
            () => drone.Controller.States.FirstOrDefault(s => s.Identity == warm && s.IsWarm)!, s => s is { Status: BackendStatus.Waiting, Address: not null }, "it is warm");
        return warm;
    }
}
