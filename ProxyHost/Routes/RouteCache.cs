using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace Plane.ProxyHost.Routes;

/// <summary>
/// The routes in use. What must hold: a request goes to a backend only while the token was, as far as the change log has been read, valid for it.
/// <para>
/// Answers of <c>Resolve</c> and pages of the change log arrive on different paths, in any order. Both carry positions of one log, and these decide:
/// </para>
/// <list type="number">
/// <item>An answer that was read before a change of its backend or token that has been seen since is stale: it is neither kept nor used.</item>
/// <item>A change removes what was read before it, and nothing that was read after it.</item>
/// <item>A route with an older fencing token never replaces a newer one, whatever the positions say.</item>
/// <item>An answer older than everything remembered serves the request that asked for it and isn't kept.</item>
/// </list>
/// <para>Reads take no lock. All writes, the index and the memory of changes are behind one lock that is held for microseconds (README.md).</para>
/// </summary>
internal sealed class RouteCache
{
    // Answers take at most some 15 s; at 1,000 changes a second this remembers half a minute.
    private const int RememberedChanges = 32_768;

    // The most routes that one eviction looks at.
    private const int LookedAt = 64;

    private readonly int _capacity;
    private readonly ConcurrentDictionary<string, RouteEntry> _routes = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, RouteEntry>.AlternateLookup<ReadOnlySpan<char>> _bySpan;

    // Guarded by _gate.
    private readonly Lock _gate = new();
    private readonly ChangeMemory _memory = new(RememberedChanges);
    private Dictionary<string, RouteEntry> _byHash = new(StringComparer.Ordinal);
    private Dictionary<BackendName, List<RouteEntry>> _byBackend = [];
    private Dictionary<string, HashSet<BackendName>> _openTo = new(StringComparer.OrdinalIgnoreCase);
    private LinkedList<RouteEntry> _byAge = [];

    // Written under _gate, read by every request.
    private int _epoch;

    public RouteCache(ProxyOptions options)
    {
        _capacity = options.RouteCacheSize;
        _bySpan = _routes.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _byHash.Count;
            }
        }
    }

    /// <summary>The route of a token, found without making a string of it.</summary>
    public bool TryGet(ReadOnlySpan<char> token, [NotNullWhen(true)] out RouteEntry? entry) => _bySpan.TryGetValue(token, out entry);

    /// <summary>Whether changes may have been missed since the route was read: it is checked when it is used.</summary>
    public bool MustCheck(RouteEntry entry) => entry.Epoch != Volatile.Read(ref _epoch);

    /// <summary>Whether a backend of the subdomain that is known here lets pages of the origin use it with credentials.</summary>
    public bool AllowsOrigin(string subdomain, string origin)
    {
        lock (_gate)
        {
            return _openTo.TryGetValue(subdomain, out var backends)
                && backends.Any(b => _byBackend[b][0].Web.AllowedOrigins.Contains(origin, StringComparer.OrdinalIgnoreCase));
        }
    }

    /// <summary>Takes an answer in.</summary>
    /// <returns>What to serve by; null where the answer is stale and the caller asks again.</returns>
    public RouteEntry? Admit(RouteEntry entry)
    {
        lock (_gate)
        {
            var identity = entry.Route.Backend;
            if (_memory.HasLater(identity.Backend, entry.TokenHash, entry.ReadAt))
            {
                return null;
            }

            if (_byHash.TryGetValue(entry.TokenHash, out var known)
                && (known.Route.Backend.Token > identity.Token || (known.Route.Backend.Token == identity.Token && known.ReadAt > entry.ReadAt)))
            {
                return known;
            }

            if (_byBackend.TryGetValue(identity.Backend, out var siblings))
            {
                if (siblings.Exists(s => s.Route.Backend.Token > identity.Token))
                {
                    return null;
                }

                foreach (var older in siblings.FindAll(s => s.Route.Backend.Token < identity.Token))
                {
                    Remove(older);
                }
            }

            if (known is { IsDetached: false })
            {
                Remove(known);
            }

            if (entry.ReadAt < _memory.Floor)
            {
                entry.IsDetached = true;
                return entry;
            }

            if (_byHash.Count >= _capacity)
            {
                Evict();
            }

            entry.Epoch = _epoch;
            entry.Age = _byAge.AddLast(entry);
            _routes[entry.Token.Value] = entry;
            _byHash[entry.TokenHash] = entry;
            if (!_byBackend.TryGetValue(identity.Backend, out var list))
            {
                _byBackend[identity.Backend] = list = new List<RouteEntry>(1);
            }

            list.Add(entry);
            Index(entry);
            return entry;
        }
    }

    /// <summary>Whether a change made a route that isn't in the cache invalid.</summary>
    public bool IsOvertaken(RouteEntry entry)
    {
        lock (_gate)
        {
            return _memory.HasLater(entry.Route.Backend.Backend, entry.TokenHash, entry.ReadAt);
        }
    }

    /// <summary>Applies one change of the log. Routes go before the caller cuts connections: a request that begins in between sees that its route is gone.</summary>
    public void Apply(Change change)
    {
        lock (_gate)
        {
            switch (change)
            {
                case { Kind: ChangeKind.TokenRevoked, TokenHash: { } hash }:
                    _memory.Add(change.Backend?.Backend, hash, change.Position);
                    if (_byHash.TryGetValue(hash, out var revoked) && revoked.ReadAt < change.Position)
                    {
                        Remove(revoked);
                    }

                    break;

                // A token that isn't named stands for all of the backend's.
                case { Kind: ChangeKind.TokenRevoked or ChangeKind.BackendState, Backend: { } identity }:
                    _memory.Add(identity.Backend, null, change.Position);
                    if (_byBackend.TryGetValue(identity.Backend, out var routes))
                    {
                        foreach (var route in routes.FindAll(r => r.ReadAt < change.Position))
                        {
                            Remove(route);
                        }
                    }

                    break;
            }
        }
    }

    /// <summary>Forgets a route that the controller no longer knows.</summary>
    public void Forget(string tokenHash)
    {
        lock (_gate)
        {
            if (_byHash.TryGetValue(tokenHash, out var entry))
            {
                Remove(entry);
            }
        }
    }

    /// <summary>Changes may have been missed: every route is checked as it is used, and answers that were read before this position are no longer kept.</summary>
    public void MissedUpTo(LogPosition position)
    {
        lock (_gate)
        {
            _memory.RaiseFloor(position);
            _epoch++;
        }
    }

    /// <summary>Has every route checked as it is used.</summary>
    public void CheckAll()
    {
        lock (_gate)
        {
            _epoch++;
        }
    }

    /// <summary>Forgets every route. Called by the reader of changes, as <see cref="Apply"/> is: no change comes in between.</summary>
    public void Clear()
    {
        LinkedList<RouteEntry> all;
        lock (_gate)
        {
            all = _byAge;
            _byAge = [];
            _byHash = new Dictionary<string, RouteEntry>(StringComparer.Ordinal);
            _byBackend = [];
            _openTo = new Dictionary<string, HashSet<BackendName>>(StringComparer.OrdinalIgnoreCase);
            _routes.Clear();
        }

        foreach (var entry in all)
        {
            entry.IsDetached = true;
        }
    }

    private void Remove(RouteEntry entry)
    {
        entry.IsDetached = true;
        _routes.TryRemove(KeyValuePair.Create(entry.Token.Value, entry));
        _byHash.Remove(entry.TokenHash);
        _byAge.Remove(entry.Age!);
        var siblings = _byBackend[entry.Route.Backend.Backend];
        siblings.Remove(entry);
        if (siblings.Count == 0)
        {
            _byBackend.Remove(entry.Route.Backend.Backend);
            RemoveFromIndex(entry);
        }
    }

    // Subdomain and origins are the backend's: they are the same for all of its tokens.
    private void Index(RouteEntry entry)
    {
        if (entry.Route.Subdomain is { Length: > 0 } subdomain && entry.Web.AllowedOrigins.Length > 0)
        {
            if (!_openTo.TryGetValue(subdomain, out var backends))
            {
                _openTo[subdomain] = backends = [];
            }

            backends.Add(entry.Route.Backend.Backend);
        }
    }

    private void RemoveFromIndex(RouteEntry entry)
    {
        if (entry.Route.Subdomain is { } subdomain && _openTo.TryGetValue(subdomain, out var backends)
            && backends.Remove(entry.Route.Backend.Backend) && backends.Count == 0)
        {
            _openTo.Remove(subdomain);
        }
    }

    // The first that was not used since it was last looked at; of a stretch of used ones the least recently used. What was looked at goes to the end, and an eviction takes no
    // longer the more routes there are.
    private void Evict()
    {
        var candidate = _byAge.First!.Value;
        for (var i = 0; i < LookedAt; i++)
        {
            var oldest = _byAge.First!.Value;
            if (oldest.LastUsed == oldest.SeenAt)
            {
                candidate = oldest;
                break;
            }

            candidate = oldest.LastUsed < candidate.LastUsed ? oldest : candidate;
            oldest.SeenAt = oldest.LastUsed;
            _byAge.RemoveFirst();
            _byAge.AddLast(oldest.Age!);
        }

        Remove(candidate);
    }
}
