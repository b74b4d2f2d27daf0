namespace Plane.Silo.Http.OpenApi;

/// <summary>Which kinds of error a route may answer with, for its description.</summary>
internal sealed record ErrorKinds(IReadOnlyList<ErrorKind> Kinds);

/// <summary>Stands for JSON <c>null</c> in the description of the API.</summary>
internal sealed record NullResponse;
