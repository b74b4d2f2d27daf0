namespace Plane.Storage;

/// <summary>What backends reserve on drones.</summary>
public enum Resource
{
    /// <summary>Processor time.</summary>
    Cpu,

    /// <summary>Memory.</summary>
    Memory,

    /// <summary>Disk space.</summary>
    Disk,

    /// <summary>GPUs.</summary>
    Gpus,
}

/// <summary>Amounts of one resource, compared.</summary>
public static class ResourceExtensions
{
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
}
