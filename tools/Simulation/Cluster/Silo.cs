using Plane.Simulation.Core;
using Plane.Simulation.Judging;
using Plane.Simulation.Store;
using Plane.Storage;

namespace Plane.Simulation.Cluster;

/// <summary>What a connect was answered; a backend where it succeeded.</summary>
internal sealed record Connection(StoredBackend? Holder);

/// <summary>What a renewal was answered (<see cref="RenewalReply"/>).</summary>
internal sealed record Renewed(SessionState Session, RenewalOutcome[] Outcomes, LeaseDeadlines? Deadlines);

/// <summary>Answers of the other calls of a drone.</summary>
internal sealed record Registered(long Session);

/// <summary>A page of actions.</summary>
internal sealed record Page(SessionState Session, List<StoredAction> Actions);

/// <summary>Which events were answered, and whether they count.</summary>
internal sealed record Reported(SessionState Session, bool[] Applied);

/// <summary>A session's state, for calls that answer nothing else.</summary>
internal sealed record Standing(SessionState Session);

/// <summary>Whether an operator's call was carried out.</summary>
internal sealed record Done(bool Changed);

/// <summary>
/// A controller. Every message is handled by a fiber of its own that shares nothing with the others: as many activations of each grain as there are messages.
/// What a real controller does in turns is thereby one of the orders that can come up.
/// </summary>
internal sealed class Silo
{
    private readonly World _world;
    private readonly int _index;

    public Silo(World world, int index)
    {
        _world = world;
        _index = index;
        Process = NewProcess();
        Begin();
    }

    public Process Process { get; private set; }

    public bool IsUp => !Process.IsDead;

    private string Name => $"silo-{_index}";

    private Database Database => _world.Database;

    private ModelStore Store => _world.Store;

    public void Crash()
    {
        _world.Coverage.Count(Seen.SiloCrash);
        _world.Tell(Name, $"crashes");
        Process.Kill();
    }

    public void Restart()
    {
        Process = NewProcess();
        Begin();
        _world.Tell(Name, $"is back");
    }

    // ---- calls of drones ----

    public IEnumerator<Wait> Register(int drone, Registering registering, Box<Registered?> answer)
    {
        var ok = new Box<bool>();
        var session = new Box<long>();
        yield return Wait.Run(Database.Run(tx => Store.Register(tx, drone, registering, session), ok));
        answer.Value = ok.Value ? new Registered(session.Value) : null;
    }

    public IEnumerator<Wait> Heartbeat(int drone, long session, string instance, string boot, long reading, bool ready, Box<Standing?> answer)
    {
        var ok = new Box<bool>();
        var state = new Box<SessionState>();
        yield return Wait.Run(Database.Run(tx => Store.Heartbeat(tx, drone, session, instance, boot, reading, ready, state), ok));
        answer.Value = ok.Value ? new Standing(state.Value) : null;
    }

    /// <summary>Mirrors <c>LeaseGrain.Renew</c>: the session, one statement, deadlines from the reading that came with the call.</summary>
    public IEnumerator<Wait> Renew(int drone, long session, BackendIdentity[] items, string instance, string boot, long reading, Box<Renewed?> answer)
    {
        var ok = new Box<bool>();
        var state = new Box<SessionState>();
        yield return Wait.Run(Database.Run(
            tx =>
            {
                state.Value = Store.Session(tx, drone, session);
                return null;
            },
            ok));
        if (!ok.Value)
        {
            yield break;
        }

        if (state.Value != SessionState.Current)
        {
            answer.Value = new Renewed(state.Value, [], null);
            yield break;
        }

        yield return Wait.Step;
        var outcomes = new RenewalOutcome[items.Length];
        yield return Wait.Run(Database.Run(tx => Store.Renew(tx, items, outcomes), ok));
        if (ok.Value)
        {
            answer.Value = new Renewed(SessionState.Current, outcomes, _world.Numbers.DeadlinesFrom(reading, instance, boot));
        }
    }

    public IEnumerator<Wait> ReadActions(int drone, long session, long after, Box<Page?> answer)
    {
        var ok = new Box<bool>();
        var until = _world.Now + 5_000;
        while (true)
        {
            var state = new Box<SessionState>();
            List<StoredAction> actions = [];
            yield return Wait.Run(Database.Run(
                tx =>
                {
                    state.Value = Store.Session(tx, drone, session);
                    actions = Store.Actions(drone, after);
                    return null;
                },
                ok));
            if (!ok.Value)
            {
                yield break;
            }

            if (state.Value != SessionState.Current || actions.Count > 0 || _world.Now >= until)
            {
                answer.Value = new Page(state.Value, state.Value == SessionState.Current ? actions : []);
                yield break;
            }

            yield return Wait.On(_world.Machines[drone].ActionQueued, until - _world.Now);
        }
    }

    public IEnumerator<Wait> Acknowledge(int drone, long session, long upTo, Box<Standing?> answer)
    {
        var ok = new Box<bool>();
        var state = SessionState.Unknown;
        yield return Wait.Run(Database.Run(
            tx =>
            {
                state = Store.Acknowledge(tx, drone, session, upTo);
                return null;
            },
            ok));
        answer.Value = ok.Value ? new Standing(state) : null;
    }

    public IEnumerator<Wait> Report(int drone, long session, Event[] events, Box<Reported?> answer)
    {
        var ok = new Box<bool>();
        var state = new Box<SessionState>();
        var applied = new bool[events.Length];
        yield return Wait.Run(Database.Run(tx => Store.ApplyStates(tx, drone, session, events, state, applied), ok));
        answer.Value = ok.Value ? new Reported(state.Value, applied) : null;
    }

    // ---- calls of clients ----

    /// <summary>Mirrors <c>KeyConnector.ConnectAsync</c>, without what an activation remembers.</summary>
    public IEnumerator<Wait> Connect(int key, BackendName name, bool chosen, long command, bool spawn, Box<Connection?> answer)
    {
        var ok = new Box<bool>();
        for (var attempt = 0; attempt <= 3; attempt++)
        {
            StoredBackend? holder = null;
            yield return Wait.Run(Database.Run(
                tx =>
                {
                    holder = Store.LiveHolder(tx, key);
                    return null;
                },
                ok));
            if (!ok.Value)
            {
                yield break;
            }

            if (holder is not null)
            {
                _world.Coverage.Count(Seen.ConnectHeld);
                answer.Value = new Connection(holder);
                yield break;
            }

            if (!spawn)
            {
                answer.Value = new Connection(null);
                yield break;
            }

            var claimed = new Box<ClaimEnd>();
            if (_world.Settings.Pool > 0)
            {
                yield return Wait.Run(Claim(key, command, claimed));
                if (claimed.Value.IsUnknown)
                {
                    yield break;
                }

                if (claimed.Value.Holder is not null)
                {
                    answer.Value = new Connection(claimed.Value.Holder);
                    yield break;
                }
            }

            var raced = claimed.Value.IsHeld;
            for (var tries = 0; tries < 4 && !raced; tries++)
            {
                if (PickDrone() is not { } drone)
                {
                    answer.Value = new Connection(null);
                    yield break;
                }

                var acquisition = new Acquisition { Name = name, Chosen = chosen, Key = key, Drone = drone, Command = command };
                yield return Wait.Run(Database.Run(tx => Store.Acquire(tx, acquisition), ok));
                if (!ok.Value)
                {
                    yield break;
                }

                if (acquisition.IdCollided)
                {
                    continue;
                }

                switch (acquisition.Outcome)
                {
                    case AcquireOutcome.Acquired:
                        answer.Value = new Connection(acquisition.Holder);
                        yield break;
                    case AcquireOutcome.BackendIdTaken:
                        answer.Value = new Connection(null);
                        yield break;
                    case AcquireOutcome.Held:
                        raced = true;
                        break;
                }
            }
        }

        answer.Value = new Connection(null);
    }

    /// <summary>Mirrors <c>WarmClaims.ClaimAsync</c>.</summary>
    private IEnumerator<Wait> Claim(int key, long command, Box<ClaimEnd> end)
    {
        var ok = new Box<bool>();
        for (var failed = 0; failed < 2; failed++)
        {
            var claiming = new Claiming { Key = key, Command = command };
            yield return Wait.Run(Database.Run(tx => Store.Claim(tx, claiming), ok));
            if (!ok.Value || claiming.Outcome != AcquireOutcome.Acquired)
            {
                _world.Coverage.Count(Seen.ClaimOfHeldKey, claiming.Outcome == AcquireOutcome.Held ? 1 : 0);
                end.Value = new ClaimEnd(!ok.Value, claiming.Outcome == AcquireOutcome.Held, null);
                yield break;
            }

            var holder = claiming.Holder!;
            var until = _world.Now + 4_000;
            while (_world.Now < until && Store.Find(holder.Name) is { Status: < BackendStatus.Ready })
            {
                yield return Wait.For(20);
            }

            if (Store.Find(holder.Name) is { Status: < BackendStatus.Terminating })
            {
                end.Value = new ClaimEnd(false, false, holder);
                yield break;
            }

            until = _world.Now + 5_000;
            while (_world.Now < until && Store.Find(holder.Name) is { Lives: true })
            {
                yield return Wait.For(20);
            }
        }
    }

    public IEnumerator<Wait> Terminate(BackendName name, TerminationKind kind, Box<Done?> answer)
    {
        var ok = new Box<bool>();
        var queued = new Box<int>();
        yield return Wait.Run(Database.Run(tx => Store.Terminate(tx, name, kind, TerminationReason.External, queued), ok));
        answer.Value = ok.Value ? new Done(queued.Value > 0) : null;
    }

    public IEnumerator<Wait> Prevent(BackendName name, Box<Done?> answer)
    {
        var ok = new Box<bool>();
        var outcome = new Box<ChangeOutcome>();
        yield return Wait.Run(Database.Run(tx => Store.Prevent(tx, name, outcome), ok));
        answer.Value = ok.Value ? new Done(outcome.Value == ChangeOutcome.Changed) : null;
    }

    public IEnumerator<Wait> Drain(int drone, bool draining, bool terminate, Box<Done?> answer)
    {
        var ok = new Box<bool>();
        var outcome = new Box<int>();
        yield return Wait.Run(Database.Run(tx => Store.SetDraining(tx, drone, draining, terminate, outcome), ok));
        answer.Value = ok.Value ? new Done(outcome.Value > 0) : null;
    }

    private Process NewProcess() => new(Name) { StallsPerMillion = _world.Settings.SiloStalls };

    private void Begin()
    {
        _world.Scheduler.Start(Process, SweepLost(), _world.Prng.Between(0, 5_000));
        if (_world.Settings.Pool > 0)
        {
            _world.Scheduler.Start(Process, Refill(), _world.Prng.Between(0, 3_000));
        }

        if (_world.Settings.ChosenIds)
        {
            _world.Scheduler.Start(Process, CleanUp(), _world.Prng.Between(0, 10_000));
        }
    }

    /// <summary>A hint from what is committed, as <c>ListCandidatesAsync</c>: the acquisition checks again.</summary>
    private int? PickDrone()
    {
        var first = _world.Prng.Below(_world.Machines.Length);
        for (var i = 0; i < _world.Machines.Length; i++)
        {
            var drone = (first + i) % _world.Machines.Length;
            if (Store.Drone(drone) is { Ready: true, Draining: false } d
                && d.HeartbeatAt > Store.Clock - (long)_world.Numbers.HeartbeatFresh.TotalMilliseconds)
            {
                return drone;
            }
        }

        return null;
    }

    private IEnumerator<Wait> SweepLost()
    {
        var period = (long)_world.Numbers.Sweep.TotalMilliseconds;
        var ok = new Box<bool>();
        while (true)
        {
            var lost = new Box<int?>();
            yield return Wait.Run(Database.Run(tx => Store.SweepLost(tx, lost), ok));
            yield return Wait.For(_world.Prng.Between(period * 9 / 10, period * 11 / 10));
        }
    }

    /// <summary>Mirrors <c>WarmPools</c>: a backend in each free place.</summary>
    private IEnumerator<Wait> Refill()
    {
        var ok = new Box<bool>();
        while (true)
        {
            for (var key = _world.Settings.Keys; key < _world.Settings.Keys + _world.Settings.Pool && !_world.IsCalm; key++)
            {
                if ((Store.Key(key) is { } held && held.ExpiresAt >= Store.Clock) || PickDrone() is not { } drone)
                {
                    continue;
                }

                var number = ++_world.WarmStarts;
                var acquisition = new Acquisition
                {
                    Name = BackendName.Parse(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"w{number}")),
                    Chosen = false,
                    Key = key,
                    Drone = drone,
                    Command = -number,
                };
                yield return Wait.Run(Database.Run(tx => Store.Acquire(tx, acquisition), ok));
            }

            yield return Wait.For(_world.Prng.Between(300, 5_000));
        }
    }

    private IEnumerator<Wait> CleanUp()
    {
        var ok = new Box<bool>();
        while (true)
        {
            yield return Wait.Run(Database.Run(tx => Store.CleanUp(tx, _world.Settings.KeepEnded), ok));
            yield return Wait.For(_world.Prng.Between(8_000, 12_000));
        }
    }

    /// <summary>What became of the claims for a connect.</summary>
    private readonly record struct ClaimEnd(bool IsUnknown, bool IsHeld, StoredBackend? Holder);
}
