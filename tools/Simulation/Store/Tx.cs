using Plane.Simulation.Core;

namespace Plane.Simulation.Store;

/// <summary>One transaction, READ COMMITTED.</summary>
internal sealed class Tx(Scheduler scheduler, long now)
{
    private const long DeadlockTimeout = 1_000;

    private RowLock? _waitsFor;

    /// <summary>The database's time at its start: <c>now()</c>.</summary>
    public long Now { get; } = now;

    public List<RowLock> Locks { get; } = [];

    public List<RowLock> Written { get; } = [];

    /// <summary>What becomes visible with the commit besides rows: appended actions, deleted ones, the log.</summary>
    public List<Action> OnCommit { get; } = [];

    /// <summary>What must be undone besides rows.</summary>
    public List<Action> OnEnd { get; } = [];

    public Gate Granted { get; } = new(scheduler);

    public bool IsOver { get; private set; }

    /// <summary>The server has ended it, to break a deadlock.</summary>
    public bool Deadlocked { get; private set; }

    /// <summary>An error was raised: nothing of it stays.</summary>
    public bool HasFailed { get; set; }

    /// <summary>Waits until the row is held.</summary>
    public IEnumerator<Wait> Lock(RowLock row, bool exclusive = true)
    {
        if (row.TryLock(this, exclusive))
        {
            yield break;
        }

        _waitsFor = row;
        yield return Wait.On(Granted, DeadlockTimeout);

        // Looked at once, as the server does: whoever closes the ring is the last to wait.
        if (!row.IsHeldBy(this) && IsDeadlocked())
        {
            // It ends one of them with 40P01; whoever asked sees a failure and asks again.
            Deadlocked = true;
            Abort();
        }

        while (!row.IsHeldBy(this))
        {
            yield return Wait.On(Granted);
        }

        _waitsFor = null;
    }

    /// <summary>Whether what it waits for waits, in the end, for it.</summary>
    private bool IsDeadlocked()
    {
        var seen = new HashSet<Tx>();
        var open = new Stack<Tx>(_waitsFor!.Holders);
        while (open.TryPop(out var tx))
        {
            if (tx == this)
            {
                return true;
            }

            if (seen.Add(tx) && tx._waitsFor is { } row)
            {
                foreach (var holder in row.Holders)
                {
                    open.Push(holder);
                }
            }
        }

        return false;
    }

    public void Commit() => End(!HasFailed);

    public void Abort() => End(false);

    private void End(bool commit)
    {
        if (IsOver)
        {
            return;
        }

        IsOver = true;
        foreach (var row in Written)
        {
            row.End(commit);
        }

        if (commit)
        {
            foreach (var action in OnCommit)
            {
                action();
            }
        }

        foreach (var action in OnEnd)
        {
            action();
        }

        foreach (var row in Locks)
        {
            row.Unlock(this);
        }
    }
}
