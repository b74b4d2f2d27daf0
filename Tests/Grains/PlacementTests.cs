using Plane.Grains.Clusters;
using Plane.Storage;

namespace Plane.Tests.Grains;

public sealed class PlacementTests
{
    private const long GiB = 1L << 30;

    private static readonly PlacementQuery Docker = new() { Kind = ExecutorKind.Docker };

    [Fact]
    public void Of_two_drones_the_less_loaded_is_picked()
    {
        var (busy, idle) = (Drone(backends: 50), Drone(backends: 10));
        for (var i = 0; i < 20; i++)
        {
            Assert.Equal(idle, Placement.Pick([busy, idle], Docker, new Random(i)));
        }
    }

    [Fact]
    public void Load_is_the_share_of_capacity()
    {
        var (small, large) = (Drone(backends: 5, max: 10), Drone(backends: 20, max: 100));
        Assert.Equal(large, Placement.Pick([small, large], Docker, new Random(1)));
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
            Assert.Equal(fit, Placement.Pick(candidates, Docker with { Exclude = [tried.Drone] }, new Random(i)));
        }

        Assert.Null(Placement.Pick(candidates, Docker with { Exclude = [tried.Drone, fit.Drone] }, new Random(1)));
    }

    [Fact]
    public void What_was_just_placed_counts()
    {
        var drone = Drone(backends: 99) with { Capacity = Has(gib: 4) };
        var query = Docker with { Requests = new ResourceAmounts { MemoryBytes = 3 * GiB } };
        Assert.NotNull(Placement.Pick([drone], query, new Random(1)));
        var with = Placement.With(drone, query.Requests);
        Assert.Equal((100, 3 * GiB), (with.Backends, with.Reserved.MemoryBytes));
        Assert.Null(Placement.Pick([with], Docker, new Random(1)));
        Assert.Null(Placement.Pick([with with { MaxBackends = 1_000 }], query, new Random(1)));
    }

    [Fact]
    public void Loads_stay_close_together()
    {
        var drones = Enumerable.Range(0, 20).Select(_ => Drone(max: 1_000)).ToArray();
        var random = new Random(42);
        for (var i = 0; i < 2_000; i++)
        {
            Place(drones, Docker, random);
        }

        // A single random choice leaves a spread of some 40 here.
        Assert.InRange(drones.Max(d => d.Backends) - drones.Min(d => d.Backends), 0, 8);
    }

    [Fact]
    public void The_load_is_the_share_of_what_a_drone_has_least_left_of()
    {
        // Of CPUs the first has more left, of memory the second: a backend that needs memory goes to the second.
        var (first, second) = (
            Drone() with { Capacity = Has(cpus: 10, gib: 100), Reserved = Has(cpus: 1, gib: 80) },
            Drone() with { Capacity = Has(cpus: 10, gib: 100), Reserved = Has(cpus: 5, gib: 10) });
        var query = Docker with { Requests = new ResourceAmounts { MemoryBytes = 10 * GiB } };
        Assert.Equal(0.9, Placement.DominantShare(first, query.Requests), 3);
        Assert.Equal(0.5, Placement.DominantShare(second, query.Requests), 3);
        Assert.Equal(second, Placement.Pick([first, second], query, new Random(1)));

        // Of two that are loaded alike, what the backend itself needs decides: half of the small one, a tenth of the large one.
        var (small, large) = (Drone() with { Capacity = Has(cpus: 2, gib: 8) }, Drone() with { Capacity = Has(cpus: 10, gib: 8) });
        Assert.Equal(large, Placement.Pick([small, large], Docker with { Requests = new ResourceAmounts { CpuMillis = 1_000 } }, new Random(1)));
    }

    [Fact]
    public void Shares_stay_close_together_on_drones_of_different_sizes()
    {
        var drones = Enumerable.Range(0, 20).Select(i => Drone(max: 10_000) with { Capacity = Has(cpus: i < 10 ? 8 : 16, gib: 1_000) }).ToArray();
        var query = Docker with { Requests = new ResourceAmounts { CpuMillis = 250, MemoryBytes = GiB } };
        var random = new Random(7);
        for (var i = 0; i < 480; i++)
        {
            Place(drones, query, random);
        }

        // Half of the CPUs, and no drone is far from that.
        Assert.All(drones, d => Assert.InRange((double)d.Reserved.CpuMillis / d.Capacity!.CpuMillis, 0.4, 0.6));
    }

    [Fact]
    public void A_drone_without_room_is_never_picked_and_the_last_byte_fits()
    {
        var drone = Drone() with { Capacity = Has(cpus: 4, gib: 4), Reserved = Has(cpus: 3, gib: 1) };
        bool Fits(ResourceAmounts requests) => Placement.Pick([drone], Docker with { Requests = requests }, new Random(1)) is not null;
        Assert.True(Fits(new ResourceAmounts { CpuMillis = 1_000, MemoryBytes = 3 * GiB }));
        Assert.False(Fits(new ResourceAmounts { CpuMillis = 1_001 }));
        Assert.False(Fits(new ResourceAmounts { MemoryBytes = (3 * GiB) + 1 }));
        Assert.False(Fits(new ResourceAmounts { DiskBytes = 1 }));
        Assert.False(Fits(new ResourceAmounts { Gpus = 1 }));
        Assert.False(Fits(new ResourceAmounts { MemoryBytes = ResourceAmounts.Most }));

        // One that reserves nothing fits, also where the drone has less by now than is reserved.
        Assert.True(Fits(ResourceAmounts.None));
        drone = drone with { Capacity = Has(cpus: 1, gib: 1) };
        Assert.True(Fits(ResourceAmounts.None));
        Assert.False(Fits(new ResourceAmounts { CpuMillis = 1 }));

        // What a drone has that does not say is not known to be too little.
        drone = drone with { Capacity = null };
        Assert.True(Fits(new ResourceAmounts { MemoryBytes = ResourceAmounts.Most, Gpus = 64 }));
    }

    [Fact]
    public void All_GPUs_need_a_drone_that_has_one_and_no_other_backend_with_one()
    {
        var all = Docker with { Requests = new ResourceAmounts { Gpus = ResourceAmounts.AllGpus } };
        var drone = Drone() with { Capacity = Has(cpus: 1, gib: 1) with { Gpus = 4 } };
        Assert.Null(Placement.Pick([Drone() with { Capacity = Has(cpus: 1, gib: 1) }], all, new Random(1)));
        Assert.Equal(drone, Placement.Pick([drone], all, new Random(1)));
        Assert.Equal(4, Placement.With(drone, all.Requests).Reserved.Gpus);
        Assert.Null(Placement.Pick([Placement.With(drone, new ResourceAmounts { Gpus = 1 })], all, new Random(1)));
        Assert.Null(Placement.Pick([Placement.With(drone, all.Requests)], Docker with { Requests = new ResourceAmounts { Gpus = 1 } }, new Random(1)));
    }

    [Fact]
    public void Sums_do_not_overflow()
    {
        var most = new ResourceAmounts { CpuMillis = ResourceAmounts.Most, MemoryBytes = ResourceAmounts.Most, DiskBytes = ResourceAmounts.Most, Gpus = 64 };
        var drone = Drone() with { Capacity = most };
        for (var i = 0; i < 2_000; i++)
        {
            drone = Placement.With(drone, most);
        }

        Assert.Equal(ResourceAmounts.Most, drone.Reserved.MemoryBytes);
        Assert.Null(Placement.Pick([drone with { Backends = 0 }], Docker with { Requests = new ResourceAmounts { MemoryBytes = 1 } }, new Random(1)));
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
        var text = PlacementExplanation.Of(ClusterName.Parse("c.test"), state, Docker);
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
        Assert.Equal(expected, PlacementExplanation.Of(ClusterName.Parse("c.test"), state, new PlacementQuery { Kind = asked }));
    }

    [Fact]
    public void What_fits_nowhere_now_is_refused_with_what_is_free_and_where()
    {
        var state = new ClusterState
        {
            Drones = [Named("dr-a", Has(cpus: 4, gib: 8), Has(cpus: 0, gib: 6)), Named("dr-b", Has(cpus: 4, gib: 8), Has(cpus: 1, gib: 5) with { MemoryBytes = (6 * GiB) - (GiB / 8) })],
        };
        var query = Docker with { Requests = new ResourceAmounts { CpuMillis = 500, MemoryBytes = 4 * GiB } };
        Assert.Equal(
            "no drone of the default pool in cluster c.test that runs docker executables has room for it: it needs 4 GiB of memory, and the largest free is 2.1 GiB on dr-b",
            PlacementExplanation.Of(ClusterName.Parse("c.test"), state, query));
        Assert.False(PlacementExplanation.IsTooLarge(state, query));
    }

    [Fact]
    public void Drones_without_room_are_counted_beside_those_that_take_nothing()
    {
        var state = new ClusterState { Drones = [Named("dr-a", Has(cpus: 4, gib: 8), Has(cpus: 4, gib: 1)), State() with { Draining = true }, State() with { BackendCount = 10 }] };
        Assert.Equal(
            "no drone of the default pool in cluster c.test that runs docker executables takes backends now: 1 full, "
            + "1 without room for it (it needs 0.5 CPUs, and the largest free is 0 on dr-a), 1 draining",
            PlacementExplanation.Of(ClusterName.Parse("c.test"), state, Docker with { Requests = new ResourceAmounts { CpuMillis = 500 } }));
    }

    [Fact]
    public void Where_each_drone_lacks_something_else_the_first_of_them_are_named()
    {
        var state = new ClusterState
        {
            Drones = [Named("dr-a", Has(cpus: 4, gib: 8), Has(cpus: 4, gib: 1)), Named("dr-b", Has(cpus: 4, gib: 8), Has(cpus: 1, gib: 8))],
        };
        Assert.Equal(
            "no drone of the default pool in cluster c.test that runs docker executables has room for it: it needs 1 CPU, 1 GiB of memory at once, "
            + "and dr-a has free 0 CPUs, dr-b has free 0 bytes of memory",
            PlacementExplanation.Of(ClusterName.Parse("c.test"), state, Docker with { Requests = new ResourceAmounts { CpuMillis = 1_000, MemoryBytes = GiB } }));
    }

    [Theory]
    [InlineData(0, 64, 0, 0, "it needs 64 GiB of memory, and the largest has 16 GiB (dr-b)")]
    [InlineData(9, 0, 0, 0, "it needs 9 CPUs, and the largest has 8 (dr-a)")]
    [InlineData(0, 0, 1, 0, "it needs 1 GiB of disk, and the largest has 0 bytes (dr-a)")]
    [InlineData(0, 0, 0, 2, "it needs 2 GPUs, and the largest has 0 (dr-a)")]
    [InlineData(0, 0, 0, -1, "it needs all GPUs of a drone that has one, and the largest has 0 (dr-a)")]
    [InlineData(8, 16, 0, 0, "it needs 8 CPUs, 16 GiB of memory at once, and dr-a has 8 GiB of memory, dr-b has 4 CPUs")]
    public void What_could_never_fit_is_refused_with_what_the_largest_drone_has(int cpus, int gib, int disk, int gpus, string expected)
    {
        // Also of drones that take nothing now: waiting would not help.
        var state = new ClusterState
        {
            Drones =
            [
                Named("dr-a", Has(cpus: 8, gib: 8), ResourceAmounts.None), Named("dr-b", Has(cpus: 4, gib: 16), ResourceAmounts.None) with { Draining = true },
                Named("dr-c", Has(cpus: 100, gib: 1_000), ResourceAmounts.None) with { Pool = "other" },
            ],
        };
        var query = Docker with { Requests = new ResourceAmounts { CpuMillis = cpus * 1_000, MemoryBytes = gib * GiB, DiskBytes = disk * GiB, Gpus = gpus } };
        Assert.Equal(
            $"no drone of the default pool in cluster c.test is large enough, whatever else ends: {expected}", PlacementExplanation.Of(ClusterName.Parse("c.test"), state, query));
        Assert.True(PlacementExplanation.IsTooLarge(state, query));
        Assert.False(PlacementExplanation.IsTooLarge(new ClusterState { Drones = [.. state.Drones, State()] }, query));
    }

    private static void Place(DroneCandidate[] drones, PlacementQuery query, Random random)
    {
        var drone = Placement.Pick(drones, query, random)!;
        drones[Array.IndexOf(drones, drone)] = Placement.With(drone, query.Requests);
    }

    private static ResourceAmounts Has(double cpus = 0, long gib = 0) => new() { CpuMillis = (long)(cpus * 1_000), MemoryBytes = gib * GiB };

    private static DroneState Named(string name, ResourceAmounts capacity, ResourceAmounts reserved) =>
        State() is var state ? state with { Node = state.Node with { Name = name }, Capacity = capacity, Reserved = reserved } : state;

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
