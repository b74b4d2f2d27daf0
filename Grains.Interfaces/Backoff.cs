namespace Plane;

/// <summary>
/// Pauses that double up to a longest one, each drawn between half and all of it, so that those who were cut off together don't return together. For loops that a call's repetition
/// (<see cref="Retries"/>) does not fit: whose pause is reset within a round, ends early, or is planned rather than waited for. It belongs to one loop and has no lock.
/// </summary>
/// <param name="first">The first pause.</param>
/// <param name="longest">The longest one.</param>
/// <param name="time">For waiting.</param>
public sealed class Backoff(TimeSpan first, TimeSpan longest, TimeProvider time)
{
    private readonly TimeSpan _first = first;
    private TimeSpan _next = first;

    /// <summary>The next pause.</summary>
    public TimeSpan Next()
    {
        var pause = _next;
        _next = _next * 2 < longest ? _next * 2 : longest;

        // The jitter spreads load, it protects no secret.
#pragma warning disable CA5394
        return pause * (0.5 + (Random.Shared.NextDouble() / 2));
#pragma warning restore CA5394
    }

    /// <summary>What failed has succeeded: the first pause is next.</summary>
    public void Reset() => _next = _first;

    /// <summary>Waits for the next pause.</summary>
    /// <param name="cancellationToken">Ends it.</param>
    public Task WaitAsync(CancellationToken cancellationToken) => Task.Delay(Next(), time, cancellationToken);
}
