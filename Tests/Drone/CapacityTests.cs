using Plane.DroneHost;
using Plane.DroneHost.Runtimes;
using Plane.Hosting.Configuration;
using Plane.Testing;

namespace Plane.Tests.Drone;

/// <summary>What a drone says that its backends may reserve.</summary>
public sealed class CapacityTests
{
    private const long GiB = 1L << 30;

    [Fact]
    public async Task A_drone_reports_what_its_machine_has()
    {
        await using var drone = await DroneUnderTest.StartedAsync();
        var has = drone.Controller.Registrations.First().Capacity!;
        Assert.Equal(Environment.ProcessorCount * 1_000, has.CpuMillis);
        Assert.InRange(has.MemoryBytes, GiB / 4, ResourceAmounts.Most);
        Assert.InRange(has.DiskBytes, GiB / 4, ResourceAmounts.Most);
        Assert.Equal(0, has.Gpus);
        Assert.Equal(has, drone.Controller.Heartbeats.First().Capacity);
    }

    [Fact]
    public async Task What_the_runtime_says_of_its_machine_goes_before_this_one_and_options_before_both()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d =>
        {
            d.Runtime.Resources = () => new RuntimeResources { CpuMillis = 64_000, MemoryBytes = 500 * GiB, Gpus = 4 };
            (d.Options.Disk, d.Options.CpuOvercommit, d.Options.MemoryOvercommit) = (new ByteSize(7 * GiB), 2.5, 0.5);
        });
        var expected = new ResourceAmounts { CpuMillis = 160_000, MemoryBytes = 250 * GiB, DiskBytes = 7 * GiB, Gpus = 4 };
        await Eventually.TrueAsync(() => drone.Controller.Heartbeats.Any(h => h.Capacity == expected), "a heartbeat says what the runtime has");
    }

    [Fact]
    public async Task Options_are_taken_as_they_are()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d =>
        {
            d.Runtime.Resources = () => new RuntimeResources { CpuMillis = 64_000, MemoryBytes = 500 * GiB, Gpus = 4 };
            (d.Options.Cpus, d.Options.Memory, d.Options.Disk, d.Options.Gpus) = (1.25, new ByteSize(3 * GiB), new ByteSize(0), 0);
        });
        var expected = new ResourceAmounts { CpuMillis = 1_250, MemoryBytes = 3 * GiB };
        Assert.Equal(expected, drone.Controller.Registrations.Last().Capacity);
        Assert.All(drone.Controller.Heartbeats, h => Assert.Equal(expected, h.Capacity));
    }

    [Fact]
    public async Task A_runtime_that_does_not_answer_leaves_what_is_known()
    {
        await using var drone = await DroneUnderTest.StartedAsync(d => d.Runtime.Resources = () => throw new RuntimeUnavailableException("away for the test"));
        Assert.Equal(Environment.ProcessorCount * 1_000, drone.Controller.Heartbeats.Last().Capacity!.CpuMillis);
        await Eventually.TrueAsync(() => drone.Log.Contains("away for the test"), "the reason is logged");
    }

    [Theory]
    [InlineData(-1.0, 1.0, 1.0, 0, "--cpus")]
    [InlineData(double.NaN, 1.0, 1.0, 0, "--cpus")]
    [InlineData(double.PositiveInfinity, 1.0, 1.0, 0, "--cpus")]
    [InlineData(1_000_001.0, 1.0, 1.0, 0, "--cpus")]
    [InlineData(1.0, 0.0, 1.0, 0, "--cpu-overcommit")]
    [InlineData(1.0, double.NaN, 1.0, 0, "--cpu-overcommit")]
    [InlineData(1.0, 1.0, 101.0, 0, "--memory-overcommit")]
    [InlineData(1.0, 1.0, -1.0, 0, "--memory-overcommit")]
    [InlineData(1.0, 1.0, 1.0, -1, "--gpus")]
    [InlineData(1.0, 1.0, 1.0, 1_025, "--gpus")]
    public void Amounts_that_make_no_sense_are_refused(double cpus, double cpuOvercommit, double memoryOvercommit, int gpus, string option)
    {
        var options = new DroneOptions { Cluster = "a.example", Cpus = cpus, CpuOvercommit = cpuOvercommit, MemoryOvercommit = memoryOvercommit, Gpus = gpus };
        Assert.StartsWith(option, Assert.Single(new DroneOptionsValidator().Problems(options)), StringComparison.Ordinal);
    }

    [Fact]
    public void The_greatest_machine_overcommitted_is_not_too_much()
    {
        var registration = new ResourceAmounts { CpuMillis = ResourceAmounts.Most, MemoryBytes = ResourceAmounts.Most, DiskBytes = ResourceAmounts.Most, Gpus = ResourceAmounts.MostGpus };
        Assert.Null(Heartbeat(registration).Validate());
        Assert.Equal("capacity.cpu_millis", Heartbeat(registration with { CpuMillis = -1 }).Validate()?.Path);
        Assert.Equal("capacity.memory_bytes", Heartbeat(registration with { MemoryBytes = ResourceAmounts.Most + 1 }).Validate()?.Path);
        Assert.Equal("capacity.disk_bytes", Heartbeat(registration with { DiskBytes = long.MinValue }).Validate()?.Path);
        Assert.Equal("capacity.gpus", Heartbeat(registration with { Gpus = ResourceAmounts.AllGpus }).Validate()?.Path);
    }

    [Theory]
    [InlineData("0", 0)]
    [InlineData("1073741824", GiB)]
    [InlineData("512MiB", GiB / 2)]
    [InlineData("1.5 GiB", GiB * 3 / 2)]
    [InlineData("2TB", 2_000_000_000_000)]
    [InlineData("1kB", 1_000)]
    [InlineData("7B", 7)]
    [InlineData("8PiB", 1L << 53)]
    public void Amounts_of_bytes_are_read(string text, long bytes)
    {
        Assert.True(ByteSize.TryParse(text, out var size));
        Assert.Equal(bytes, size.Bytes);
    }

    [Theory]
    [InlineData("")]
    [InlineData("-1")]
    [InlineData("1e3")]
    [InlineData("NaN")]
    [InlineData("Infinity")]
    [InlineData("GiB")]
    [InlineData("1 G")]
    [InlineData("1gib")]
    [InlineData("0x10")]
    [InlineData("9PiB")]
    [InlineData("99999999999999999999999999999999999")]
    public void What_is_no_amount_of_bytes_is_refused(string text) => Assert.False(ByteSize.TryParse(text, out _));

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(1_023, "1023 B")]
    [InlineData(GiB, "1 GiB")]
    [InlineData(GiB * 5 / 4, "1.25 GiB")]
    [InlineData(1L << 53, "8 PiB")]
    public void Amounts_of_bytes_are_shown_with_a_unit(long bytes, string text) => Assert.Equal(text, new ByteSize(bytes).ToString());

    private static DroneHeartbeat Heartbeat(ResourceAmounts capacity) => new()
    {
        Session = new DroneSession(ClusterName.Parse("a.example"), DroneName.Parse("dr-a"), 1), InstanceId = "i", BootId = "b", Reading = 1, Ready = true, Capacity = capacity,
    };
}
