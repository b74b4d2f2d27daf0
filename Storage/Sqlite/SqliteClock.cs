namespace Plane.Storage.Sqlite;

/// <summary>
/// The time of a store without a server. Two clocks in milliseconds, both made of a saved base and the progress of <c>CLOCK_BOOTTIME</c> since the file was
/// opened, so that neither moves back, stops while the machine sleeps, or jumps when somebody sets the wall clock.
/// <list type="bullet">
/// <item>The <b>lease clock</b> decides: expiry, freshness, idleness. It does not count the time in which no controller had the file open: no drone could renew
/// then. The wall clock never takes part in it.</item>
/// <item>The <b>record clock</b> is what people read in a history: the lease clock and an offset, which grows, never shrinks, to the wall clock's distance when
/// the file is opened. Without it each stop of the controller would date everything later back by its length.</item>
/// </list>
/// </summary>
internal sealed class SqliteClock(long leaseBase, long recordOffset, ILeaseClock clock)
{
    private readonly long _base = leaseBase;
    private readonly long _opened = clock.Milliseconds;
    private long _last = leaseBase;

    /// <summary>What is added to a lease time to show it.</summary>
    public long RecordOffset { get; } = recordOffset;

    /// <summary>A reading of the lease clock; never earlier than the last.</summary>
    public long Lease => _last = Math.Max(_last, _base + (clock.Milliseconds - _opened));

    /// <summary>Continues the saved clocks, or begins them by the wall clock in a new file.</summary>
    public static SqliteClock Open((long Lease, long Offset)? saved, TimeProvider wall, ILeaseClock clock)
    {
        var now = wall.GetUtcNow().ToUnixTimeMilliseconds();
        return saved is var (lease, offset)
            ? new SqliteClock(lease, Math.Max(offset, now - lease), clock)
            : new SqliteClock(now, 0, clock);
    }
}
