namespace Plane.Client;

/// <summary>The controller refused the request.</summary>
/// <param name="error">Its answer.</param>
/// <param name="message">A message in place of the answer's own.</param>
public sealed class RefusedException(PlaneError error, string? message = null) : Exception(message ?? error?.Message)
{
    /// <summary>Its answer.</summary>
    public PlaneError Error { get; } = error;

    /// <summary>When to send the request again, where the controller said so.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>Whether the controller, or what is before it, was only unavailable for the moment.</summary>
    internal bool IsTemporary { get; init; }
}
