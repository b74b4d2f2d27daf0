namespace Plane.Silo.Http.Access;

/// <summary>Marks a route that anyone may call. A route without the mark is protected: forgetting it closes, not opens.</summary>
internal sealed class PublicRoute
{
    public static PublicRoute Instance { get; } = new();
}
