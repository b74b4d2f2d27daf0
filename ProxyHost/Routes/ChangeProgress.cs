namespace Plane.Proxy.Routes;

/// <summary>When the change log was last read, on the lease clock: a clock that stands still while the machine sleeps would keep routes trusted.</summary>
internal sealed class ChangeProgress(ILeaseClock clock)
{
    private long _readAt = clock.Milliseconds;

    /// <summary>Written by the change reader alone, read by every request. Before the first read: the start of the proxy.</summary>
    public long ReadAt => Volatile.Read(ref _readAt);

    /// <summary>Notes a read.</summary>
    /// <returns>How long nothing had been read.</returns>
    public TimeSpan Advance()
    {
        var now = clock.Milliseconds;
        var gap = now - _readAt;
        Volatile.Write(ref _readAt, now);
        return TimeSpan.FromMilliseconds(gap);
    }
}
