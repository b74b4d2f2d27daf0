using System.Text.Json;
using System.Text.Json.Serialization;

namespace Plane.Drone.Runtimes.Docker;

// What we read and write of the Engine API 1.41, under its own names (docs.docker.com/reference/api/engine/version/v1.41).
#pragma warning disable SA1402, CA1812 // One idea: the messages of one API; made by the serialiser.

internal sealed record EngineVersion(string? ApiVersion, [property: JsonPropertyName("MinAPIVersion")] string? MinApiVersion);

internal sealed record EngineInfo(Dictionary<string, JsonElement>? Runtimes, bool LiveRestoreEnabled);

internal sealed record EngineError([property: JsonPropertyName("message")] string? Message);

internal sealed record Nothing;

internal sealed record ContainerSpec
{
    public required string Image { get; init; }

    public required string[] Env { get; init; }

    public string[]? Cmd { get; init; }

    public required Dictionary<string, string> Labels { get; init; }

    public required Dictionary<string, Nothing> ExposedPorts { get; init; }

    public required HostConfig HostConfig { get; init; }
}

internal sealed record HostConfig
{
    public required Dictionary<string, PortBinding[]> PortBindings { get; init; }

    public long? Memory { get; init; }

    public long? MemorySwap { get; init; }

    public long? CpuPeriod { get; init; }

    public long? CpuQuota { get; init; }

    public Ulimit[]? Ulimits { get; init; }

    public Dictionary<string, string>? StorageOpt { get; init; }

    public BindMount[]? Mounts { get; init; }

    public required LogConfig LogConfig { get; init; }

    public string? Runtime { get; init; }

    public required bool Init { get; init; }

    public required string[] SecurityOpt { get; init; }

    public required long PidsLimit { get; init; }

    public required RestartPolicy RestartPolicy { get; init; }

    public DeviceRequest[]? DeviceRequests { get; init; }

    public string? NetworkMode { get; init; }
}

internal sealed record PortBinding(string HostIp, string HostPort);

internal sealed record Ulimit(string Name, long Soft, long Hard);

internal sealed record BindMount(string Type, string Source, string Target);

internal sealed record LogConfig(string Type, Dictionary<string, string> Config);

internal sealed record RestartPolicy(string Name);

internal sealed record DeviceRequest(int Count, string[][] Capabilities);

internal sealed record CreatedContainer(string? Id);

internal sealed record ContainerDetails
{
    public string Id { get; init; } = "";

    public ContainerState? State { get; init; }

    public ContainerConfig? Config { get; init; }

    public InspectedHostConfig? HostConfig { get; init; }

    public NetworkSettings? NetworkSettings { get; init; }
}

internal sealed record ContainerState
{
    public string? Status { get; init; }

    public bool Running { get; init; }

    [JsonPropertyName("OOMKilled")]
    public bool OomKilled { get; init; }

    public int Pid { get; init; }

    public int ExitCode { get; init; }

    public string? Error { get; init; }

    public DateTimeOffset StartedAt { get; init; }

    public DateTimeOffset FinishedAt { get; init; }
}

internal sealed record ContainerConfig(Dictionary<string, string>? Labels, string? StopSignal);

internal sealed record InspectedHostConfig(Dictionary<string, PortBinding[]?>? PortBindings);

internal sealed record NetworkSettings(Dictionary<string, PortBinding[]?>? Ports);

internal sealed record PrunedImages(long SpaceReclaimed);

internal sealed record ListedContainer
{
    public string Id { get; init; } = "";

    public string? State { get; init; }

    public string? Status { get; init; }

    public long Created { get; init; }

    public Dictionary<string, string>? Labels { get; init; }

    public string[]? Names { get; init; }

    public ListedPort[]? Ports { get; init; }
}

internal sealed record ListedPort([property: JsonPropertyName("IP")] string? Ip, int PrivatePort, int PublicPort);

internal sealed record WaitAnswer(int StatusCode);

internal sealed record EngineEvent
{
    public string? Action { get; init; }

    public EventActor? Actor { get; init; }

    [JsonPropertyName("timeNano")]
    public long TimeNano { get; init; }
}

internal sealed record EventActor([property: JsonPropertyName("ID")] string? Id, Dictionary<string, string>? Attributes);

internal sealed record PullMessage
{
    [JsonPropertyName("status")]
    public string? Status { get; init; }

    [JsonPropertyName("id")]
    public string? Id { get; init; }

    [JsonPropertyName("progressDetail")]
    public PullProgress? Progress { get; init; }

    [JsonPropertyName("error")]
    public string? Error { get; init; }

    [JsonPropertyName("errorDetail")]
    public EngineError? ErrorDetail { get; init; }
}

internal sealed record PullProgress([property: JsonPropertyName("current")] long Current, [property: JsonPropertyName("total")] long Total);

internal sealed record RegistryAuth(
    [property: JsonPropertyName("username")] string Username,
    [property: JsonPropertyName("password")] string Password,
    [property: JsonPropertyName("serveraddress")] string ServerAddress);

internal sealed record ContainerStats
{
    [JsonPropertyName("cpu_stats")]
    public CpuStats? Cpu { get; init; }

    [JsonPropertyName("memory_stats")]
    public MemoryStats? Memory { get; init; }
}

internal sealed record CpuStats([property: JsonPropertyName("cpu_usage")] CpuUsage? Usage);

internal sealed record CpuUsage([property: JsonPropertyName("total_usage")] ulong Total);

internal sealed record MemoryStats([property: JsonPropertyName("usage")] ulong Usage, [property: JsonPropertyName("stats")] Dictionary<string, JsonElement>? Stats);

[JsonSourceGenerationOptions(DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(EngineVersion))]
[JsonSerializable(typeof(EngineInfo))]
[JsonSerializable(typeof(EngineError))]
[JsonSerializable(typeof(ContainerSpec))]
[JsonSerializable(typeof(CreatedContainer))]
[JsonSerializable(typeof(ContainerDetails))]
[JsonSerializable(typeof(ListedContainer[]))]
[JsonSerializable(typeof(PrunedImages))]
[JsonSerializable(typeof(WaitAnswer))]
[JsonSerializable(typeof(EngineEvent))]
[JsonSerializable(typeof(PullMessage))]
[JsonSerializable(typeof(RegistryAuth))]
[JsonSerializable(typeof(ContainerStats))]
[JsonSerializable(typeof(Dictionary<string, string[]>))]
internal sealed partial class DockerJson : JsonSerializerContext;
