using System.Text.Json.Serialization;
using Orleans;

namespace Plane;

/// <summary>How far a drone is with an image that it pulls before it is needed.</summary>
[GenerateSerializer, Alias("plane.ImageStatus")]
[JsonConverter(typeof(StrictEnumConverter<ImageStatus>))]
public enum ImageStatus
{
    /// <summary>It waits for its turn.</summary>
    [JsonStringEnumMemberName("pending")]
    Pending = 1,

    /// <summary>It is being pulled.</summary>
    [JsonStringEnumMemberName("pulling")]
    Pulling = 2,

    /// <summary>It is there.</summary>
    [JsonStringEnumMemberName("ready")]
    Ready = 3,

    /// <summary>It could not be pulled; the drone tries again after a pause.</summary>
    [JsonStringEnumMemberName("failed")]
    Failed = 4,
}

/// <summary>An image on a drone.</summary>
[GenerateSerializer, Immutable, Alias("plane.ImageState")]
public sealed record ImageState
{
    /// <summary>The longest reason.</summary>
    public const int MaxReason = 500;

    /// <summary>The image reference.</summary>
    [Id(0)]
    public required string Image { get; init; }

    /// <summary>How far it is.</summary>
    [Id(1)]
    public required ImageStatus Status { get; init; }

    /// <summary>While it is pulled: how much is there, 0 to 100, as far as the engine says.</summary>
    [Id(2)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Percent { get; init; }

    /// <summary>Why it failed.</summary>
    [Id(3)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Reason { get; init; }

    /// <summary>What is wrong with it, or <see langword="null"/>.</summary>
    /// <param name="path">Its path in the message.</param>
    internal FieldError? Validate(string path) =>
        FieldError.From($"{path}.image", Image is null ? "must be given" : ImageRules.Problem(Image))
        ?? FieldError.From($"{path}.status", NameRules.EnumProblem<ImageStatus>(Status))
        ?? FieldError.From($"{path}.percent", Percent is < 0 or > 100 ? "must be from 0 to 100" : null)
        ?? FieldError.From($"{path}.reason", Reason is null ? null : ReasonProblem(Reason));

    private static string? ReasonProblem(string reason) =>
        reason.Length > MaxReason ? $"must have at most {MaxReason} characters"
        : reason.Any(char.IsControl) ? "must not have control characters"
        : NameRules.HasUnpairedSurrogate(reason) ? "must not have unpaired surrogates"
        : null;
}

/// <summary>What a drone has of the images that it is to have. Takes the place of its last report.</summary>
[GenerateSerializer, Immutable, Alias("plane.ImageReport")]
public sealed record ImageReport
{
    /// <summary>Who reports.</summary>
    [Id(0)]
    public required DroneSession Session { get; init; }

    /// <summary>The images, at most <see cref="ImagePage.MaxImages"/>, each once.</summary>
    [Id(1)]
    public required ImageState[] Images { get; init; }

    /// <summary>What is wrong with it, or <see langword="null"/>.</summary>
    public FieldError? Validate() =>
        DroneSession.Validate(Session)
        ?? FieldError.From(
            "images", Images is null || Images.Length > ImagePage.MaxImages || Images.Contains(null!) ? $"must be at most {ImagePage.MaxImages} images" : null)
        ?? Images!.Select((image, at) => image.Validate($"images[{at}]")).FirstOrDefault(e => e is not null)
        ?? FieldError.From("images", Images!.DistinctBy(i => i.Image).Count() != Images!.Length ? "must name no image twice" : null);
}

/// <summary>An image that drones are to have before it is needed.</summary>
[GenerateSerializer, Immutable, Alias("plane.WantedImage")]
public sealed record WantedImage
{
    /// <summary>The image reference.</summary>
    [Id(0)]
    public required string Image { get; init; }

    /// <summary>When to pull it.</summary>
    [Id(1)]
    public PullPolicy PullPolicy { get; init; }

    /// <summary>For its registry.</summary>
    [Id(2)]
    public RegistryCredentials? Credentials { get; init; }

    /// <summary>Grows when a service that it is for is changed: the drone looks at the image again.</summary>
    [Id(3)]
    public long Revision { get; init; }

    /// <summary>The image alone.</summary>
    public override string ToString() => Image;
}

/// <summary>A drone's question which images it is to have.</summary>
[GenerateSerializer, Immutable, Alias("plane.ImageQuery")]
public sealed record ImageQuery
{
    /// <summary>Who asks.</summary>
    [Id(0)]
    public required DroneSession Session { get; init; }

    /// <summary>The drone's pool.</summary>
    [Id(1)]
    public string Pool { get; init; } = "";

    /// <summary><see cref="ImagePage.Version"/> of the answer that it has; null where it has none.</summary>
    [Id(2)]
    public string? Known { get; init; }

    /// <summary>What is wrong with it, or <see langword="null"/>.</summary>
    public FieldError? Validate() =>
        DroneSession.Validate(Session)
        ?? FieldError.From("pool", NameRules.TextProblem(Pool, 0))
        ?? FieldError.From("known", Known is null ? null : NameRules.IdProblem(Known));
}

/// <summary>The images that a drone is to have.</summary>
[GenerateSerializer, Immutable, Alias("plane.ImagePage")]
public sealed record ImagePage
{
    /// <summary>The most images that a drone is to have: of more services, those whose names come first.</summary>
    public const int MaxImages = 256;

    /// <summary>Whether the session is still the drone's current one; where it is not, nothing else is set.</summary>
    [Id(0)]
    public required SessionState Session { get; init; }

    /// <summary>Names this list: another list has another version.</summary>
    [Id(1)]
    public string Version { get; init; } = "";

    /// <summary>The images, each once.</summary>
    [Id(2)]
    public WantedImage[] Images { get; init; } = [];
}
