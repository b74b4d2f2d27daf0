using Plane.DroneHost.Runtimes;
using Plane.Simulation.Cluster;
using Plane.Simulation.Core;
using Plane.Simulation.Judging;
using Plane.Simulation.Store;

namespace Plane.Simulation.Drones;

/// <summary>
/// The drone's agent: the loops of <c>DroneAgent</c>, each a fiber. What it has in memory goes with its process; what it decides it decides by the production's own
/// <c>BackendLease</c> and <c>TerminationSignals</c>.
/// </summary>
internal sealed class Agent(World world, Machine machine, Process process)
{
    private readonly Dictionary<BackendIdentity, Supervisor> _backends = [];
    private readonly List<Supervisor> _all = [];
    private readonly Gate _registered = new(world.Scheduler);
    private readonly Gate _lost = new(world.Scheduler);
    private readonly Gate _watch = new(world.Scheduler);
    private readonly Gate _renew = new(world.Scheduler);
    private readonly Gate _outbox = new(world.Scheduler);
    private long _session;
    private long _acknowledged;
    private bool _adopted;

    private StateFile State => machine.State;

    public Supervisor? Find(BackendIdentity identity) => _backends.GetValueOrDefault(identity);

    public void Begin()
    {
        Start(Adopt());
        Start(Watch());
        Start(Register());
        Start(Heartbeat());
        Start(Renew());
        Start(Pull());
        Start(Report());
    }

    /// <summary>A re-listing after the engine came back: exits and disappearances that nobody told of.</summary>
    public void RuntimeIsBack(IEnumerable<Container> containers)
    {
        var found = containers.ToDictionary(c => c.Identity, c => c.State);
        Start(Compare(found));
    }

    public void Forget(Supervisor supervisor)
    {
        _backends.Remove(supervisor.Identity);
        _all.Remove(supervisor);
    }

    public void LookSoon() => _watch.Pulse();

    public void OutboxGrew() => _outbox.Pulse();

    public void Start(IEnumerator<Wait> body) => world.Scheduler.Start(process, body);

    // ---- adoption ----

    private IEnumerator<Wait> Adopt()
    {
        var known = State.Backends.Values.Where(b => b.Status < BackendStatus.Terminated).ToList();
        if (world.Has(Bug.ClaimNotStored))
        {
            known.ForEach(static b => b.Claim = null);
        }

        foreach (var row in known)
        {
            Lead(row, isNew: false);
        }

        RuntimeCall list;
        while (true)
        {
            list = machine.Runtime.Ask(Verb.List, default, 0, State.InstanceId, null);
            yield return Wait.On(list.Done, 10_000);
            if (list.Succeeded)
            {
                break;
            }

            yield return Wait.For(1_000);
        }

        var found = list.Found!.Where(c => c.Instance == State.InstanceId).ToDictionary(c => c.Identity);
        foreach (var row in known)
        {
            Find(row.Identity)?.Found(found.GetValueOrDefault(row.Identity));
        }

        foreach (var stranger in found.Values.Where(c => c.State == FoundState.Running && !State.Backends.ContainsKey(c.Identity)))
        {
            while (true)
            {
                var call = machine.Runtime.Ask(Verb.Remove, stranger.Identity, 0, "", null);
                yield return Wait.On(call.Done, 10_000);
                if (call.Succeeded)
                {
                    break;
                }

                yield return Wait.For(500);
            }
        }

        _adopted = true;
    }

    private IEnumerator<Wait> Compare(Dictionary<BackendIdentity, FoundState> found)
    {
        yield return Wait.For(world.Prng.Between(10, 1_000));
        foreach (var backend in _all.ToArray())
        {
            if (backend.IsRunning)
            {
                var container = machine.Runtime.Find(backend.Identity);
                if (container is null)
                {
                    backend.Vanished();
                }
                else if (container.State == FoundState.Exited)
                {
                    backend.Exited(1);
                }
            }
        }
    }

    private void Lead(KnownBackend row, bool isNew)
    {
        if (_backends.ContainsKey(row.Identity))
        {
            return;
        }

        var supervisor = new Supervisor(world, machine, this, row);
        _backends[row.Identity] = supervisor;
        _all.Add(supervisor);
        Start(supervisor.Lead(isNew));
        _watch.Pulse();
        _renew.Pulse();
    }

    // ---- LeaseKeeper.WatchAsync ----

    private IEnumerator<Wait> Watch()
    {
        while (true)
        {
            var now = machine.Milliseconds;
            var next = long.MaxValue;
            for (var i = 0; i < _all.Count; i++)
            {
                if (now >= _all[i].WakeAt)
                {
                    _all[i].Look(now);
                }

                next = Math.Min(next, _all[i].WakeAt);
            }

            var until = machine.Until(next);
            yield return Wait.On(_watch, until == Wait.Ever ? Wait.Ever : until + world.Prng.Between(0, 250));
        }
    }

    // ---- SessionKeeper ----

    private IEnumerator<Wait> Register()
    {
        for (var i = 0; i < 20 && !_adopted; i++)
        {
            yield return Wait.For(100);
        }

        long? inUseSince = null;
        while (true)
        {
            var running = _all.Where(b => b.IsRunning).Select(b => b.Identity).ToList();
            var me = new Registering(
                State.InstanceId, machine.BootId, machine.Milliseconds, world.Settings.MaxBackends, _adopted, State.LastAction, running);
            yield return Wait.Step;
            var request = world.Network.Ask<Registered>(machine.Link, (silo, answer) => silo.Register(machine.Index, me, answer));
            yield return Wait.On(request.Answered, 10_000);
            if (request.Answer is { Session: > 0 } registered)
            {
                inUseSince = null;
                _session = registered.Session;
                foreach (var backend in _all)
                {
                    backend.Lease.AskAt = long.MinValue;
                }

                _registered.Pulse();
                _renew.Pulse();
                while (_session != 0)
                {
                    yield return Wait.On(_lost);
                }
            }
            else if (request.Answer is not null)
            {
                world.Coverage.Count(Seen.NameInUse);
                inUseSince ??= world.Now;
                if (world.Now - inUseSince >= 30_000)
                {
                    machine.AgentGaveUp();
                    yield break;
                }
            }
            else
            {
                inUseSince = null;
            }

            yield return Wait.For(world.Prng.Between(200, 2_000));
        }
    }

    private void Observe(long session, SessionState state)
    {
        if (state != SessionState.Current && session == _session)
        {
            world.Coverage.Count(Seen.SessionReplaced);
            _session = 0;
            _lost.Pulse();
        }
    }

    private IEnumerator<Wait> Session()
    {
        while (_session == 0)
        {
            yield return Wait.On(_registered);
        }
    }

    private IEnumerator<Wait> Heartbeat()
    {
        var period = (long)world.Numbers.Heartbeat.TotalMilliseconds;
        while (true)
        {
            yield return Wait.Run(Session());
            var (session, reading, ready) = (_session, machine.Milliseconds, _adopted);
            var (instance, boot) = (State.InstanceId, machine.BootId);
            yield return Wait.Step;
            var request = world.Network.Ask<Standing>(
                machine.Link, (silo, answer) => silo.Heartbeat(machine.Index, session, instance, boot, reading, ready, answer));
            yield return Wait.On(request.Answered, 5_000);
            if (request.Answer is { } answer)
            {
                Observe(session, answer.Session);
            }

            yield return Wait.For(period);
        }
    }

    // ---- LeaseKeeper.RenewAsync ----

    private IEnumerator<Wait> Renew()
    {
        var soonBy = (long)(world.Numbers.RenewAfter.TotalMilliseconds / 10);
        while (true)
        {
            yield return Wait.Run(Session());
            var now = machine.Milliseconds;
            List<Supervisor>? due = null;
            var any = false;
            var next = long.MaxValue;
            foreach (var backend in _all)
            {
                var lease = backend.Lease;
                if (backend.IsGone || !lease.IsRenewable(now))
                {
                    continue;
                }

                if (lease.AskAt <= now + soonBy)
                {
                    (due ??= []).Add(backend);
                    any |= lease.AskAt <= now;
                }

                next = Math.Min(next, lease.AskAt);
            }

            if (any)
            {
                Start(AskToRenew(_session, [.. due!]));
                yield return Wait.Step;
                continue;
            }

            var until = machine.Until(next);
            yield return Wait.On(_renew, until == Wait.Ever ? Wait.Ever : until + world.Prng.Between(0, 250));
        }
    }

    private IEnumerator<Wait> AskToRenew(long session, Supervisor[] due)
    {
        var reading = machine.Milliseconds;
        foreach (var backend in due)
        {
            backend.Lease.AskAt = reading + (long)world.Numbers.RenewalCall.TotalMilliseconds;
        }

        var items = Array.ConvertAll(due, b => b.Lease.OnWire);
        var (instance, boot) = (State.InstanceId, machine.BootId);
        yield return Wait.Step;
        var request = world.Network.Ask<Renewed>(
            machine.Link, (silo, answer) => silo.Renew(machine.Index, session, items, instance, boot, reading, answer));

        // An answer is listened for longer than one is waited for: it still counts.
        yield return Wait.On(request.Answered, 30_000);
        if (request.Answer is { } reply)
        {
            Observe(session, reply.Session);
            if (reply.Session == SessionState.Current)
            {
                yield return Wait.Run(Apply(due, items, reply));
                yield break;
            }
        }

        var again = Math.Max(machine.Milliseconds, reading + (long)world.Numbers.RenewalRetry.TotalMilliseconds);
        foreach (var backend in due)
        {
            backend.Lease.AskAt = Math.Min(backend.Lease.AskAt, again);
        }

        _renew.Pulse();
    }

    private IEnumerator<Wait> Apply(Supervisor[] asked, BackendIdentity[] items, Renewed reply)
    {
        var deadlines = reply.Deadlines!;
        if (world.Has(Bug.DeadlinesFromAnswer))
        {
            deadlines = world.Numbers.DeadlinesFrom(machine.Milliseconds, deadlines.InstanceId, deadlines.BootId);
        }

        var prolonged = new List<Supervisor>();
        for (var i = 0; i < asked.Length; i++)
        {
            var backend = asked[i];
            var outcome = reply.Outcomes[i];
            if (outcome == RenewalOutcome.Renewed)
            {
                if (backend.Lease.TryProlong(deadlines))
                {
                    backend.Lease.AskAt = backend.Lease.Deadlines.RenewAt;
                    world.Coverage.Count(items[i] == backend.Lease.OnWire ? Seen.Renewal : Seen.RenewedUnderStartToken);
                    prolonged.Add(backend);
                }
            }
            else if (!backend.Lease.IsRefused)
            {
                world.Coverage.Count(Seen.RefusedRenewal);
                world.Tell(machine.Name, $"renewal of {backend.Identity.Backend} is refused: {outcome}");
                backend.Lease.Refuse();
                backend.Look(machine.Milliseconds);
                prolonged.Add(backend);
            }
        }

        _renew.Pulse();
        if (prolonged.Count == 0)
        {
            yield break;
        }

        // In memory it holds from now on; on disk and for the guard a little later: early, never late.
        yield return Wait.For(world.Disk());
        foreach (var backend in prolonged)
        {
            backend.StoreLease();
        }
    }

    // ---- ActionPuller and ActionRows ----

    private IEnumerator<Wait> Pull()
    {
        while (true)
        {
            yield return Wait.Run(Session());
            if (!_adopted)
            {
                yield return Wait.For(500);
                continue;
            }

            var (session, after) = (_session, State.LastAction);
            if (_acknowledged < after)
            {
                var ack = world.Network.Ask<Standing>(machine.Link, (silo, answer) => silo.Acknowledge(machine.Index, session, after, answer));
                yield return Wait.On(ack.Answered, 15_000);
                if (ack.Answer is { } standing)
                {
                    Observe(session, standing.Session);
                    if (standing.Session == SessionState.Current)
                    {
                        _acknowledged = after;
                    }
                }
                else
                {
                    yield return Wait.For(world.Prng.Between(100, 2_000));
                    continue;
                }
            }

            yield return Wait.Step;
            var request = world.Network.Ask<Page>(machine.Link, (silo, answer) => silo.ReadActions(machine.Index, session, after, answer));
            yield return Wait.On(request.Answered, 15_000);
            if (request.Answer is not { } page)
            {
                yield return Wait.For(world.Prng.Between(100, 2_000));
                continue;
            }

            Observe(session, page.Session);
            if (page.Actions.Count > 0)
            {
                yield return Wait.For(world.Disk());
                var ends = ApplyActions(page.Actions);
                yield return Wait.Step;
                foreach (var action in page.Actions)
                {
                    // Only what the commit made; supervisors begin after it.
                    if (State.Find(action.Identity) is { Status: < BackendStatus.Terminated } row)
                    {
                        Lead(row, isNew: true);
                        Find(row.Identity)?.Claimed();
                        if (ends.Contains(action.Number))
                        {
                            Find(row.Identity)?.Ask(action.Kind, action.Reason);
                        }
                    }
                }
            }
        }
    }

    /// <summary>The numbers of the ends that go to backends which are known.</summary>
    private HashSet<long> ApplyActions(List<StoredAction> page)
    {
        var ends = new HashSet<long>();
        var actions = world.Has(Bug.TerminateOvertakesSpawn)
            ? page.OrderBy(a => a.Spawn is not null).ThenBy(a => a.Number)
            : page.OrderBy(a => a.Number);
        foreach (var action in actions)
        {
            if (action.Spawn is { } deadlines)
            {
                if (State.Backends.ContainsKey(action.Identity))
                {
                    continue;
                }

                if (State.RememberedEnds.TryGetValue(action.Identity, out var end))
                {
                    State.Post(action.Identity, BackendStatus.Terminated, end.Reason);
                    continue;
                }

                State.Backends[action.Identity] = new KnownBackend { Identity = action.Identity, Key = action.Key, Deadlines = deadlines };
            }
            else if (action.StartToken > 0)
            {
                if (State.Find(action.Identity with { Token = new FencingToken(action.StartToken) }) is { Claim: null } warm)
                {
                    warm.Claim = (action.Key, action.Identity.Token.Value);
                }
            }
            else if (State.Find(action.Identity) is { } row)
            {
                if (row.Status < BackendStatus.Terminated)
                {
                    row.EndKind = row.EndKind is { } kind && kind > action.Kind ? kind : action.Kind;
                    row.EndReason ??= action.Reason;
                    ends.Add(action.Number);
                }
            }
            else if (!world.Has(Bug.TerminateOvertakesSpawn))
            {
                world.Coverage.Count(Seen.EndRemembered);
                State.RememberedEnds[action.Identity] = (action.Kind, action.Reason);
            }
        }

        State.LastAction = Math.Max(State.LastAction, page.Max(a => a.Number));
        _outbox.Pulse();
        return ends;
    }

    // ---- StateReporter ----

    private IEnumerator<Wait> Report()
    {
        while (true)
        {
            yield return Wait.Run(Session());
            if (State.Outbox.Count == 0)
            {
                yield return Wait.On(_outbox);
                continue;
            }

            var (session, events) = (_session, State.Outbox.ToArray());
            yield return Wait.Step;
            var request = world.Network.Ask<Reported>(machine.Link, (silo, answer) => silo.Report(machine.Index, session, events, answer));
            yield return Wait.On(request.Answered, 10_000);
            if (request.Answer is { } reply)
            {
                Observe(session, reply.Session);
                if (reply.Session == SessionState.Current)
                {
                    for (var i = 0; i < events.Length; i++)
                    {
                        if (reply.Applied[i] && State.Backends.TryGetValue(events[i].Identity, out var row) && row.Claim is not null)
                        {
                            world.Coverage.Count(Seen.SaidUnderStartToken);
                        }
                    }

                    yield return Wait.For(world.Disk());
                    State.Outbox.RemoveAll(e => e.Sequence <= events[^1].Sequence);
                    continue;
                }
            }

            yield return Wait.For(world.Prng.Between(100, 2_000));
        }
    }
}
