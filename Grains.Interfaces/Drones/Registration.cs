using Orleans;
using Orleans.Runtime;

namespace Plane;

/// <summary>The registration under which a drone speaks. Every call of a drone carries it; a newer registration of the same name replaces it.</summary>
/// <param name="Cluster">The cluster.</param>
/// <param name="Drone">The drone.</param>
/// <param name="Number">Grows with every registration of the name.</param>
[GenerateSerializer, Immutable, Alias("plane.DroneSession")]
public sealed record DroneSession([property: Id(0)] ClusterName Cluster, [property: Id(1)] DroneName Drone, [property: Id(2)] long Number)
{
    /// <summary>What is wrong with it, or <see langword="null"/>.</summary>
    /// <param name="session">The session.</param>
    public static FieldError? Validate(DroneSession? session) =>
        session is null ? new FieldError("session", "must be given")
        : FieldError.From("session.cluster", NameRules.NameProblem(session.Cluster))
            ?? FieldError.From("session.drone", NameRules.NameProblem(session.Drone))
            ?? FieldError.From("session.number", session.Number < 1 ? "must be positive" : null);
}

/// <summary>Whether a session is still current.</summary>
[GenerateSerializer, Alias("plane.SessionState")]
public enum SessionState
{
    /// <summary>It is current.</summary>
    Current,

    /// <summary>A newer registration of the name replaced it: a drone that still uses the old one must stop.</summary>
    Replaced,

    /// <summary>The controller does not know the drone (any more): it must register.</summary>
    Unknown,
}

/// <summary>What a drone says of itself.</summary>
[GenerateSerializer, Immutable, Alias("plane.DroneRegistration")]
public sealed record DroneRegistration
{
    /// <summary>The cluster it serves.</summary>
    [Id(0)]
    public required ClusterName Cluster { get; init; }

    /// <summary>Its name.</summary>
    [Id(1)]
    public required DroneName Name { get; init; }

    /// <summary>Its pool.</summary>
    [Id(2)]
    public string Pool { get; init; } = "";

    /// <summary>The random id of its state file: tells the same drone come back from another under the same name.</summary>
    [Id(3)]
    public required string InstanceId { get; init; }

    /// <summary>The boot id of <see cref="Reading"/>.</summary>
    [Id(4)]
    public required string BootId { get; init; }

    /// <summary>Its lease clock in milliseconds.</summary>
    [Id(5)]
    public required long Reading { get; init; }

    /// <summary>What it can run now; what is unavailable for the moment follows with the first heartbeat.</summary>
    [Id(6)]
    public required ExecutorKind[] Kinds { get; init; }

    /// <summary>The most backends that it runs at a time, 1 to 100,000.</summary>
    [Id(7)]
    public required int MaxBackends { get; init; }

    /// <summary>The program's version.</summary>
    [Id(8)]
    public required string Version { get; init; }

    /// <summary>The program's source revision.</summary>
    [Id(9)]
    public string Hash { get; init; } = "";

    /// <summary>The installation that its backends belong to; null on its first registration. Another database's controller refuses it.</summary>
    [Id(10)]
    public string? InstallationId { get; init; }

    /// <summary>False while it cannot take actions.</summary>
    [Id(11)]
    public bool Ready { get; init; } = true;

    /// <summary>
    /// The number of the last action that it applied, 0 where none; at most <see cref="MaxAction"/>. A controller whose database went back (a restored backup)
    /// continues counting from it.
    /// </summary>
    [Id(12)]
    public long LastAction { get; init; }

    /// <summary>What its backends may reserve; null from a drone that does not say: then <see cref="MaxBackends"/> alone bounds it.</summary>
    [Id(13)]
    public ResourceAmounts? Capacity { get; init; }

    /// <summary>The greatest number of an action.</summary>
    public const long MaxAction = NameRules.MaxExact;

    /// <summary>The most backends that a drone may say it runs.</summary>
    public const int MaxBackendsLimit = 100_000;

    /// <summary>What is wrong with it, or <see langword="null"/>.</summary>
    public FieldError? Validate() =>
        FieldError.From("cluster", NameRules.NameProblem(Cluster))
        ?? FieldError.From("name", NameRules.NameProblem(Name))
        ?? FieldError.From("pool", NameRules.TextProblem(Pool, 0))
        ?? FieldError.From("instance_id", NameRules.IdProblem(InstanceId))
        ?? FieldError.From("boot_id", NameRules.IdProblem(BootId))
        ?? FieldError.From("reading", NameRules.ReadingProblem(Reading))
        ?? FieldError.From("kinds", KindsProblem(Kinds))
        ?? FieldError.From("max_backends", MaxBackends is < 1 or > MaxBackendsLimit ? $"must be from 1 to {MaxBackendsLimit}" : null)
        ?? FieldError.From("version", NameRules.TextProblem(Version, 1))
        ?? FieldError.From("hash", NameRules.TextProblem(Hash, 0))
        ?? FieldError.From("last_action", LastAction is < 0 or > MaxAction ? $"must be from 0 to {MaxAction}" : null)
        ?? FieldError.From("installation_id", InstallationId is null ? null : NameRules.IdProblem(InstallationId))
        ?? Capacity?.Validate("capacity");

    internal static string? KindsProblem(ExecutorKind[]? kinds) =>
        kinds is not { Length: > 0 } ? "must name at least one kind of executable"
        : !kinds.All(Enum.IsDefined) ? "must be known kinds of executables"
        : kinds.Distinct().Count() != kinds.Length ? "must name no kind twice"
        : null;
}

/// <summary>What became of a registration.</summary>
[GenerateSerializer, Alias("plane.RegistrationOutcome")]
public enum RegistrationOutcome
{
    /// <summary>Registered.</summary>
    Accepted,

    /// <summary>Another instance under this name was heard of within <see cref="LeaseOptions.HeartbeatFresh"/>.</summary>
    NameInUse,

    /// <summary>The drone's backends belong to another installation.</summary>
    ForeignInstallation,

    /// <summary>The registration breaks a rule; the message says which.</summary>
    Invalid,
}

/// <summary>The answer to a registration.</summary>
[GenerateSerializer, Immutable, Alias("plane.RegistrationReply")]
public sealed record RegistrationReply
{
    /// <summary>What became of it.</summary>
    [Id(0)]
    public required RegistrationOutcome Outcome { get; init; }

    /// <summary>In words, where refused.</summary>
    [Id(1)]
    public string? Message { get; init; }

    /// <summary>The session to speak under, where accepted.</summary>
    [Id(2)]
    public DroneSession? Session { get; init; }

    /// <summary>The installation.</summary>
    [Id(3)]
    public string? InstallationId { get; init; }

    /// <summary>The lease numbers to live by.</summary>
    [Id(4)]
    public LeaseOptions? Numbers { get; init; }
}

/// <summary>A drone's sign of life.</summary>
[GenerateSerializer, Immutable, Alias("plane.DroneHeartbeat")]
public sealed record DroneHeartbeat
{
    /// <summary>Who speaks.</summary>
    [Id(0)]
    public required DroneSession Session { get; init; }

    /// <summary>Its instance id.</summary>
    [Id(1)]
    public required string InstanceId { get; init; }

    /// <summary>The boot id of the reading.</summary>
    [Id(2)]
    public required string BootId { get; init; }

    /// <summary>Its lease clock in milliseconds, taken before the call was sent.</summary>
    [Id(3)]
    public required long Reading { get; init; }

    /// <summary>False while it cannot take actions (disk full, runtime away).</summary>
    [Id(4)]
    public required bool Ready { get; init; }

    /// <summary>What it can run now, or null from a drone that does not say: then what it registered counts.</summary>
    [Id(5)]
    public ExecutorKind[]? Kinds { get; init; }

    /// <summary>What it is meant to run and cannot now, because the runtime does not answer. Together with <see cref="Kinds"/>.</summary>
    [Id(6)]
    public ExecutorKind[]? UnavailableKinds { get; init; }

    /// <summary>The address of its <see cref="IDroneInspector"/>, or null from a drone that has none.</summary>
    [Id(7)]
    public string? Inspector { get; init; }

    /// <summary>Whether it can run warm backends: it knows what a claim is. One that does not say so is given neither.</summary>
    [Id(8)]
    public bool TakesClaims { get; init; }

    /// <summary>What its backends may reserve now, or null from a drone that does not say: then what it registered counts.</summary>
    [Id(9)]
    public ResourceAmounts? Capacity { get; init; }

    /// <summary>The longest address.</summary>
    public const int MaxInspector = 255;

    /// <summary>What is wrong with it, or <see langword="null"/>.</summary>
    public FieldError? Validate() =>
        DroneSession.Validate(Session)
        ?? FieldError.From("instance_id", NameRules.IdProblem(InstanceId))
        ?? FieldError.From("boot_id", NameRules.IdProblem(BootId))
        ?? FieldError.From("reading", NameRules.ReadingProblem(Reading))
        ?? FieldError.From("kinds", Kinds is null ? null : DroneRegistration.KindsProblem(Kinds))
        ?? FieldError.From("unavailable_kinds", UnavailableProblem())
        ?? FieldError.From("inspector", Inspector is null || IsClientObject(Inspector) ? null : "must be the address of an object of a cluster client")
        ?? Capacity?.Validate("capacity");

    // Anything else would let a drone name a grain, which controllers then call for it.
    private static bool IsClientObject(string address) =>
        address.Length <= MaxInspector && address.All(c => c is > ' ' and <= '~') && GrainId.TryParse(address, null, out var id) && id.IsClient();

    private string? UnavailableProblem() => UnavailableKinds switch
    {
        null or [] => null,
        _ when Kinds is null => "must come with kinds",
        var unavailable => DroneRegistration.KindsProblem(unavailable) ?? (unavailable.Intersect(Kinds).Any() ? "must not be among kinds" : null),
    };
}
