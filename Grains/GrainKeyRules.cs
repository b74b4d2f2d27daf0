using Orleans;

namespace Plane.Grains;

/// <summary>
/// What a grain does that is addressed by a key which is none of its kind: a cluster client may ask for any text. Its activation succeeds, since a failed one would tell
/// the client to retry; each call is refused, and the activation is not kept.
/// </summary>
internal static class GrainKeyRules
{
    /// <summary>The refusal.</summary>
    /// <param name="grain">The grain.</param>
    /// <param name="rule">What a key looks like.</param>
    public static InvalidCallException KeyRefused(this Grain grain, string rule)
    {
        grain.DeactivateOnIdle();
        return new InvalidCallException($"the grain's key is not valid: {rule}");
    }
}
