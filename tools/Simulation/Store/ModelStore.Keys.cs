using Plane.Simulation.Core;
using Plane.Storage;

namespace Plane.Simulation.Store;

// Keys: connect, acquire, renew, prevent.
internal sealed partial class ModelStore
{
    /// <summary>Mirrors <c>IssueSql</c> (PostgresStore.Keys): one statement.</summary>
    public StoredBackend? LiveHolder(Tx tx, int key) =>
        _keys[key].Read(tx) is { } k && k.ExpiresAt > tx.Now && _backends[k.Backend].Read(tx) is { Lives: true } b ? b : null;

    /// <summary>Mirrors <c>plane.acquire</c>.</summary>
    public IEnumerator<Wait> Acquire(Tx tx, Acquisition a)
    {
        var slot = Slot(a.Name);
        var keyRow = _keys[a.Key];
        BackendName? holder = null;
        StoredDrone? drone = null;
        var drawnEarly = 0L;
        var inserted = false;
        for (var attempt = 1; attempt <= 3 && !inserted; attempt++)
        {
            // A repeat of the request that started this backend is answered as it was then.
            if (slot.Read(tx) is { } old)
            {
                a.Holder = old;
                a.Outcome = old.Key == a.Key && (!a.Chosen || old.AcquiredBy == a.Command) ? AcquireOutcome.Acquired
                    : keyRow.Read(tx) is { } own && own.Backend == a.Name && own.ExpiresAt >= tx.Now ? AcquireOutcome.Held
                    : AcquireOutcome.BackendIdTaken;
                yield break;
            }

            yield return Wait.Step;
            holder = null;
            if (keyRow.Read(tx) is { } held)
            {
                if (held.ExpiresAt >= tx.Now && _backends[held.Backend].Read(tx) is { Lives: true } live)
                {
                    if (held.Backend == a.Name)
                    {
                        continue;
                    }

                    a.Holder = live;
                    a.Outcome = AcquireOutcome.Held;
                    yield break;
                }

                holder = held.Backend;
            }

            if (bugs.HasFlag(Bug.TokenBeforeRow))
            {
                drawnEarly = NextFencingToken();
            }

            yield return Wait.Step;

            // 1. The drone, held for share and checked again.
            yield return Wait.Run(tx.Lock(_drones[a.Drone], exclusive: false));
            drone = _drones[a.Drone].Read(tx);
            var at = Clock;
            if (drone is null || !drone.Ready || drone.Draining || drone.HeartbeatAt <= at - Ms(numbers.HeartbeatFresh)
                || CountLive(tx, a.Drone) >= drone.MaxBackends)
            {
                a.Outcome = AcquireOutcome.DroneUnfit;
                yield break;
            }

            yield return Wait.Step;

            // 2. An expired holder goes, its backend is lost.
            if (holder is { } expired)
            {
                var old2 = _backends[expired];
                yield return Wait.Run(tx.Lock(old2));
                yield return Wait.Step;
                yield return Wait.Run(tx.Lock(keyRow));
                if (keyRow.Read(tx) is { } k && k.Backend == expired && (HasExpired(tx, k) || old2.Read(tx) is not { Lives: true }))
                {
                    DeleteKey(tx, a.Key);
                    MarkLost(tx, old2);
                    tx.OnCommit.Add(() => TakeOvers++);
                }

                yield return Wait.Step;
            }

            // 3. The unique index decides.
            yield return Wait.Run(tx.Lock(keyRow));
            if (keyRow.Read(tx) is null)
            {
                keyRow.Write(tx, new KeyRow(a.Name, 0, true, long.MaxValue));
                inserted = true;
            }
            else
            {
                // A lost race holds no lock of the winner's row.
                tx.Locks.Remove(keyRow);
                keyRow.Unlock(tx);
            }
        }

        if (!inserted)
        {
            a.Outcome = AcquireOutcome.Held;
            a.Holder = keyRow.Read(tx) is { } k ? _backends[k.Backend].Read(tx) : null;
            yield break;
        }

        yield return Wait.Step;

        // 4. The fencing token, drawn while the key's row is held.
        var token = drawnEarly > 0 ? drawnEarly : NextFencingToken();
        keyRow.Write(tx, new KeyRow(a.Name, token, true, Clock + Ms(numbers.Expiry)));
        yield return Wait.Step;
        yield return Wait.Run(tx.Lock(slot));
        if (slot.Read(tx) is not null)
        {
            // PLN01: everything is undone, the caller asks again.
            tx.HasFailed = true;
            a.IdCollided = true;
            a.Outcome = AcquireOutcome.BackendIdTaken;
            yield break;
        }

        var now = Clock;
        var backend = new StoredBackend
        {
            Name = a.Name,
            Key = a.Key,
            Drone = a.Drone,
            Token = token,
            AcquiredBy = a.Command,
            Status = BackendStatus.Scheduled,
            StatusAt = now,
        };
        tx.OnCommit.Add(() => observer.Acquired(backend));
        Store(tx, slot, backend);
        yield return Wait.Step;

        // 5. Last, under the drone's counter, the spawn action.
        var counter = _counters[a.Drone];
        yield return Wait.Run(tx.Lock(counter));
        var number = counter.Read(tx)!.Last + 1;
        counter.Write(tx, new Counter(number));
        var deadlines = numbers.DeadlinesFrom(drone!.Reading, drone.InstanceId, drone.BootId);
        var action = new StoredAction(number, backend.Identity, a.Key, deadlines, default, default);
        tx.OnCommit.Add(() => Queue(a.Drone, action));
        if (CountLive(tx, a.Drone) > drone.MaxBackends)
        {
            // PLN02
            tx.HasFailed = true;
            a.Outcome = AcquireOutcome.DroneUnfit;
            yield break;
        }

        yield return Wait.Step;
        a.Outcome = AcquireOutcome.Acquired;
        a.Holder = backend;
    }

    /// <summary>How many expired holders an acquisition has removed.</summary>
    public int TakeOvers { get; private set; }

    /// <summary>Mirrors <c>RenewSql</c> (PostgresStore.Keys): rows in id order; after a wait for a lock a row is looked at again, but <c>now()</c> stays.</summary>
    public IEnumerator<Wait> Renew(Tx tx, IReadOnlyList<BackendIdentity> holders, RenewalOutcome[] outcomes)
    {
        Array.Fill(outcomes, RenewalOutcome.Unknown);
        var order = holders.Count == 1 ? [0] : Enumerable.Range(0, holders.Count).OrderBy(i => holders[i].Backend.Value, StringComparer.Ordinal).ToArray();
        foreach (var holder in holders)
        {
            if (KeyOf(tx, holder)?.Read(tx) is { } before && before.ExpiresAt > tx.Now)
            {
                tx.OnEnd.Add(observer.RenewalBegun(before.Backend, before.Token));
            }
        }

        foreach (var i in order)
        {
            if (KeyOf(tx, holders[i]) is not { } row)
            {
                continue;
            }

            yield return Wait.Step;
            yield return Wait.Run(tx.Lock(row));

            // A claim that was waited for has given the row another key: it is the same row.
            while (row.Read(tx) is not { } now || !now.IsOf(holders[i]))
            {
                if (KeyOf(tx, holders[i]) is not { } moved || moved == row)
                {
                    break;
                }

                row = moved;
                yield return Wait.Run(tx.Lock(row));
            }

            if (row.Read(tx) is not { } k || !k.IsOf(holders[i]))
            {
                continue;
            }

            var lives = k.ExpiresAt > tx.Now || bugs.HasFlag(Bug.ExpiredIsRenewed);
            outcomes[i] = !lives ? RenewalOutcome.Expired : k.AllowRenew ? RenewalOutcome.Renewed : RenewalOutcome.Prevented;
            if (outcomes[i] == RenewalOutcome.Renewed)
            {
                var until = tx.Now + Ms(numbers.Expiry);
                row.Write(tx, k with { ExpiresAt = bugs.HasFlag(Bug.ExpiryMovesBack) ? until : Math.Max(k.ExpiresAt, until) });
            }

            yield return Wait.Step;
        }
    }

    /// <summary>Mirrors <c>PreventRenewalAsync</c>.</summary>
    public IEnumerator<Wait> Prevent(Tx tx, BackendName name, Box<ChangeOutcome> outcome)
    {
        if (!_backends.TryGetValue(name, out var row) || row.Read(tx) is null)
        {
            outcome.Value = ChangeOutcome.NotFound;
            yield break;
        }

        outcome.Value = ChangeOutcome.Unchanged;
        yield return Wait.Run(tx.Lock(row));
        if (row.Read(tx) is { Lives: true, AllowRenew: true } b)
        {
            row.Write(tx, b with { AllowRenew = false });
            outcome.Value = ChangeOutcome.Changed;
            yield return Wait.Step;
            yield return Wait.Run(tx.Lock(_keys[b.Key]));
            if (_keys[b.Key].Read(tx) is { } k && k.Backend == name)
            {
                _keys[b.Key].Write(tx, k with { AllowRenew = false });
            }
        }
    }

    /// <summary>Mirrors <c>plane.next_fencing_token</c>: one step under its own lock, not undone by a rollback.</summary>
    private long NextFencingToken() => _sequence = Math.Max(_sequence + 1, Clock);

    private Row<KeyRow>? KeyOf(Tx tx, BackendIdentity identity)
    {
        foreach (var row in _keys)
        {
            if (row.Read(tx) is { } k && k.IsOf(identity))
            {
                return row;
            }
        }

        return null;
    }

    private void Queue(int drone, StoredAction action)
    {
        _actions[drone].Add(action);
        ActionQueued?.Invoke(drone);
    }

    private static long Ms(TimeSpan time) => (long)time.TotalMilliseconds;
}

/// <summary>Where an iterator leaves its result.</summary>
internal sealed class Box<T>
{
    public T Value { get; set; } = default!;
}
