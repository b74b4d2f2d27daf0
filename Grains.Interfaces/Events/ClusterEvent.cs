using System.Globalization;
using System.Text.Json.Serialization;

namespace Plane;

/// <summary>What happened.</summary>
[JsonConverter(typeof(StrictEnumConverter<ClusterEventKind>))]
public enum ClusterEventKind
{
    /// <summary>A backend reached a state.</summary>
    [JsonStringEnumMemberName("backend")]
    Backend = 1,

    /// <summary>A connection token of a backend was revoked.</summary>
    [JsonStringEnumMemberName("token_revoked")]
    TokenRevoked = 2,

    /// <summary>A drone registered: it is new, or its agent has restarted.</summary>
    [JsonStringEnumMemberName("drone_registered")]
    DroneRegistered = 3,

    /// <summary>A drone takes no new backends from now on.</summary>
    [JsonStringEnumMemberName("drone_drained")]
    DroneDrained = 4,

    /// <summary>A drone takes new backends again.</summary>
    [JsonStringEnumMemberName("drone_undrained")]
    DroneUndrained = 5,

    /// <summary>A service was made or changed, or its signing keys were.</summary>
    [JsonStringEnumMemberName("service")]
    Service = 6,

    /// <summary>A service was deleted.</summary>
    [JsonStringEnumMemberName("service_deleted")]
    ServiceDeleted = 7,
}

/// <summary>Something that happened in a cluster, as <c>GET /ctrl/events</c> has it. Its place in the change log is its id, so events have one order.</summary>
public sealed record ClusterEvent
{
    /// <summary>Its id: read on after it.</summary>
    public required ClusterEventId Id { get; init; }

    /// <summary>When it was stored, by the database's clock.</summary>
    public required DateTimeOffset Time { get; init; }

    /// <summary>What happened.</summary>
    public required ClusterEventKind Kind { get; init; }

    /// <summary>The cluster; none for a service, which is of every cluster.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ClusterName? Cluster { get; init; }

    /// <summary>The drone, or the backend's drone.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public DroneName? Drone { get; init; }

    /// <summary>The backend.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public BackendName? BackendId { get; init; }

    /// <summary>The backend's key, unless the backend was cleaned up since.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public KeyInfo? Key { get; init; }

    /// <summary>The state that the backend reached.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public BackendStatus? Status { get; init; }

    /// <summary>Why it ends or ended; none where it exited by itself.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public TerminationReason? TerminationReason { get; init; }

    /// <summary>How it was ended.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public TerminationKind? TerminationKind { get; init; }

    /// <summary>Whether it exited with an error.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public bool? ExitError { get; init; }

    /// <summary>The service, or the backend's service.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ServiceName? Service { get; init; }
}

/// <summary>The id of an event: a place in the change log, as <c>4711.12</c>.</summary>
/// <param name="Position">The place.</param>
[JsonConverter(typeof(ClusterEventIdJsonConverter))]
public readonly record struct ClusterEventId(LogPosition Position)
{
    /// <summary>What a text must be to be one.</summary>
    public const string Rule = "must be the id of an event, as 4711.12";

    /// <summary>Reads one.</summary>
    /// <param name="text">The text.</param>
    /// <param name="id">The id.</param>
    public static bool TryParse(string? text, out ClusterEventId id)
    {
        id = default;
        if (text?.Split('.') is not [var transaction, var sequence]
            || !long.TryParse(transaction, NumberStyles.None, CultureInfo.InvariantCulture, out var first)
            || !long.TryParse(sequence, NumberStyles.None, CultureInfo.InvariantCulture, out var second))
        {
            return false;
        }

        id = new ClusterEventId(new LogPosition(first, second));
        return true;
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Position.Transaction}.{Position.Sequence}");
}

/// <summary>Events of the change log, in its order.</summary>
public sealed record EventPage
{
    /// <summary>The events, oldest first.</summary>
    public ClusterEvent[] Events { get; init; } = [];

    /// <summary>Read on after this, also where there are no events.</summary>
    public required ClusterEventId Next { get; init; }

    /// <summary>Whether events between what was asked for and the first of these are lost: the log is kept for a day.</summary>
    public bool Gap { get; init; }
}
