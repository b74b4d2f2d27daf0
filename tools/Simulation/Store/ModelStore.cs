using Plane.Simulation.Core;

namespace Plane.Simulation.Store;

/// <summary>
/// The rules of the store, statement by statement, with row locks and READ COMMITTED visibility, so that everything may happen between two statements. Each
/// member names the SQL that it mirrors (<c>Grains/Storage/Postgres</c>); a test compares its answers with a real store's.
/// </summary>
internal sealed partial class ModelStore(Scheduler scheduler, LeaseOptions numbers, Bug bugs, Func<long> clock, IStoreObserver observer, int keys, int drones, int pool = 0)
{
    private readonly Row<KeyRow>[] _keys = NewRows<KeyRow>(keys + pool);
    private readonly Row<StoredDrone>[] _drones = NewRows<StoredDrone>(drones);
    private readonly Row<Counter>[] _counters = NewRows<Counter>(drones);
    private readonly Dictionary<BackendName, Row<StoredBackend>> _backends = [];
    private readonly List<Row<StoredBackend>> _byAge = [];
    private readonly List<StoredAction>[] _actions = [.. Enumerable.Range(0, drones).Select(_ => new List<StoredAction>())];
    private readonly List<Tx> _open = [];
    private long _sequence;

    /// <summary>Opened when an action was committed for a drone.</summary>
    public Action<int>? ActionQueued { get; set; }

    public LeaseOptions Numbers => numbers;

    /// <summary><c>clock_timestamp()</c>.</summary>
    public long Clock => clock();

    public IEnumerable<StoredBackend> Backends => _byAge.Select(r => r.Committed).OfType<StoredBackend>();

    public StoredBackend? Find(BackendName name) => _backends.GetValueOrDefault(name)?.Committed;

    public KeyRow? Key(int key) => _keys[key].Committed;

    /// <summary>Whether a key is that of a place in the pool.</summary>
    public bool IsInPool(int key) => key >= keys;

    public StoredDrone? Drone(int drone) => _drones[drone].Committed;

    public Tx Begin()
    {
        var tx = new Tx(scheduler, Clock);
        _open.Add(tx);
        tx.OnEnd.Add(() => _open.Remove(tx));
        return tx;
    }

    /// <summary>The server died: whatever had not committed never was.</summary>
    public void AbortAll()
    {
        foreach (var tx in _open.ToArray())
        {
            tx.Abort();
        }
    }

    /// <summary>By the transaction's start and by now: the start alone is late where the clock was set back since.</summary>
    private bool HasExpired(Tx tx, KeyRow key) => key.ExpiresAt < (bugs.HasFlag(Bug.ExpiredByStart) ? tx.Now : Math.Min(tx.Now, Clock));

    /// <summary>Mirrors <c>plane.drop_actions</c> and the clean-up of actions of ended backends.</summary>
    private void DropActions(Tx tx, BackendName backend, int drone) => tx.OnCommit.Add(() => _actions[drone].RemoveAll(a => a.Identity.Backend == backend));

    private Row<StoredBackend> Slot(BackendName name)
    {
        if (!_backends.TryGetValue(name, out var row))
        {
            _backends[name] = row = new Row<StoredBackend>();
            _byAge.Add(row);
        }

        return row;
    }

    private int CountLive(Tx tx, int drone)
    {
        var count = 0;
        foreach (var row in _byAge)
        {
            count += row.Read(tx) is { } b && b.Drone == drone && b.Lives ? 1 : 0;
        }

        return count;
    }

    /// <summary>Mirrors <c>plane.mark_lost</c>. The caller holds the row and has deleted the key.</summary>
    private void MarkLost(Tx tx, Row<StoredBackend> row)
    {
        if (row.Read(tx) is { Lives: true } b)
        {
            Store(tx, row, b with { Status = BackendStatus.Terminated, StatusAt = Math.Max(b.StatusAt, tx.Now), Reason = TerminationReason.Lost });
            DropActions(tx, b.Name, b.Drone);
        }
    }

    private void Store(Tx tx, Row<StoredBackend> row, StoredBackend value)
    {
        var from = row.Read(tx)?.Status;
        row.Write(tx, value);
        if (from != value.Status)
        {
            tx.OnCommit.Add(() => observer.StatusStored(value));
        }
    }

    private void DeleteKey(Tx tx, int key)
    {
        var gone = _keys[key].Read(tx);
        _keys[key].Write(tx, null);
        if (gone is not null)
        {
            tx.OnCommit.Add(() => observer.KeyFreed(key, gone.Backend, gone.Token));
        }
    }

    private static Row<T>[] NewRows<T>(int count)
        where T : class => [.. Enumerable.Range(0, count).Select(_ => new Row<T>())];
}

/// <summary>Who looks on while the store commits.</summary>
internal interface IStoreObserver
{
    void Acquired(StoredBackend backend);

    /// <summary>A warm backend has another key and token from now on.</summary>
    void Claimed(StoredBackend backend, int from);

    void StatusStored(StoredBackend backend);

    void KeyFreed(int key, BackendName backend, long token);

    /// <summary>A renewal statement begins to look at a lease that lives by its time; the result is told of its end.</summary>
    Action RenewalBegun(BackendName backend, long token);
}
