namespace Plane.ProxyHost.Routes;

/// <summary>How a look-up ended.</summary>
internal enum ResolutionOutcome
{
    /// <summary>There is a route.</summary>
    Found,

    /// <summary>Unknown, revoked or ended.</summary>
    Gone,

    /// <summary>Its backend has ended, or is ending, and never was ready.</summary>
    NeverReady,

    /// <summary>The controller gave no usable answer in time.</summary>
    Unavailable,

    /// <summary>Its backend takes too long to start.</summary>
    Late,
}

/// <summary>The end of a look-up.</summary>
internal readonly record struct Resolution(ResolutionOutcome Outcome, RouteEntry? Entry = null, TerminationReason? Reason = null)
{
    public static Resolution Gone => new(ResolutionOutcome.Gone);

    public static Resolution NeverReady(TerminationReason? reason) => new(ResolutionOutcome.NeverReady, Reason: reason);

    public static Resolution Unavailable => new(ResolutionOutcome.Unavailable);
}
