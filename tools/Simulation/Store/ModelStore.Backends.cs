using Plane.Simulation.Core;

namespace Plane.Simulation.Store;

// Backends: reported states, ends, sweeps.
internal sealed partial class ModelStore
{
    private bool _lostSweepUnderWay;

    /// <summary>Mirrors <c>plane.apply_states</c>: per event whether the identity is known and whether its state counts now.</summary>
    public IEnumerator<Wait> ApplyStates(Tx tx, int drone, long? session, IReadOnlyList<Event> events, Box<SessionState> state, bool[] applied)
    {
        state.Value = session is { } s ? Session(tx, drone, s) : SessionState.Current;
        if (state.Value != SessionState.Current)
        {
            yield break;
        }

        yield return Wait.Step;
        var names = events.Select(e => e.Identity.Backend).Distinct().OrderBy(n => n.Value, StringComparer.Ordinal).ToList();
        foreach (var name in names)
        {
            if (_backends.TryGetValue(name, out var row))
            {
                yield return Wait.Run(tx.Lock(row));
            }
        }

        yield return Wait.Step;
        List<StoredBackend>? ended = null;
        for (var i = 0; i < events.Count; i++)
        {
            var e = events[i];
            if (!_backends.TryGetValue(e.Identity.Backend, out var row) || row.Read(tx) is not { } b || (session is not null && b.Drone != drone))
            {
                continue;
            }

            if (!b.IsNamed(e.Identity) && !bugs.HasFlag(Bug.ReleaseWithoutToken))
            {
                continue;
            }

            if (e.IsWarm && IsInPool(b.Key))
            {
                row.Write(tx, b = b with { IsWarm = true });
            }

            // One in a pool is not ready, and one that was claimed is only under the token of its claim.
            if (e.Status == BackendStatus.Ready && (IsInPool(b.Key) || b.Token != e.Identity.Token.Value) && !bugs.HasFlag(Bug.ReadyBeforeClaim))
            {
                continue;
            }

            if (BackendTransitions.IsAllowed(b.Status, e.Status, TransitionSource.Drone))
            {
                b = b with { Status = e.Status, StatusAt = Math.Max(b.StatusAt, tx.Now), Reason = e.Reason ?? b.Reason };
                Store(tx, row, b);
                applied[i] = true;
                if (e.Status == BackendStatus.Terminated)
                {
                    (ended ??= []).Add(b);
                }
            }
        }

        // A key is released by a terminated event with its token, here, or by its expiry; keys in id order, as every transaction that holds several.
        ended?.Sort(static (a, b) => string.CompareOrdinal(a.Name.Value, b.Name.Value));
        foreach (var b in ended ?? [])
        {
            yield return Wait.Step;
            yield return Wait.Run(tx.Lock(_keys[b.Key]));
            if (_keys[b.Key].Read(tx) is { } k && k.Backend == b.Name && k.Token == b.Token)
            {
                DeleteKey(tx, b.Key);
            }

            DropActions(tx, b.Name, b.Drone);
        }
    }

    /// <summary>Mirrors <c>plane.terminate</c>: −1 where there is no such backend, else how many ends were queued.</summary>
    public IEnumerator<Wait> Terminate(Tx tx, BackendName name, TerminationKind kind, TerminationReason reason, Box<int> queued)
    {
        if (!_backends.TryGetValue(name, out var row) || row.Read(tx) is null)
        {
            queued.Value = -1;
            yield break;
        }

        yield return Wait.Run(QueueEnds(tx, [name], kind, reason, queued));
    }

    /// <summary>Mirrors <c>plane.sweep_lost</c> and <c>plane.drop_actions_of_ended</c>: null where another silo is at it.</summary>
    public IEnumerator<Wait> SweepLost(Tx tx, Box<int?> lost)
    {
        if (_lostSweepUnderWay)
        {
            yield break;
        }

        lost.Value = 0;
        var names = new List<(BackendName Name, int Key)>();
        for (var key = 0; key < _keys.Length; key++)
        {
            if (_keys[key].Read(tx) is { } k && k.ExpiresAt < tx.Now)
            {
                names.Add((k.Backend, key));
            }
        }

        if (names.Count == 0)
        {
            DropActionsOfEnded(tx);
            yield break;
        }

        _lostSweepUnderWay = true;
        tx.OnEnd.Add(() => _lostSweepUnderWay = false);
        names.Sort(static (a, b) => string.CompareOrdinal(a.Name.Value, b.Name.Value));
        foreach (var (name, _) in names)
        {
            yield return Wait.Run(tx.Lock(_backends[name]));
            yield return Wait.Step;
        }

        foreach (var (name, key) in names)
        {
            yield return Wait.Run(tx.Lock(_keys[key]));
            if (_keys[key].Read(tx) is { } k && k.Backend == name && HasExpired(tx, k))
            {
                DeleteKey(tx, key);
                MarkLost(tx, _backends[name]);
                lost.Value++;
                yield return Wait.Step;
            }
        }

        DropActionsOfEnded(tx);
    }

    private void DropActionsOfEnded(Tx tx) => tx.OnCommit.Add(() =>
    {
        foreach (var actions in _actions)
        {
            if (actions.Count > 0)
            {
                actions.RemoveAll(a => Find(a.Identity.Backend) is { Lives: false });
            }
        }
    });

    /// <summary>Mirrors the part of <c>plane.clean_up</c> that lets ids be used again: ended backends older than their age.</summary>
    public IEnumerator<Wait> CleanUp(Tx tx, long keep)
    {
        // By age, as the real one: in another order than other transactions lock.
        var old = _byAge.Where(r => r.Read(tx) is { Lives: false } b && b.StatusAt < tx.Now - keep).ToList();
        old.Sort((a, b) => a.Read(tx)!.StatusAt.CompareTo(b.Read(tx)!.StatusAt));
        foreach (var row in old)
        {
            yield return Wait.Run(tx.Lock(row));
            if (row.Read(tx) is { Lives: false })
            {
                row.Write(tx, null);
            }
        }
    }

    /// <summary>Mirrors <c>plane.queue_ends</c>: backends in id order, then the drone's counter.</summary>
    private IEnumerator<Wait> QueueEnds(Tx tx, List<BackendName> names, TerminationKind kind, TerminationReason reason, Box<int> queued)
    {
        names.Sort(static (a, b) => string.CompareOrdinal(a.Value, b.Value));
        var ends = new List<StoredBackend>();
        foreach (var name in names)
        {
            var row = _backends[name];
            if (row.Read(tx) is not { Lives: true } seen || seen.EndKind >= (int)kind)
            {
                continue;
            }

            yield return Wait.Run(tx.Lock(row));
            if (row.Read(tx) is { Lives: true } b && b.EndKind < (int)kind)
            {
                row.Write(tx, b with { EndKind = (int)kind });
                ends.Add(b);
            }

            yield return Wait.Step;
        }

        foreach (var b in ends)
        {
            var counter = _counters[b.Drone];
            yield return Wait.Run(tx.Lock(counter));
            var number = counter.Read(tx)!.Last + 1;
            counter.Write(tx, new Counter(number));
            var action = new StoredAction(number, b.Identity, b.Key, null, kind, reason);
            tx.OnCommit.Add(() => Queue(b.Drone, action));
            yield return Wait.Step;
        }

        queued.Value = ends.Count;
    }
}
