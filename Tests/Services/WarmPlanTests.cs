using Plane.Grains.Warm;
using Plane.Storage;

namespace Plane.Tests.Services;

/// <summary>What a pool needs, from what there is.</summary>
public sealed class WarmPlanTests
{
    private static readonly ServiceName s_service = ServiceName.Parse("board");
    private static readonly ClusterName s_cluster = ClusterName.Parse("example.com");

    [Fact]
    public void An_empty_pool_is_filled_from_the_first_place_on()
    {
        var plan = WarmPlan.Of(Service(3), []);
        Assert.Equal([0, 1, 2], plan.Places);
        Assert.Empty(plan.Ends);
    }

    [Fact]
    public void Only_what_is_missing_is_started_in_places_that_are_free()
    {
        var plan = WarmPlan.Of(Service(3), [Warm(1), Warm(2, isWarm: false)]);
        Assert.Equal([0], plan.Places);
        Assert.Empty(plan.Ends);
        Assert.Empty(WarmPlan.Of(Service(2), [Warm(1), Warm(2, isWarm: false)]).Places);
    }

    [Fact]
    public void What_is_ending_is_replaced_in_another_place()
    {
        var ending = Warm(0, isEnding: true);
        var plan = WarmPlan.Of(Service(2), [ending, Warm(1)]);
        Assert.Equal([2], plan.Places);
        Assert.Equal([ending], plan.Ends);
    }

    [Fact]
    public void Backends_of_another_version_end_and_take_no_place_of_this_one()
    {
        var old = Warm(0, version: 6);
        var plan = WarmPlan.Of(Service(2), [old, Warm(1)]);
        Assert.Equal([0], plan.Places);
        Assert.Equal([old], plan.Ends);
    }

    [Fact]
    public void A_service_without_a_pool_ends_all()
    {
        var plan = WarmPlan.Of(Service(0), [Warm(0), Warm(1, isWarm: false)]);
        Assert.Equal(2, plan.Ends.Count);
        Assert.Empty(plan.Places);
    }

    [Fact]
    public void Of_too_many_those_that_do_not_answer_yet_end_first_and_then_the_oldest()
    {
        WarmBackend[] pool = [Warm(0, age: 10), Warm(1, age: 30), Warm(2, isWarm: false, age: 1), Warm(3, age: 20)];
        Assert.Equal([2, 1], WarmPlan.Of(Service(2), pool).Ends.Select(b => b.Place));
    }

    [Fact]
    public void Those_that_are_too_old_are_replaced_a_quarter_of_the_pool_at_a_time()
    {
        var old = Enumerable.Range(0, 8).Select(i => Warm(i, age: 100 + i)).ToArray();
        var first = WarmPlan.Of(Service(8, maxAge: 60), old);
        Assert.Equal([7, 6], first.Ends.Select(b => b.Place));
        Assert.Equal([8, 9], first.Places);

        // These two are ending, and their successors are starting: no more for now.
        WarmBackend[] then = [.. old[..6], old[6] with { IsEnding = true }, old[7] with { IsEnding = true }, Warm(8, isWarm: false), Warm(9, isWarm: false)];
        Assert.Equal([6, 7], WarmPlan.Of(Service(8, maxAge: 60), then).Ends.Select(b => b.Place));

        Assert.Equal([5, 4], WarmPlan.Of(Service(8, maxAge: 60), [.. old[..6], Warm(8), Warm(9)]).Ends.Select(b => b.Place));
    }

    [Fact]
    public void A_pool_of_one_that_is_too_old_is_replaced()
    {
        var plan = WarmPlan.Of(Service(1, maxAge: 60), [Warm(0, age: 61)]);
        Assert.Equal([0], plan.Ends.Select(b => b.Place));
        Assert.Equal([1], plan.Places);
        Assert.Empty(WarmPlan.Of(Service(1, maxAge: 60), [Warm(0, age: 59)]).Ends);
        Assert.Empty(WarmPlan.Of(Service(1), [Warm(0, age: 1_000_000)]).Ends);
    }

    [Fact]
    public void A_pool_is_spread_over_the_drones_that_can_run_it()
    {
        DroneCandidate[] candidates =
        [
            Drone("dr-a", backends: 90), Drone("dr-b"), Drone("dr-c") with { TakesClaims = false }, Drone("dr-d") with { Pool = "other" }, Drone("dr-e") with { Kinds = [ExecutorKind.Docker] },
            Drone("dr-f", backends: 100),
        ];
        var drones = new WarmDrones(candidates, [Warm(0) with { Drone = DroneName.Parse("dr-b") }], new SpawnConfig { Executable = new Executable { Command = ["board"] } });
        Assert.Equal(["dr-a", "dr-b", "dr-a", "dr-b"], Enumerable.Range(0, 4).Select(_ => drones.Pick()!.Value.Value));
        drones.IsUnfit(DroneName.Parse("dr-b"));
        Assert.Equal("dr-a", drones.Pick()!.Value.Value);
        drones.IsUnfit(DroneName.Parse("dr-a"));
        Assert.Null(drones.Pick());
    }

    [Fact]
    public void A_place_has_a_key_of_its_own_in_each_service_version_and_cluster()
    {
        var other = ClusterName.Parse($"{string.Join('.', Enumerable.Repeat(new string('a', 60), 4))}:65000");
        KeyConfig[] keys =
        [
            PoolKey.Of(s_service, 7, s_cluster, 0), PoolKey.Of(s_service, 7, s_cluster, 12), PoolKey.Of(s_service, 8, s_cluster, 0), PoolKey.Of(s_service, 7, other, 0),
            PoolKey.Of(ServiceName.Parse("other"), 7, s_cluster, 0),
        ];
        Assert.Equal(keys.Length, keys.Select(k => k.GrainKey).Distinct().Count());
        Assert.All(keys, k => Assert.Null(k.Validate("key")));
        Assert.All(keys, k => Assert.True(PoolKey.Is(k) && ServiceKeys.IsReserved(k.Namespace)));
        Assert.Equal([0, 12, 0, 0, 0], keys.Select(k => PoolKey.PlaceOf(k.Name)));
        Assert.Equal([-1, -1, -1], new[] { "", "a", "1.2.x" }.Select(PoolKey.PlaceOf));
        Assert.False(PoolKey.Is(ServiceKeys.Within(s_service, new KeyConfig { Name = "room" })));
    }

    private static ServiceDefinition Service(int count, int? maxAge = null) => new()
    {
        Name = s_service,
        Version = 7,
        Config = new ServiceConfig
        {
            SpawnConfig = new SpawnConfig { Executable = new Executable { Command = ["board"] } },
            Access = new ServiceAccess { Kind = ServiceAccessKind.Public },
            Warm = count == 0 ? null : new WarmConfig { Count = count, MaxAgeSeconds = maxAge },
        },
        CreatedAt = default,
        UpdatedAt = default,
    };

    private static WarmBackend Warm(int place, bool isWarm = true, bool isEnding = false, long version = 7, int age = 1) => new(
        new BackendIdentity(BackendName.Parse($"b{place}"), new FencingToken(place + 1)), s_service, version, s_cluster, DroneName.Parse("dr-one"), place, isWarm, isEnding, TimeSpan.FromSeconds(age));

    private static DroneCandidate Drone(string name, int backends = 0) => new(DroneName.Parse(name), "", [ExecutorKind.Process], backends, 100, TakesClaims: true);
}
