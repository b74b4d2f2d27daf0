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

    /// <summary>Whether the controller, or what it needs, was only unavailable for the moment (502, 503 or 504): the same request may succeed later.</summary>
    public bool IsTemporary { get; init; }
}
