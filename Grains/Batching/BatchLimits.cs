namespace Plane.Grains.Batching;

/// <summary>The bounds of a <see cref="BatchWriter{TRequest, TResult}"/>.</summary>
/// <param name="Name">For metrics and messages.</param>
/// <param name="MaxItems">The most items of one statement; a request that is larger alone makes a statement of its own.</param>
/// <param name="MaxQueued">The most requests that wait; beyond, callers wait for room.</param>
/// <param name="Longest">
/// How long a statement may take before its batch is failed with "retry". A connection that hangs would else hold up every request of the
/// silo: a renewal must be answered or failed well before the soft deadline.
/// </param>
internal sealed record BatchLimits(string Name, int MaxItems, int MaxQueued, TimeSpan Longest);
