namespace Plane.Grains.Feed;

/// <summary>What a reader of the ring got.</summary>
/// <param name="IsCovered">Whether the ring holds every change after the position asked for; else the log itself must be read.</param>
/// <param name="Changes">The changes.</param>
/// <param name="Next">Where to read on.</param>
internal readonly record struct RingPage(bool IsCovered, Change[] Changes, LogPosition Next);

/// <summary>
/// The last changes of routes, in the order of the log, for proxies that read by position. Bounded: the oldest goes. One writer (the feed's
/// loop), any readers.
/// </summary>
internal sealed class ChangeRing(int capacity)
{
    private readonly Lock _gate = new();
    private readonly Change[] _changes = new Change[capacity];
    private int _first;
    private int _count;
    private LogPosition? _floor;
    private LogPosition _end;

    /// <summary>How far the log was read, or null before it was.</summary>
    public LogPosition? End
    {
        get
        {
            lock (_gate)
            {
                return _floor is null ? null : _end;
            }
        }
    }

    /// <summary>Forgets all; the ring covers what comes after the position.</summary>
    public void Reset(LogPosition position)
    {
        lock (_gate)
        {
            Array.Clear(_changes);
            (_first, _count, _floor, _end) = (0, 0, position, position);
        }
    }

    public void Append(IEnumerable<Change> changes, LogPosition next)
    {
        lock (_gate)
        {
            foreach (var change in changes)
            {
                if (!IsForProxies(change.Kind))
                {
                    continue;
                }

                if (_count == capacity)
                {
                    _floor = _changes[_first].Position;
                    _changes[_first] = change;
                    _first = (_first + 1) % capacity;
                }
                else
                {
                    _changes[(_first + _count++) % capacity] = change;
                }
            }

            _end = next > _end ? next : _end;
        }
    }

    /// <summary>A cluster's changes after a position, at most so many.</summary>
    public RingPage Read(ClusterName cluster, LogPosition after, int limit)
    {
        lock (_gate)
        {
            // A reader that is ahead has read at another silo, whose feed was faster, or before the log went back: only the log itself can tell.
            if (_floor is not { } floor || after < floor || after > _end)
            {
                return new RingPage(false, [], after);
            }

            var found = new List<Change>();
            for (var i = FirstAfter(after); i < _count; i++)
            {
                var change = At(i);
                if (change.Cluster != cluster && change.Kind != ChangeKind.Service)
                {
                    continue;
                }

                if (found.Count == limit)
                {
                    return new RingPage(true, [.. found], found[^1].Position);
                }

                found.Add(change);
            }

            return new RingPage(true, [.. found], _end);
        }
    }

    /// <summary>Whether proxies are concerned: those of the change's cluster, or all.</summary>
    public static bool IsForProxies(ChangeKind kind) => kind is ChangeKind.BackendState or ChangeKind.TokenRevoked or ChangeKind.Service;

    private Change At(int index) => _changes[(_first + index) % capacity];

    private int FirstAfter(LogPosition after)
    {
        var (low, high) = (0, _count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (At(middle).Position > after)
            {
                high = middle;
            }
            else
            {
                low = middle + 1;
            }
        }

        return low;
    }
}
