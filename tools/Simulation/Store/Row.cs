namespace Plane.Simulation.Store;

/// <summary>A row's lock: shared by many or held by one, granted in the order of asking.</summary>
internal abstract class RowLock
{
    private readonly List<Tx> _shared = [];
    private readonly Queue<(Tx Tx, bool Exclusive)> _waiting = new();
    private Tx? _holder;

    /// <summary>Whether it is held at once; else <see cref="Tx.Granted"/> is pulsed once it is.</summary>
    public bool TryLock(Tx tx, bool exclusive)
    {
        if (_holder == tx || (!exclusive && _shared.Contains(tx)))
        {
            return true;
        }

        tx.Locks.Add(this);
        if (_waiting.Count == 0 && IsFree(exclusive))
        {
            Hold(tx, exclusive);
            return true;
        }

        _waiting.Enqueue((tx, exclusive));
        return false;
    }

    /// <summary>Who holds it; those before one in the line wait for the same.</summary>
    public IEnumerable<Tx> Holders => _holder is null ? _shared : _shared.Append(_holder);

    public bool IsHeldBy(Tx tx) => _holder == tx || _shared.Contains(tx);

    public void Unlock(Tx tx)
    {
        if (_holder == tx)
        {
            _holder = null;
        }

        _shared.Remove(tx);
        while (_waiting.TryPeek(out var next) && (next.Tx.IsOver || IsFree(next.Exclusive)))
        {
            _waiting.Dequeue();
            if (!next.Tx.IsOver)
            {
                Hold(next.Tx, next.Exclusive);
                next.Tx.Granted.Pulse();
            }
        }
    }

    /// <summary>Makes what the transaction wrote everybody's, or nobody's.</summary>
    public abstract void End(bool commit);

    private bool IsFree(bool exclusive) => _holder is null && (!exclusive || _shared.Count == 0);

    private void Hold(Tx tx, bool exclusive)
    {
        if (exclusive)
        {
            _holder = tx;
        }
        else
        {
            _shared.Add(tx);
        }
    }
}

/// <summary>A row, or the place of one that a unique index guards: what is committed, and what the transaction that holds it has written.</summary>
internal sealed class Row<T> : RowLock
    where T : class
{
    private T? _committed;
    private T? _pending;
    private Tx? _by;

    public T? Committed => _committed;

    public T? Read(Tx tx) => _by == tx ? _pending : _committed;

    public void Write(Tx tx, T? value)
    {
        if (_by != tx)
        {
            _by = tx;
            tx.Written.Add(this);
        }

        _pending = value;
    }

    public override void End(bool commit)
    {
        if (commit)
        {
            _committed = _pending;
        }

        _pending = null;
        _by = null;
    }
}
