using Plane.Simulation.Core;

namespace Plane.Simulation.Store;

// Drones: registration, signs of life, actions.
internal sealed partial class ModelStore
{
    /// <summary>Mirrors <c>plane.register_drone</c>: the session number, or 0 where another instance holds the name.</summary>
    public IEnumerator<Wait> Register(Tx tx, int drone, Registering r, Box<long> session)
    {
        var row = _drones[drone];
        yield return Wait.Run(tx.Lock(row));
        var old = row.Read(tx);
        if (old is not null && old.InstanceId != r.InstanceId && old.HeartbeatAt > Clock - Ms(numbers.HeartbeatFresh))
        {
            session.Value = 0;
            yield break;
        }

        session.Value = (old?.Session ?? 0) + 1;
        row.Write(tx, new StoredDrone
        {
            InstanceId = r.InstanceId,
            BootId = r.BootId,
            Reading = r.Reading,
            MaxBackends = r.MaxBackends,
            Ready = r.Ready,
            Draining = old?.Draining ?? false,
            Session = session.Value,
            HeartbeatAt = Clock,
        });
        yield return Wait.Step;

        var counter = _counters[drone];
        yield return Wait.Run(tx.Lock(counter));
        if (counter.Read(tx) is not { } count)
        {
            counter.Write(tx, new Counter(r.LastAction));
        }
        else if (count.Last < r.LastAction)
        {
            // A database that went back counts on behind the drone.
            var moved = _actions[drone].Count;
            counter.Write(tx, new Counter(r.LastAction + moved));
            tx.OnCommit.Add(() =>
            {
                for (var i = 0; i < moved; i++)
                {
                    _actions[drone][i] = _actions[drone][i] with { Number = r.LastAction + i + 1 };
                }
            });
        }

        if (bugs.HasFlag(Bug.FreedByReport))
        {
            for (var i = 0; i < _byAge.Count; i++)
            {
                var backend = _byAge[i];
                if (backend.Read(tx) is { Lives: true } b && b.Drone == drone && !r.Running.Contains(b.Identity))
                {
                    yield return Wait.Run(tx.Lock(backend));
                    yield return Wait.Run(tx.Lock(_keys[b.Key]));
                    if (_keys[b.Key].Read(tx)?.Backend == b.Name)
                    {
                        DeleteKey(tx, b.Key);
                        MarkLost(tx, backend);
                    }
                }
            }
        }
    }

    /// <summary>Mirrors <c>SessionSql</c>.</summary>
    public SessionState Session(Tx tx, int drone, long session) => _drones[drone].Read(tx) is not { } d || d.Session < session
        ? SessionState.Unknown
        : d.Session == session ? SessionState.Current : SessionState.Replaced;

    /// <summary>Mirrors <c>HeartbeatDroneAsync</c>: a reading never moves back.</summary>
    public IEnumerator<Wait> Heartbeat(Tx tx, int drone, long session, string instance, string boot, long reading, bool ready, Box<SessionState> state)
    {
        state.Value = Session(tx, drone, session);
        if (state.Value != SessionState.Current)
        {
            yield break;
        }

        yield return Wait.Step;
        yield return Wait.Run(tx.Lock(_drones[drone]));
        if (_drones[drone].Read(tx) is { } d && d.Session == session && (d.BootId != boot || d.Reading <= reading))
        {
            _drones[drone].Write(tx, d with { HeartbeatAt = tx.Now, InstanceId = instance, BootId = boot, Reading = reading, Ready = ready, TakesClaims = true });
        }
    }

    /// <summary>Mirrors <c>ReadActionsAsync</c>: what is committed, in the order of its numbers.</summary>
    public List<StoredAction> Actions(int drone, long after) => _actions[drone].FindAll(a => a.Number > after);

    /// <summary>Mirrors <c>AcknowledgeActionsAsync</c>.</summary>
    public SessionState Acknowledge(Tx tx, int drone, long session, long upTo)
    {
        var state = Session(tx, drone, session);
        if (state == SessionState.Current)
        {
            tx.OnCommit.Add(() => _actions[drone].RemoveAll(a => a.Number <= upTo));
        }

        return state;
    }

    /// <summary>Mirrors <c>plane.set_draining</c>.</summary>
    public IEnumerator<Wait> SetDraining(Tx tx, int drone, bool draining, bool terminate, Box<int> outcome)
    {
        yield return Wait.Run(tx.Lock(_drones[drone]));
        if (_drones[drone].Read(tx) is not { } d)
        {
            outcome.Value = -1;
            yield break;
        }

        var changed = d.Draining != draining;
        _drones[drone].Write(tx, d with { Draining = draining });
        yield return Wait.Step;
        var queued = new Box<int>();
        if (terminate)
        {
            var names = new List<BackendName>();
            foreach (var row in _byAge)
            {
                if (row.Read(tx) is { Lives: true } b && b.Drone == drone)
                {
                    names.Add(b.Name);
                }
            }

            yield return Wait.Run(QueueEnds(tx, names, TerminationKind.Soft, TerminationReason.External, queued));
        }

        outcome.Value = changed || queued.Value > 0 ? 1 : 0;
    }
}

/// <summary>What a drone says of itself when it registers.</summary>
internal sealed record Registering(
    string InstanceId, string BootId, long Reading, int MaxBackends, bool Ready, long LastAction, IReadOnlyCollection<BackendIdentity> Running);
