using System.Text.Json.Serialization;
using Orleans;

namespace Plane;

/// <summary>The body of <c>POST /ctrl/connect</c>. At least one of key, spawn config and service is given. Validated by <see cref="ConnectRules"/>.</summary>
[GenerateSerializer, Immutable, Alias("plane.ConnectRequest")]
public sealed record ConnectRequest
{
    /// <summary>The key to connect to; a random one where not given.</summary>
    [Id(0)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public KeyConfig? Key { get; init; }

    /// <summary>How to start a backend where none holds the key.</summary>
    [Id(1)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public SpawnConfig? SpawnConfig { get; init; }

    /// <summary>Who connects; the backend sees it as <c>x-verified-username</c>.</summary>
    [Id(2)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? User { get; init; }

    /// <summary>A JSON object that the backend sees as <c>x-verified-user-data</c>; passed through.</summary>
    [Id(3)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JsonText? Auth { get; init; }

    /// <summary>
    /// How long to wait, 0 to <see cref="ConnectRules.MaxWaitSeconds"/>, where a backend would have to be started: for a holder that is ending, and for a drone that
    /// is free. Without it, or when the time is over, the response is the holder's, with its status, or the refusal.
    /// </summary>
    [Id(4)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? WaitSeconds { get; init; }

    /// <summary>
    /// The request's own id, chosen by the caller. For <see cref="RequestIdentity.Kept"/> a repeat with the same id and body gets the first one's answer, the
    /// same token included; with another body it is refused.
    /// </summary>
    [Id(5)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? RequestId { get; init; }

    /// <summary>
    /// The service whose spawn config starts a backend where none holds the key; instead of <see cref="SpawnConfig"/>. The key is one of the service's namespaces
    /// (<see cref="ServiceKeys.Within"/>).
    /// </summary>
    [Id(6)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ServiceName? Service { get; init; }
}
