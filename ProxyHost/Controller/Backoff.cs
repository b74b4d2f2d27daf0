namespace Plane.Proxy.Controller;

/// <summary>Growing, jittered pauses between calls that got no answer: proxies that lost their controller together must not come back together.</summary>
internal sealed class Backoff(TimeSpan first, TimeSpan most)
{
    private readonly TimeSpan _first = first;
    private TimeSpan _next = first;

    public TimeSpan Next()
    {
        var pause = _next;
        _next = _next * 2 < most ? _next * 2 : most;
        // The jitter spreads load, it protects no secret.
#pragma warning disable CA5394
        return pause * (0.5 + Random.Shared.NextDouble());
#pragma warning restore CA5394
    }

    public void Reset() => _next = _first;
}
