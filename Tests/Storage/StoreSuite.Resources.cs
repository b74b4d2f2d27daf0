using Plane.Storage;

namespace Plane.Tests.Storage;

public abstract partial class StoreSuite
{
    private const long GiB = 1L << 30;

    [Fact]
    public async Task What_a_drone_has_comes_with_its_registration_and_its_heartbeats()
    {
        var session = await RegisterAsync();
        Assert.Null(await CapacityAsync());
        var has = new ResourceAmounts { CpuMillis = 2_500, MemoryBytes = 4 * GiB, DiskBytes = ResourceAmounts.Most, Gpus = 2 };
        await HeartbeatAsync(session, has, 6_000);
        Assert.Equal(has, await CapacityAsync());

        // One that says nothing changes nothing.
        await HeartbeatAsync(session, 7_000);
        Assert.Equal(has, await CapacityAsync());
        await HeartbeatAsync(session, new ResourceAmounts(), 8_000);
        Assert.Equal(new ResourceAmounts(), await CapacityAsync());

        await Store.RegisterDroneAsync(Registration() with { Capacity = has }, Controller, default);
        Assert.Equal(has, await CapacityAsync());

        // An older program under the same name says nothing: what its successor had said does not bind it.
        await RegisterAsync();
        Assert.Null(await CapacityAsync());
    }

    [Fact]
    public async Task What_a_backend_reserves_is_taken_until_it_has_ended()
    {
        await RegisterAsync(new ResourceAmounts { CpuMillis = 1_000, MemoryBytes = 4 * GiB, DiskBytes = 8 * GiB, Gpus = 1 });
        var requests = new ResourceRequests { CpuMillis = 600, MemoryBytes = GiB, DiskBytes = 5 * GiB };
        var first = await AcquireAsync(Reserving(requests));
        var taken = new ResourceAmounts { CpuMillis = 600, MemoryBytes = GiB, DiskBytes = 5 * GiB };
        Assert.Equal(taken, await ReservedAsync());
        Assert.Equal(AcquireOutcome.DroneUnfit, (await Store.AcquireAsync(On(Reserving(requests)), default)).Outcome);

        // Nothing is left of one that was refused, and one that reserves nothing is not.
        Assert.Equal(taken, await ReservedAsync());
        await AcquireAsync(Command());
        await AcquireAsync(Reserving(new ResourceRequests { CpuMillis = 400, DiskBytes = 3 * GiB }));
        Assert.Equal(AcquireOutcome.DroneUnfit, (await Store.AcquireAsync(On(Reserving(new ResourceRequests { CpuMillis = 1 })), default)).Outcome);
        Assert.Equal(AcquireOutcome.DroneUnfit, (await Store.AcquireAsync(On(Reserving(new ResourceRequests { DiskBytes = 1 })), default)).Outcome);

        // While it ends it still has what it reserved.
        await ReadyAsync(first.Identity);
        await ApplyAsync(first.Identity, BackendStatus.Terminating);
        Assert.Equal(AcquireOutcome.DroneUnfit, (await Store.AcquireAsync(On(Reserving(requests)), default)).Outcome);
        await ApplyAsync(first.Identity, BackendStatus.Terminated);
        await AcquireAsync(Reserving(requests));
        Assert.Equal(new ResourceAmounts { CpuMillis = 1_000, MemoryBytes = GiB, DiskBytes = 8 * GiB }, await ReservedAsync());
    }

    [Fact]
    public async Task What_a_lost_backend_reserved_is_free_again()
    {
        var session = await RegisterAsync(new ResourceAmounts { MemoryBytes = GiB });
        var key = Key("lost");
        await AcquireAsync(Reserving(new ResourceRequests { MemoryBytes = GiB }, key));
        Assert.Equal(AcquireOutcome.DroneUnfit, (await Store.AcquireAsync(On(Reserving(new ResourceRequests { MemoryBytes = 1 })), default)).Outcome);
        await Harness.AdvanceAsync(Numbers.Expiry + TimeSpan.FromSeconds(1));
        await HeartbeatAsync(session, 90_000);

        // By the sweep, and by the one that acquires its key.
        Assert.Equal(1, await Store.SweepLostAsync(default));
        await AcquireAsync(Reserving(new ResourceRequests { MemoryBytes = GiB }, key));
        await Harness.AdvanceAsync(Numbers.Expiry + TimeSpan.FromSeconds(1));
        await HeartbeatAsync(session, 180_000);
        await AcquireAsync(Reserving(new ResourceRequests { MemoryBytes = GiB }, key));
        Assert.Equal(GiB, (await ReservedAsync()).MemoryBytes);
    }

    [Fact]
    public async Task However_many_acquire_at_once_a_drone_is_never_given_more_than_it_has()
    {
        await RegisterAsync(new ResourceAmounts { CpuMillis = 10_000, MemoryBytes = 100 * GiB, Gpus = 3 });
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 60).Select(async i =>
        {
            // A third each of what CPUs, memory and GPUs bound, and some that reserve nothing.
            var command = (i % 4) switch
            {
                0 => Reserving(new ResourceRequests { CpuMillis = 1_500 }),
                1 => Reserving(new ResourceRequests { MemoryBytes = 30 * GiB }),
                2 => Reserving(null, gpus: 1),
                _ => Command(),
            };
            return (Kind: i % 4, (await Pick(i).AcquireAsync(On(command), default)).Outcome);
        }));
        Assert.All(outcomes, o => Assert.True(o.Outcome is AcquireOutcome.Acquired or AcquireOutcome.DroneUnfit));
        Assert.Equal([6, 3, 3, 15], Enumerable.Range(0, 4).Select(k => outcomes.Count(o => o.Kind == k && o.Outcome == AcquireOutcome.Acquired)));
        Assert.Equal(new ResourceAmounts { CpuMillis = 9_000, MemoryBytes = 90 * GiB, Gpus = 3 }, await ReservedAsync());
        await CalmAsync();
    }

    [Fact]
    public async Task What_ends_and_what_comes_at_the_same_time_keep_within_what_there_is()
    {
        await RegisterAsync(new ResourceAmounts { CpuMillis = 4_000 });
        await Task.WhenAll(Enumerable.Range(0, 8).Select(async worker =>
        {
            for (var i = 0; i < 12; i++)
            {
                var result = await Pick(worker).AcquireAsync(On(Reserving(new ResourceRequests { CpuMillis = 1_000 })), default);
                Assert.InRange((await ReservedAsync(Pick(worker + 1))).CpuMillis, 0, 4_000);
                if (result.Holder is { } holder)
                {
                    await Pick(worker + 1).ApplyStatesAsync(null, [Event(holder.Identity, BackendStatus.Terminated)], default);
                }
            }
        }));
        Assert.Equal(0, (await ReservedAsync()).CpuMillis);
        for (var i = 0; i < 4; i++)
        {
            await AcquireAsync(Reserving(new ResourceRequests { CpuMillis = 1_000 }));
        }

        Assert.Equal(AcquireOutcome.DroneUnfit, (await Store.AcquireAsync(On(Reserving(new ResourceRequests { CpuMillis = 1 })), default)).Outcome);
        await CalmAsync();
    }

    [Fact]
    public async Task What_a_drone_has_less_of_than_is_reserved_is_given_to_no_other_and_more_of_it_at_once()
    {
        var session = await RegisterAsync(new ResourceAmounts { CpuMillis = 4_000, MemoryBytes = 4 * GiB });
        await AcquireAsync(Reserving(new ResourceRequests { CpuMillis = 3_000, MemoryBytes = GiB }));
        await HeartbeatAsync(session, new ResourceAmounts { CpuMillis = 2_000, MemoryBytes = 4 * GiB }, 6_000);
        Assert.Equal(AcquireOutcome.DroneUnfit, (await Store.AcquireAsync(On(Reserving(new ResourceRequests { CpuMillis = 1 })), default)).Outcome);
        await AcquireAsync(Reserving(new ResourceRequests { MemoryBytes = GiB }));
        await HeartbeatAsync(session, new ResourceAmounts { CpuMillis = 5_000, MemoryBytes = 4 * GiB }, 7_000);
        await AcquireAsync(Reserving(new ResourceRequests { CpuMillis = 2_000 }));
        Assert.Equal(AcquireOutcome.DroneUnfit, (await Store.AcquireAsync(On(Reserving(new ResourceRequests { CpuMillis = 1 })), default)).Outcome);
    }

    [Fact]
    public async Task All_GPUs_of_a_drone_are_reserved_by_one_backend()
    {
        var session = await RegisterAsync(new ResourceAmounts { Gpus = 0 });
        Assert.Equal(AcquireOutcome.DroneUnfit, (await Store.AcquireAsync(On(Reserving(null, gpus: -1)), default)).Outcome);
        await HeartbeatAsync(session, new ResourceAmounts { Gpus = 4 }, 6_000);
        var all = await AcquireAsync(Reserving(null, gpus: -1));
        Assert.Equal(4, (await ReservedAsync()).Gpus);
        Assert.Equal(AcquireOutcome.DroneUnfit, (await Store.AcquireAsync(On(Reserving(null, gpus: 1)), default)).Outcome);
        await ApplyAsync(all.Identity, BackendStatus.Terminated);
        await AcquireAsync(Reserving(null, gpus: 1));
        Assert.Equal(AcquireOutcome.DroneUnfit, (await Store.AcquireAsync(On(Reserving(null, gpus: -1)), default)).Outcome);
    }

    [Fact]
    public async Task A_drone_that_does_not_say_what_it_has_is_bounded_by_its_places_alone_and_sums_do_not_overflow()
    {
        await RegisterAsync();
        var most = new ResourceRequests { CpuMillis = ResourceRequests.MostCpuMillis, MemoryBytes = ResourceAmounts.Most, DiskBytes = ResourceAmounts.Most };
        await Task.WhenAll(Enumerable.Range(0, 1_000).Select(i => Pick(i).AcquireAsync(On(Reserving(most, gpus: -1)), default)));
        Assert.Equal(
            new ResourceAmounts { CpuMillis = 1_000 * ResourceRequests.MostCpuMillis, MemoryBytes = ResourceAmounts.Most, DiskBytes = ResourceAmounts.Most }, await ReservedAsync());

        // Full by its places.
        Assert.Empty(await Store.ListCandidatesAsync(Cluster, default));
        Assert.Equal(AcquireOutcome.DroneUnfit, (await Store.AcquireAsync(On(Command()), default)).Outcome);
    }

    [Fact]
    public async Task A_repeated_acquisition_reserves_once()
    {
        await RegisterAsync(new ResourceAmounts { MemoryBytes = GiB });
        var command = Reserving(new ResourceRequests { MemoryBytes = GiB });
        var first = await AcquireAsync(command);
        Assert.Equal(first.Identity, (await AcquireAsync(command)).Identity);
        Assert.Equal(GiB, (await ReservedAsync()).MemoryBytes);
        Assert.Equal(AcquireOutcome.Held, (await Store.AcquireAsync(On(Reserving(new ResourceRequests { MemoryBytes = GiB }, command.Key)), default)).Outcome);
    }

    [Fact]
    public async Task A_candidate_says_what_it_has_and_what_is_reserved_of_it()
    {
        var has = new ResourceAmounts { CpuMillis = 4_000, MemoryBytes = 8 * GiB, DiskBytes = 9 * GiB, Gpus = 2 };
        await RegisterAsync(has);
        await RegisterAsync(DroneName.Parse("dr-two"));
        await AcquireAsync(Reserving(new ResourceRequests { CpuMillis = 100 }, gpus: 1));
        var ended = await AcquireAsync(Reserving(new ResourceRequests { CpuMillis = 100 }));
        await ApplyAsync(ended.Identity, BackendStatus.Terminated);
        var candidates = await Store.ListCandidatesAsync(Cluster, default);
        Assert.Equal([Drone.Value, "dr-two"], candidates.Select(c => c.Drone.Value));
        Assert.Equal((has, new ResourceAmounts { CpuMillis = 100, Gpus = 1 }, 1), (candidates[0].Capacity, candidates[0].Reserved, candidates[0].Backends));
        Assert.Equal((null, ResourceAmounts.None, 0), (candidates[1].Capacity, candidates[1].Reserved, candidates[1].Backends));
    }

    private static ResolvedConnect Reserving(ResourceRequests? requests, KeyConfig? key = null, int? gpus = null) =>
        Command(key, s => s with { Executable = s.Executable with { Image = "board:1", ResourceRequests = requests, Gpus = gpus } });

    private async Task<DroneSession> RegisterAsync(ResourceAmounts capacity) =>
        (await Store.RegisterDroneAsync(Registration() with { Capacity = capacity }, Controller, default)).Session!;

    private async Task HeartbeatAsync(DroneSession session, ResourceAmounts capacity, long reading) => Assert.Equal(
        SessionState.Current,
        await Store.HeartbeatDroneAsync(
            new DroneHeartbeat { Session = session, InstanceId = "instance-1", BootId = "boot-1", Reading = reading, Ready = true, Capacity = capacity }, Controller, default));

    private async Task<ResourceAmounts?> CapacityAsync() => (await Store.ReadClusterAsync(Cluster, default)).Drones.Single().Capacity;

    private async Task<ResourceAmounts> ReservedAsync(IPlaneStore? store = null) => (await (store ?? Store).ReadClusterAsync(Cluster, default)).Drones.Single().Reserved;
}
