using Plane.Grains.Clusters;
using Plane.Grains.Storage;

namespace Plane.Tests.Grains;

public sealed class PlacementTests
{
    private static readonly Dictionary<DroneName, int> None = [];
    private static readonly PlacementQuery Docker = new() { Kind = ExecutorKind.Docker };

    [Fact]
    public void Of_two_drones_the_less_loaded_is_picked()
    {
        var (busy, idle) = (Drone(backends: 50), Drone(backends: 10));
        for (var i = 0; i < 20; i++)
        {
            Assert.Equal(idle, Placement.Pick([busy, idle], Docker, None, new Random(i)));
        }
    }

    [Fact]
    public void Load_is_the_share_of_capacity()
    {
        var (small, large) = (Drone(backends: 5, max: 10), Drone(backends: 20, max: 100));
        Assert.Equal(large, Placement.Pick([small, large], Docker, None, new Random(1)));
    }

    [Fact]
    public void Unfit_drones_are_never_picked()
    {
        var fit = Drone();
        var full = Drone(backends: 100);
        var tried = Drone();
        DroneCandidate[] candidates = [full, tried, Drone() with { Pool = "gpu" }, Drone() with { Kinds = [ExecutorKind.Process] }, fit];
        for (var i = 0; i < 50; i++)
        {
            Assert.Equal(fit, Placement.Pick(candidates, Docker with { Exclude = [tried.Drone] }, None, new Random(i)));
        }

        Assert.Null(Placement.Pick(candidates, Docker with { Exclude = [tried.Drone, fit.Drone] }, None, new Random(1)));
    }

    [Fact]
    public void What_was_just_placed_counts()
    {
        var drone = Drone(backends: 99);
        Assert.NotNull(Placement.Pick([drone], Docker, None, new Random(1)));
        Assert.Null(Placement.Pick([drone], Docker, new Dictionary<DroneName, int> { [drone.Drone] = 1 }, new Random(1)));
    }

    [Fact]
    public void Loads_stay_close_together()
    {
        var drones = Enumerable.Range(0, 20).Select(_ => Drone(max: 1_000)).ToArray();
        var picked = new Dictionary<DroneName, int>();
        var random = new Random(42);
        for (var i = 0; i < 2_000; i++)
        {
            var drone = Placement.Pick(drones, Docker, picked, random)!.Drone;
            picked[drone] = picked.GetValueOrDefault(drone) + 1;
        }

        // A single random choice leaves a spread of some 40 here.
        Assert.InRange(picked.Values.Max() - picked.Values.Min(), 0, 8);
    }

    [Fact]
    public void Each_drone_that_takes_nothing_is_counted_once_by_its_reason()
    {
        var state = new ClusterState
        {
            Drones =
            [
                State(), State() with { Draining = true, Ready = false }, State() with { Ready = false }, State() with { BackendCount = 10 },
                State() with { Pool = "gpu" }, State() with { Kinds = [ExecutorKind.Process] },
                State() with { Kinds = [ExecutorKind.Process], UnavailableKinds = [ExecutorKind.Docker] },
            ],
        };
        var text = Placement.ExplainNone(ClusterName.Parse("c.test"), state, Docker);
        Assert.Equal(
            "no drone of the default pool in cluster c.test that runs docker executables takes backends now: "
            + "1 full, 1 draining, 1 silent or not ready, 1 whose docker runtime does not answer, 1 just taken",
            text);
    }

    [Theory]
    [InlineData(
        ExecutorKind.Process, ExecutorKind.Docker,
        "no drone of the default pool in cluster c.test runs process executables (a command without an image); they run docker: "
        + "give an image, or start a drone with --runtime process (--runtime docker,process for both)")]
    [InlineData(
        ExecutorKind.Docker, ExecutorKind.Process,
        "no drone of the default pool in cluster c.test runs docker executables (an image); they run process: "
        + "give a command without an image, or start a drone with --runtime docker (--runtime docker,process for both)")]
    public void What_no_drone_runs_is_refused_with_what_they_run_and_the_option_that_changes_it(ExecutorKind asked, ExecutorKind offered, string expected)
    {
        var state = new ClusterState { Drones = [State() with { Kinds = [offered] }, State() with { Pool = "other", Kinds = [asked] }] };
        Assert.Equal(expected, Placement.ExplainNone(ClusterName.Parse("c.test"), state, new PlacementQuery { Kind = asked }));
    }

    private static DroneCandidate Drone(int backends = 0, int max = 100) => new(DroneName.NewRandom(), "", [ExecutorKind.Docker], backends, max);

    private static DroneState State() => new()
    {
        Ready = true,
        Draining = false,
        LastHeartbeatAge = 1,
        BackendCount = 0,
        MaxBackends = 10,
        Kinds = [ExecutorKind.Docker],
        Node = new NodeState { Name = "dr-x", PlaneVersion = "1", PlaneHash = "", Controller = "co-x", ControllerHeartbeatAge = 1 },
    };
}
