using Orleans;

namespace Plane;

/// <summary>Amounts of what drones have and backends reserve.</summary>
[GenerateSerializer, Immutable, Alias("plane.ResourceAmounts")]
public sealed record ResourceAmounts
{
    /// <summary>The greatest amount of anything: sums of it over all backends of a drone are compared exactly.</summary>
    public const long Most = NameRules.MaxExact;

    /// <summary>The most GPUs of a drone.</summary>
    public const int MostGpus = 1_024;

    /// <summary>As <see cref="Gpus"/> of what a backend needs: all that its drone has.</summary>
    public const int AllGpus = -1;

    /// <summary>Nothing of anything.</summary>
    public static ResourceAmounts None { get; } = new();

    /// <summary>Thousandths of a core.</summary>
    [Id(0)]
    public long CpuMillis { get; init; }

    /// <summary>Bytes of memory.</summary>
    [Id(1)]
    public long MemoryBytes { get; init; }

    /// <summary>Bytes of disk.</summary>
    [Id(2)]
    public long DiskBytes { get; init; }

    /// <summary>GPUs.</summary>
    [Id(3)]
    public int Gpus { get; init; }

    /// <summary>What a backend reserves on its drone: its requests, and its limits where it requests nothing.</summary>
    /// <param name="executable">What it runs, checked by <see cref="ConnectRules"/>.</param>
    public static ResourceAmounts Of(Executable executable)
    {
        ArgumentNullException.ThrowIfNull(executable);
        var (requests, limits) = (executable.ResourceRequests, executable.ResourceLimits);
        return requests is null && limits is null && executable.Gpus is null ? None : new ResourceAmounts
        {
            CpuMillis = requests?.CpuMillis ?? limits?.CpuMillis ?? 0,

            // A limit may be greater than anything that there is.
            MemoryBytes = Math.Min(Most, requests?.MemoryBytes ?? limits?.MemoryLimitBytes ?? 0),
            DiskBytes = Math.Min(Most, requests?.DiskBytes ?? limits?.DiskLimitBytes ?? 0),
            Gpus = executable.Gpus ?? 0,
        };
    }

    /// <summary>The sum; no part of it is more than <see cref="Most"/>.</summary>
    /// <param name="more">What is added; all GPUs count as none.</param>
    public ResourceAmounts Plus(ResourceAmounts more)
    {
        ArgumentNullException.ThrowIfNull(more);
        return new ResourceAmounts
        {
            CpuMillis = Math.Min(Most, CpuMillis + more.CpuMillis),
            MemoryBytes = Math.Min(Most, MemoryBytes + more.MemoryBytes),
            DiskBytes = Math.Min(Most, DiskBytes + more.DiskBytes),
            Gpus = Gpus + Math.Max(0, more.Gpus),
        };
    }

    /// <summary>What is wrong with what a drone says that it has, or <see langword="null"/>.</summary>
    /// <param name="path">Its path in the message.</param>
    internal FieldError? Validate(string path) =>
        FieldError.From($"{path}.cpu_millis", Problem(CpuMillis, Most))
        ?? FieldError.From($"{path}.memory_bytes", Problem(MemoryBytes, Most))
        ?? FieldError.From($"{path}.disk_bytes", Problem(DiskBytes, Most))
        ?? FieldError.From($"{path}.gpus", Problem(Gpus, MostGpus));

    private static string? Problem(long amount, long most) => amount < 0 || amount > most ? $"must be from 0 to {most}" : null;
}
