using Plane.Simulation.Core;
using Plane.Storage;

namespace Plane.Simulation.Store;

// Warm backends: the claim.
internal sealed partial class ModelStore
{
    /// <summary>Mirrors <c>plane.claim</c>, by its numbers.</summary>
    public IEnumerator<Wait> Claim(Tx tx, Claiming c)
    {
        // 1.
        var keyRow = _keys[c.Key];
        for (var attempt = 1; attempt <= 3 && keyRow.Read(tx) is { } held; attempt++)
        {
            var holder = _backends[held.Backend];
            if (held.ExpiresAt >= tx.Now && holder.Read(tx) is { Lives: true } live)
            {
                (c.Outcome, c.Holder) = (AcquireOutcome.Held, live);
                yield break;
            }

            yield return Wait.Run(tx.Lock(holder));
            yield return Wait.Step;
            yield return Wait.Run(tx.Lock(keyRow));
            if (keyRow.Read(tx) is { } k && k.Backend == held.Backend && (HasExpired(tx, k) || holder.Read(tx) is not { Lives: true }))
            {
                DeleteKey(tx, c.Key);
                MarkLost(tx, holder);
                tx.OnCommit.Add(() => TakeOvers++);
            }

            yield return Wait.Step;
        }

        // 2.
        var picked = new Box<Row<StoredBackend>?>();
        yield return Wait.Run(Pick(tx, picked));
        if (picked.Value is not { } row || row.Read(tx) is not { } b)
        {
            c.Outcome = AcquireOutcome.NoneWarm;
            yield break;
        }

        var drawnEarly = bugs.HasFlag(Bug.ClaimTokenBeforeRow) ? NextFencingToken() : 0;
        yield return Wait.Step;

        // 3. The unique index decides; the row is the same under its new key, so its expiry stays.
        yield return Wait.Run(tx.Lock(keyRow));
        if (keyRow.Read(tx) is not null)
        {
            tx.Locks.Remove(keyRow);
            keyRow.Unlock(tx);
            c.Outcome = AcquireOutcome.Held;
            yield break;
        }

        var lease = _keys[b.Key].Read(tx)!;
        _keys[b.Key].Write(tx, null);
        keyRow.Write(tx, lease);
        yield return Wait.Step;
        var token = drawnEarly > 0 ? drawnEarly : NextFencingToken();
        keyRow.Write(tx, lease with { Token = token, StartToken = lease.Token });
        var claimed = b with { Key = c.Key, Token = token, StartToken = b.Token, AcquiredBy = c.Command };
        row.Write(tx, claimed);
        tx.OnCommit.Add(() => observer.Claimed(claimed, b.Key));
        yield return Wait.Step;

        // 4.
        var counter = _counters[b.Drone];
        yield return Wait.Run(tx.Lock(counter));
        var number = counter.Read(tx)!.Last + 1;
        counter.Write(tx, new Counter(number));
        var action = new StoredAction(number, claimed.Identity, c.Key, null, default, default, b.Token);
        tx.OnCommit.Add(() => Queue(b.Drone, action));
        yield return Wait.Step;
        (c.Outcome, c.Holder) = (AcquireOutcome.Acquired, claimed);
    }

    /// <summary>A warm backend whose row and whose key's row are held, on a drone that is held for share.</summary>
    private IEnumerator<Wait> Pick(Tx tx, Box<Row<StoredBackend>?> picked)
    {
        var tried = new HashSet<int>();
        var skipped = new HashSet<BackendName>();
        while (_byAge.Select(r => r.Read(tx)).FirstOrDefault(b => MayBeClaimed(b) && !tried.Contains(b!.Drone) && !skipped.Contains(b.Name) && TakesClaims(tx, b.Drone)) is { } seen)
        {
            yield return Wait.Step;
            yield return Wait.Run(tx.Lock(_drones[seen.Drone], exclusive: false));
            if (!TakesClaims(tx, seen.Drone))
            {
                tried.Add(seen.Drone);
                continue;
            }

            // For update skip locked.
            var row = _byAge.Find(r => r.Read(tx) is { } b && b.Drone == seen.Drone && MayBeClaimed(b) && !skipped.Contains(b.Name)
                && (!r.Holders.Any() || r.IsHeldBy(tx) || bugs.HasFlag(Bug.ClaimWithoutRow)));
            if (row is null)
            {
                tried.Add(seen.Drone);
                continue;
            }

            if (!bugs.HasFlag(Bug.ClaimWithoutRow))
            {
                yield return Wait.Run(tx.Lock(row));
            }

            var b = row.Read(tx)!;
            yield return Wait.Step;
            if (bugs.HasFlag(Bug.ClaimWithoutRow))
            {
                // Found by its id when it is changed, whatever key it has by then.
                yield return Wait.Run(tx.Lock(row));
                if (row.Read(tx) is { Status: BackendStatus.Waiting } found)
                {
                    yield return Wait.Run(tx.Lock(_keys[found.Key]));
                    if (_keys[found.Key].Read(tx)?.Backend == found.Name)
                    {
                        picked.Value = row;
                        yield break;
                    }
                }

                skipped.Add(b.Name);
                continue;
            }

            yield return Wait.Run(tx.Lock(_keys[b.Key]));
            if (_keys[b.Key].Read(tx) is { AllowRenew: true } k && k.Backend == b.Name && k.Token == b.Token
                && k.ExpiresAt > Math.Max(tx.Now, Clock) + Ms(StoreText.LeftToClaim(numbers)))
            {
                picked.Value = row;
                yield break;
            }

            skipped.Add(b.Name);
        }
    }

    private bool MayBeClaimed(StoredBackend? b) =>
        b is { Status: BackendStatus.Waiting, IsWarm: true, EndKind: 0, AllowRenew: true } && IsInPool(b.Key);

    private bool TakesClaims(Tx tx, int drone) =>
        _drones[drone].Read(tx) is { Ready: true, Draining: false, TakesClaims: true } d && d.HeartbeatAt > Clock - Ms(numbers.HeartbeatFresh);
}
