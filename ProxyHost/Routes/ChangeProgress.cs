namespace Plane.ProxyHost.Routes;

/// <summary>When the change log was last read, on the lease clock: a clock that stops while the machine sleeps would keep routes trusted.</summary>
internal sealed class ChangeProgress(ILeaseClock clock)
{
    private long _readAt = clock.Milliseconds;

    /// <summary>Written by the change reader alone, read by every request. Before the first read: the start of the proxy.</summary>
    public long ReadAt => Volatile.Read(ref _readAt);

    /// <summary>How long nothing has been read.</summary>
    public TimeSpan Gap => TimeSpan.FromMilliseconds(clock.Milliseconds - ReadAt);

    /// <summary>Notes a read, after all that follows from it has been done: from now on routes are trusted again.</summary>
    public void Advance() => Volatile.Write(ref _readAt, clock.Milliseconds);
}
