using System.Text.Json.Serialization;
using Orleans;

namespace Plane;

/// <summary>What carries out an executable. A drone registers the kinds it runs; placement matches.</summary>
[GenerateSerializer, Alias("plane.ExecutorKind")]
[JsonConverter(typeof(StrictEnumConverter<ExecutorKind>))]
public enum ExecutorKind
{
    /// <summary>A container of a Docker engine.</summary>
    [JsonStringEnumMemberName("docker")]
    Docker = 1,

    /// <summary>A process on the drone's own machine.</summary>
    [JsonStringEnumMemberName("process")]
    Process = 2,
}

/// <summary>When to pull an image.</summary>
[GenerateSerializer, Alias("plane.PullPolicy")]
[JsonConverter(typeof(StrictEnumConverter<PullPolicy>))]
public enum PullPolicy
{
    /// <summary>Only where the engine doesn't have it.</summary>
    IfNotPresent = 0,

    /// <summary>Before every start.</summary>
    Always = 1,

    /// <summary>Never: an image that isn't there ends the backend.</summary>
    Never = 2,
}

/// <summary>
/// What a backend runs. With <see cref="Image"/> it is a Docker executable, with <see cref="Command"/> alone a process one; with both, Docker with that
/// command.
/// </summary>
[GenerateSerializer, Immutable, Alias("plane.Executable")]
public sealed record Executable
{
    /// <summary>The image reference.</summary>
    [Id(0)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Image { get; init; }

    /// <summary>The command and its arguments; for Docker instead of the image's own.</summary>
    [Id(1)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string[]? Command { get; init; }

    /// <summary>When to pull the image.</summary>
    [Id(2)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public PullPolicy? PullPolicy { get; init; }

    /// <summary>For the image's registry.</summary>
    [Id(3)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public RegistryCredentials? Credentials { get; init; }

    /// <summary>Environment variables; those that Plane sets win.</summary>
    [Id(4)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public Dictionary<string, string>? Env { get; init; }

    /// <summary>The directory a process starts in.</summary>
    [Id(5)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? WorkingDirectory { get; init; }

    /// <summary>Limits on what it may use.</summary>
    [Id(6)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ResourceLimits? ResourceLimits { get; init; }

    /// <summary>A directory of the drone to be seen at <c>/plane-data</c>.</summary>
    [Id(7)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public MountRequest? Mount { get; init; }

    /// <summary>The Docker network to attach to.</summary>
    [Id(8)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? NetworkName { get; init; }

    /// <summary>Seconds from the stop signal to the kill, 0 to 600; the lease numbers' grace where not given.</summary>
    [Id(9)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? StopGraceSeconds { get; init; }

    /// <summary>How many GPUs, 1 to 64, or -1 for all.</summary>
    [Id(10)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Gpus { get; init; }

    /// <summary>What is reserved for it on its drone, where that is not as much as <see cref="ResourceLimits"/>.</summary>
    [Id(11)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ResourceRequests? ResourceRequests { get; init; }

    /// <summary>What carries it out.</summary>
    [JsonIgnore]
    public ExecutorKind Kind => Image is null ? ExecutorKind.Process : ExecutorKind.Docker;

    /// <summary>The kind and the image or program: no argument, no environment, no credential.</summary>
    public override string ToString() => Image is not null ? $"docker {Image}" : $"process {Command?.FirstOrDefault()}";
}

/// <summary>User and password for an image's registry.</summary>
[GenerateSerializer, Immutable, Alias("plane.RegistryCredentials")]
public sealed record RegistryCredentials
{
    /// <summary>The user.</summary>
    [Id(0)]
    public required string Username { get; init; }

    /// <summary>The password: never printed.</summary>
    [Id(1)]
    public required string Password { get; init; }

    /// <summary>The user alone.</summary>
    public override string ToString() => $"{Username}:(password)";
}

/// <summary>Limits on what a backend may use. Docker only.</summary>
[GenerateSerializer, Immutable, Alias("plane.ResourceLimits")]
public sealed record ResourceLimits
{
    /// <summary>The scheduler's period in microseconds, 1,000 to 1,000,000; 100,000 where only the percentage is given.</summary>
    [Id(0)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? CpuPeriod { get; init; }

    /// <summary>Per cent of one core in each period; 200 is two cores.</summary>
    [Id(1)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? CpuPeriodPercent { get; init; }

    /// <summary>Seconds of CPU time in all.</summary>
    [Id(2)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? CpuTimeLimit { get; init; }

    /// <summary>Bytes of memory.</summary>
    [Id(3)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? MemoryLimitBytes { get; init; }

    /// <summary>Bytes of the container's writable layer.</summary>
    [Id(4)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? DiskLimitBytes { get; init; }

    /// <summary><see cref="CpuPeriodPercent"/> in thousandths of a core.</summary>
    [JsonIgnore]
    public long? CpuMillis => CpuPeriodPercent * 10L;
}
