namespace Plane.Proxy.Routes;

/// <summary>How a look-up ended.</summary>
internal enum ResolutionOutcome
{
    /// <summary>There is a route.</summary>
    Found,

    /// <summary>Unknown, revoked or ended.</summary>
    Gone,

    /// <summary>The controller gave no usable answer in time.</summary>
    Unavailable,
}

/// <summary>The end of a look-up.</summary>
internal readonly record struct Resolution(ResolutionOutcome Outcome, RouteEntry? Entry = null)
{
    public static Resolution Gone => new(ResolutionOutcome.Gone);

    public static Resolution Unavailable => new(ResolutionOutcome.Unavailable);
}
