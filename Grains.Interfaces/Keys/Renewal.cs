using Orleans;

namespace Plane;

/// <summary>A backend and the acquisition that it runs under: its identity in everything that a drone or a proxy says.</summary>
/// <param name="Backend">The backend.</param>
/// <param name="Token">The fencing token of its key.</param>
[GenerateSerializer, Immutable, Alias("plane.BackendIdentity")]
public readonly record struct BackendIdentity([property: Id(0)] BackendName Backend, [property: Id(1)] FencingToken Token)
{
    /// <summary>What is wrong with a list of identities, or <see langword="null"/>.</summary>
    /// <param name="path">The list in its message.</param>
    /// <param name="identities">The list.</param>
    /// <param name="most">How long it may be.</param>
    public static FieldError? Validate(string path, BackendIdentity[]? identities, int most)
    {
        if (identities is null || identities.Length > most)
        {
            return new FieldError(path, $"must be at most {most} backends");
        }

        var wrong = Array.FindIndex(identities, static i => !i.IsSet);
        return wrong < 0 ? null : new FieldError($"{path}[{wrong}]", "must have a backend and a fencing token");
    }

    /// <summary>Whether both parts are set: a structure may come with neither.</summary>
    internal bool IsSet => Backend != default && Token.Value > 0;
}

/// <summary>A drone's request to renew the keys of backends that it runs.</summary>
[GenerateSerializer, Immutable, Alias("plane.RenewalBatch")]
public sealed record RenewalBatch
{
    /// <summary>The most backends in one batch.</summary>
    public const int MaxItems = 2_000;

    /// <summary>Who asks.</summary>
    [Id(0)]
    public required DroneSession Session { get; init; }

    /// <summary>The drone's instance id.</summary>
    [Id(1)]
    public required string InstanceId { get; init; }

    /// <summary>The boot id of the reading.</summary>
    [Id(2)]
    public required string BootId { get; init; }

    /// <summary>The lease clock's reading in milliseconds, taken before the call was sent.</summary>
    [Id(3)]
    public required long Reading { get; init; }

    /// <summary>What to renew; no backend twice.</summary>
    [Id(4)]
    public required BackendIdentity[] Items { get; init; }

    /// <summary>What is wrong with it, or <see langword="null"/>.</summary>
    public FieldError? Validate() =>
        DroneSession.Validate(Session)
        ?? FieldError.From("instance_id", NameRules.IdProblem(InstanceId))
        ?? FieldError.From("boot_id", NameRules.IdProblem(BootId))
        ?? FieldError.From("reading", NameRules.ReadingProblem(Reading))
        ?? BackendIdentity.Validate("items", Items, MaxItems);
}

/// <summary>What became of a renewal.</summary>
[GenerateSerializer, Alias("plane.RenewalOutcome")]
public enum RenewalOutcome
{
    /// <summary>The lease was prolonged.</summary>
    Renewed,

    /// <summary>Renewal of this key is prevented.</summary>
    Prevented,

    /// <summary>The lease had expired; an expired lease is never revived.</summary>
    Expired,

    /// <summary>No key is held under this identity.</summary>
    Unknown,
}

/// <summary>The answer for one backend of a <see cref="RenewalBatch"/>. Only a statement that ran refuses; any error means "retry".</summary>
[GenerateSerializer, Immutable, Alias("plane.RenewalAnswer")]
public sealed record RenewalAnswer
{
    /// <summary>Which backend and acquisition.</summary>
    [Id(0)]
    public required BackendIdentity Identity { get; init; }

    /// <summary>What became of it.</summary>
    [Id(1)]
    public required RenewalOutcome Outcome { get; init; }

    /// <summary>The new deadlines, where renewed.</summary>
    [Id(2)]
    public LeaseDeadlines? Deadlines { get; init; }
}

/// <summary>The answer to a <see cref="RenewalBatch"/>.</summary>
[GenerateSerializer, Immutable, Alias("plane.RenewalReply")]
public sealed record RenewalReply
{
    /// <summary>Whether the session is still current; where it isn't, nothing was renewed or refused.</summary>
    [Id(0)]
    public required SessionState Session { get; init; }

    /// <summary>One answer per item.</summary>
    [Id(1)]
    public RenewalAnswer[] Answers { get; init; } = [];
}
