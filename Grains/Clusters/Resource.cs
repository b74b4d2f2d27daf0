using System.Globalization;

namespace Plane.Grains.Clusters;

/// <summary>What backends reserve on drones.</summary>
internal enum Resource
{
    Cpu,
    Memory,
    Disk,
    Gpus,
}

/// <summary>Amounts of one resource: compared, and in words.</summary>
internal static class ResourceExtensions
{
    private const double MiB = 1 << 20;
    private const double GiB = 1 << 30;

    /// <summary>All of them.</summary>
    public static IReadOnlyList<Resource> All { get; } = Enum.GetValues<Resource>();

    /// <summary>The amount of one.</summary>
    public static long Of(this ResourceAmounts amounts, Resource resource) => resource switch
    {
        Resource.Cpu => amounts.CpuMillis,
        Resource.Memory => amounts.MemoryBytes,
        Resource.Disk => amounts.DiskBytes,
        _ => amounts.Gpus,
    };

    /// <summary>How much of it a drone must have free for what is asked for: all GPUs are as many as it has, and at least one.</summary>
    public static long NeededOn(this ResourceAmounts requests, ResourceAmounts capacity, Resource resource) =>
        resource == Resource.Gpus && requests.Gpus == ResourceAmounts.AllGpus ? Math.Max(1, capacity.Gpus) : requests.Of(resource);

    /// <summary>The resources of which what is asked for needs more than there is free.</summary>
    /// <param name="requests">What is asked for.</param>
    /// <param name="capacity">What the drone has; null where that is not known, and nothing is short.</param>
    /// <param name="reserved">What is reserved of it.</param>
    public static IEnumerable<Resource> ShortOn(this ResourceAmounts requests, ResourceAmounts? capacity, ResourceAmounts reserved) =>
        capacity is null ? [] : All.Where(r => requests.NeededOn(capacity, r) is > 0 and var needed && needed > capacity.Of(r) - reserved.Of(r));

    /// <summary>What is needed, in words, as <c>4 GiB of memory</c>. Rounded up, so that it is not shown as what there is of it.</summary>
    public static string Need(this Resource resource, long amount) => resource switch
    {
        Resource.Cpu => string.Create(CultureInfo.InvariantCulture, $"{amount / 1000.0:0.###} {(amount == 1_000 ? "CPU" : "CPUs")}"),
        Resource.Memory => $"{Bytes(amount, Math.Ceiling)} of memory",
        Resource.Disk => $"{Bytes(amount, Math.Ceiling)} of disk",
        _ => string.Create(CultureInfo.InvariantCulture, $"{amount} {(amount == 1 ? "GPU" : "GPUs")}"),
    };

    /// <summary>What there is, as <c>2.1 GiB</c>. Rounded down.</summary>
    public static string Amount(this Resource resource, long amount) => resource switch
    {
        Resource.Cpu => string.Create(CultureInfo.InvariantCulture, $"{amount / 1000.0:0.###}"),
        Resource.Gpus => string.Create(CultureInfo.InvariantCulture, $"{amount}"),
        _ => Bytes(amount, Math.Floor),
    };

    /// <summary>Its name after an amount.</summary>
    public static string Noun(this Resource resource) => resource switch
    {
        Resource.Cpu => "CPUs",
        Resource.Memory => "of memory",
        Resource.Disk => "of disk",
        _ => "GPUs",
    };

    private static string Bytes(long bytes, Func<double, double> round) =>
        bytes < MiB ? string.Create(CultureInfo.InvariantCulture, $"{bytes} bytes")
        : bytes < GiB ? string.Create(CultureInfo.InvariantCulture, $"{round(bytes / MiB * 10) / 10:0.#} MiB")
        : string.Create(CultureInfo.InvariantCulture, $"{round(bytes / GiB * 10) / 10:0.#} GiB");
}
