namespace Plane.Grains.Drones;

/// <summary>What a drone's registration must fulfil.</summary>
internal static class RegistrationRules
{
    public const int MaxBackends = 100_000;

    private const int MaxId = 64;

    /// <summary>What is wrong with it, or null.</summary>
    public static FieldError? Validate(DroneRegistration r) =>
        FieldError.From("pool", NameRules.TextProblem(r.Pool, 0))
        ?? FieldError.From("instance_id", IdProblem(r.InstanceId))
        ?? FieldError.From("boot_id", IdProblem(r.BootId))
        ?? FieldError.From("reading", r.Reading < 0 ? "must not be negative" : null)
        ?? FieldError.From("kinds", KindsProblem(r.Kinds))
        ?? FieldError.From("max_backends", r.MaxBackends is < 1 or > MaxBackends ? $"must be from 1 to {MaxBackends}" : null)
        ?? FieldError.From("version", NameRules.TextProblem(r.Version, 1))
        ?? FieldError.From("hash", NameRules.TextProblem(r.Hash, 0))
        ?? FieldError.From("last_action", r.LastAction is < 0 or > DroneRegistration.MaxAction ? $"must be from 0 to {DroneRegistration.MaxAction}" : null)
        ?? FieldError.From("installation_id", r.InstallationId is null ? null : IdProblem(r.InstallationId));

    /// <summary>What is wrong with a heartbeat, or null.</summary>
    public static FieldError? Validate(DroneHeartbeat h) =>
        FieldError.From("instance_id", IdProblem(h.InstanceId))
        ?? FieldError.From("boot_id", IdProblem(h.BootId))
        ?? FieldError.From("reading", h.Reading < 0 ? "must not be negative" : null);

    private static string? IdProblem(string? id) =>
        id is { Length: > 0 and <= MaxId } && id.All(c => c is > ' ' and <= '~')
            ? null
            : $"must have 1 to {MaxId} printable ASCII characters without spaces";

    private static string? KindsProblem(ExecutorKind[]? kinds) =>
        kinds is not { Length: > 0 } ? "must name at least one kind of executable"
        : !kinds.All(Enum.IsDefined) ? "must be known kinds of executables"
        : kinds.Distinct().Count() != kinds.Length ? "must name no kind twice"
        : null;
}
