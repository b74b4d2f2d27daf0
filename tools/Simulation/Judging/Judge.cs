using Plane.Simulation.Drones;
using Plane.Simulation.Store;

namespace Plane.Simulation.Judging;

/// <summary>What a broken rule looks like.</summary>
internal sealed record Violation(string Rule, string Text);

/// <summary>
/// Sees what backends do (their start, their stop), what the store commits and what clients are answered, on true time, which nobody inside has. The first
/// broken rule ends the schedule.
/// </summary>
internal sealed class Judge(World world) : IStoreObserver
{
    private readonly Dictionary<BackendIdentity, Life> _lives = [];
    private readonly List<Container>[] _running = [.. Enumerable.Range(0, world.Settings.Keys + world.Settings.Pool).Select(_ => new List<Container>())];
    private readonly long[] _lastToken = new long[world.Settings.Keys + world.Settings.Pool];
    private readonly HashSet<BackendName> _claimed = [];
    private readonly HashSet<BackendName> _ids = [];

    public Violation? Violation { get; private set; }

    public IEnumerable<Container> Running => _running.SelectMany(r => r);

    public void Break(string rule, string text)
    {
        Violation ??= new Violation(rule, text);
        world.Tell("judge", $"{rule}: {text}");
    }

    // ---- what backends do ----

    /// <summary>A backend begins to run: nothing else may, for its key.</summary>
    public void Started(Container container)
    {
        world.Coverage.Count(Seen.Started);
        if (_running[container.Key] is [var other, ..])
        {
            Break("at most one", $"{container} starts while {other} runs");
        }

        if (_lives.TryGetValue(container.Identity, out var life) && life.SaidToBeOver)
        {
            Break("terminated is final", $"{container} starts though its drone has said that it is over");
        }

        _running[container.Key].Add(container);
    }

    public void Stopped(Container container) => _running[container.Key].Remove(container);

    /// <summary>A warm backend learns which key it has got: the one of its claim, and no other later.</summary>
    public void Told(Container container, int key, long token)
    {
        world.Coverage.Count(container.Told is null ? Seen.ClaimTold : Seen.ClaimToldAgain);
        world.Tell("judge", $"{container} is told key {key}, token {token}");
        if (container.Told is { } before && before != (key, token))
        {
            Break("told one key", $"{container} is told key {key} with token {token} after {before}");
        }

        container.Told = (key, token);
    }

    /// <summary>A drone has put <c>terminated</c> into its outbox.</summary>
    public void SaidToBeOver(BackendIdentity identity)
    {
        if (_lives.TryGetValue(identity, out var life))
        {
            life.SaidToBeOver = true;
        }

        foreach (var container in Running)
        {
            if (container.Identity == identity)
            {
                Break("terminated is final", $"{container} runs though its drone says that it is over");
            }
        }
    }

    /// <summary>A backend is killed at its hard deadline without having been asked to end, by an agent that had all the time between the deadlines for it.</summary>
    public void KilledUnasked(Container container) => Break("asked before killed", $"{container} is killed by its deadline and was not asked to end");

    // ---- what the store commits ----

    public void Acquired(StoredBackend backend)
    {
        world.Coverage.Count(Seen.Acquisition);
        world.Tell("store", $"key {backend.Key} is acquired by {backend.Name}, token {backend.Token}, on dr-{backend.Drone}");
        if (!_ids.Add(backend.Name))
        {
            world.Coverage.Count(Seen.IdUsedAgain);
        }

        if (backend.Token <= _lastToken[backend.Key])
        {
            Break("tokens grow", $"{backend.Name} acquires key {backend.Key} with token {backend.Token} after {_lastToken[backend.Key]}");
        }

        _lastToken[backend.Key] = backend.Token;
        _lives[backend.Identity] = new Life { AcquiredAt = world.Now, Key = backend.Key };
    }

    /// <summary>A warm backend holds another key from this moment on: nothing else may run for it.</summary>
    public void Claimed(StoredBackend backend, int from)
    {
        world.Coverage.Count(Seen.Claim);
        world.Tell("store", $"key {backend.Key} is claimed for {backend.Name}, token {backend.Token} after {backend.StartToken}, on dr-{backend.Drone}");
        if (!_claimed.Add(backend.Name))
        {
            Break("claimed once", $"{backend.Name} is claimed for key {backend.Key} and was claimed before");
        }

        if (backend.Token <= _lastToken[backend.Key])
        {
            Break("tokens grow", $"{backend.Name} is claimed for key {backend.Key} with token {backend.Token} after {_lastToken[backend.Key]}");
        }

        _lastToken[backend.Key] = backend.Token;
        var start = new BackendIdentity(backend.Name, new FencingToken(backend.StartToken));
        var before = _lives[start];
        before.FreedAt = world.Now;
        _lives[backend.Identity] = new Life { AcquiredAt = world.Now, Key = backend.Key, Status = backend.Status, Renewals = before.Renewals };
        if (_running[from].Find(c => c.Identity == start) is { } container)
        {
            if (_running[backend.Key] is [var other, ..])
            {
                Break("at most one", $"{container} is claimed for key {backend.Key} while {other} runs");
            }

            _running[from].Remove(container);
            container.Key = backend.Key;
            _running[backend.Key].Add(container);
        }
    }

    public void StatusStored(StoredBackend backend)
    {
        if (backend.Status == BackendStatus.Ready && (backend.StartToken > 0 || world.Store.IsInPool(backend.Key)))
        {
            // From here on visitors are let through to it.
            var start = backend.StartToken > 0 ? backend.Identity with { Token = new FencingToken(backend.StartToken) } : backend.Identity;
            if (Running.FirstOrDefault(c => c.Identity == start) is { } container && container.Told != (backend.Key, backend.Token))
            {
                Break("ready is claimed", $"{container} is ready for key {backend.Key} with token {backend.Token} and was told {container.Told}");
            }
        }

        world.Tell("store", $"{backend.Name} is {backend.Status} {backend.Reason}");
        if (backend.Reason == TerminationReason.Lost && backend.Status == BackendStatus.Terminated)
        {
            world.Coverage.Count(Seen.Lost);
        }

        if (_lives.TryGetValue(backend.Identity, out var life))
        {
            if (backend.Status <= life.Status)
            {
                Break("states move forward", $"{backend.Name} is {backend.Status} after {life.Status}");
            }

            life.Status = backend.Status;
        }
    }

    public void KeyFreed(int key, BackendName backend, long token)
    {
        world.Tell("store", $"key {key} is free of {backend}");
        if (_lives.TryGetValue(new BackendIdentity(backend, new FencingToken(token)), out var life))
        {
            life.FreedAt = world.Now;
        }
    }

    public Action RenewalBegun(BackendName backend, long token)
    {
        if (!_lives.TryGetValue(new BackendIdentity(backend, new FencingToken(token)), out var life))
        {
            return static () => { };
        }

        var renewals = life.Renewals;
        renewals.UnderWay++;
        return () => renewals.UnderWay--;
    }

    // ---- what clients are answered ----

    /// <summary>Notes which leases have expired now: without a renewal that began before, none of them comes back.</summary>
    public void NoteExpired()
    {
        for (var key = 0; key < _running.Length; key++)
        {
            if (world.Store.Key(key) is { } k && k.ExpiresAt < world.Store.Clock && LifeOf(k) is { Renewals.UnderWay: 0, ExpiredAt: long.MaxValue } life)
            {
                life.ExpiredAt = world.Now;
            }
        }
    }

    /// <summary>The database's clock went back, and what had expired has not.</summary>
    public void ClockWentBack()
    {
        foreach (var life in _lives.Values)
        {
            life.ExpiredAt = long.MaxValue;
        }
    }

    /// <summary>A connect succeeded: the backend that it names held the key at some instant since the request was first made.</summary>
    public void Connected(StoredBackend holder, int key, long askedAt)
    {
        world.Coverage.Count(Seen.Connect);
        if (!_lives.TryGetValue(holder.Identity, out var life) || life.Key != key)
        {
            Break("connect names a holder", $"{holder.Name} never held key {key}");
        }
        else if (life.FreedAt < askedAt)
        {
            Break("connect names a holder", $"{holder.Name} had lost key {key} at {life.FreedAt} before the connect at {askedAt}");
        }
        else if (life.ExpiredAt < askedAt)
        {
            Break("expired is final", $"{holder.Name}'s lease on key {key} had expired at {life.ExpiredAt}, and the connect of {askedAt} names it");
        }
    }

    /// <summary>The faults are over for long: all must have ended.</summary>
    public void AtTheEnd()
    {
        foreach (var backend in world.Store.Backends)
        {
            if (backend.Lives)
            {
                Break("everyone ends", $"{backend.Name} (token {backend.Token}, key {backend.Key}, dr-{backend.Drone}) is still {backend.Status}");
            }
        }

        foreach (var container in Running)
        {
            Break("everyone ends", $"{container} still runs");
        }
    }

    private Life? LifeOf(KeyRow k) => _lives.GetValueOrDefault(new BackendIdentity(k.Backend, new FencingToken(k.Token)));

    private sealed class Life
    {
        public required long AcquiredAt { get; init; }

        public required int Key { get; init; }

        public long FreedAt { get; set; } = long.MaxValue;

        public long ExpiredAt { get; set; } = long.MaxValue;

        /// <summary>Of the backend, whatever key it holds by now.</summary>
        public Renewals Renewals { get; init; } = new();

        public bool SaidToBeOver { get; set; }

        public BackendStatus Status { get; set; }
    }

    private sealed class Renewals
    {
        public int UnderWay { get; set; }
    }
}
