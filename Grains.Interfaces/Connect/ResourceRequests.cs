using System.Text.Json.Serialization;
using Orleans;

namespace Plane;

/// <summary>
/// What is reserved for a backend on its drone, so that the drone is given no more than it has. Of what is not given, as much as its limit
/// (<see cref="ResourceLimits"/>) is reserved; without a limit, nothing. GPUs are always reserved (<see cref="Executable.Gpus"/>).
/// </summary>
[GenerateSerializer, Immutable, Alias("plane.ResourceRequests")]
public sealed record ResourceRequests
{
    /// <summary>The most thousandths of a core: as many as the greatest limit has.</summary>
    public const long MostCpuMillis = 1_000_000;

    /// <summary>Thousandths of a core, 0 to <see cref="MostCpuMillis"/>. In Docker they are the container's weight where the CPUs are busy.</summary>
    [Id(0)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? CpuMillis { get; init; }

    /// <summary>Bytes of memory, 0 to <see cref="ResourceAmounts.Most"/>. In Docker the engine takes memory from other containers first.</summary>
    [Id(1)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? MemoryBytes { get; init; }

    /// <summary>Bytes of disk, 0 to <see cref="ResourceAmounts.Most"/>.</summary>
    [Id(2)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? DiskBytes { get; init; }
}
