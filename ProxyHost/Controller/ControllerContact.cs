namespace Plane.ProxyHost.Controller;

/// <summary>When the controller last answered, and whether the proxy is on its way out: what <c>/ready</c> tells. Thread-safe.</summary>
internal sealed class ControllerContact(ProxyOptions options, ILeaseClock clock)
{
    private const long Never = long.MinValue;

    // Written by the change reader and the reporter, read by health checks.
    private long _lastAnswer = Never;
    private volatile bool _draining;

    public void Answered() => Volatile.Write(ref _lastAnswer, clock.Milliseconds);

    public void BeginDrain() => _draining = true;

    /// <summary>Why the proxy should get no traffic, or null.</summary>
    public string? NotReadyBecause()
    {
        if (_draining)
        {
            return "the proxy is stopping";
        }

        var last = Volatile.Read(ref _lastAnswer);
        return last == Never ? "the controller has not answered yet"
            : clock.Milliseconds - last > (long)options.ReadySilence.TotalMilliseconds ? "the controller does not answer"
            : null;
    }
}
