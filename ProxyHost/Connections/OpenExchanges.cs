using System.Collections.Concurrent;
using Plane.ProxyHost.Forwarding;
using Plane.ProxyHost.Routes;
using Plane.ProxyHost.Services;

namespace Plane.ProxyHost.Connections;

/// <summary>
/// Every request that is in flight, by backend: what keeps a backend alive, and what is cut when a token is revoked. One lock per backend, held for the
/// change of a list; requests to different backends share nothing.
/// </summary>
internal sealed class OpenExchanges(ProxyMetrics metrics)
{
    private readonly ConcurrentDictionary<BackendIdentity, BackendUse> _uses = new();
    private int _count;

    public int Count => Volatile.Read(ref _count);

    public void Begin(Exchange exchange)
    {
        var identity = exchange.Entry.Route.Backend;
        while (true)
        {
            var use = _uses.TryGetValue(identity, out var known) ? known : _uses.GetOrAdd(identity, static i => new BackendUse(i));
            lock (use)
            {
                if (!use.IsRetired)
                {
                    use.Add(exchange);
                    exchange.Use = use;
                    Interlocked.Increment(ref _count);
                    return;
                }
            }
        }
    }

    public void End(Exchange exchange)
    {
        if (exchange.Use is { } use)
        {
            lock (use)
            {
                use.Remove(exchange);
                exchange.Use = null;
            }

            Interlocked.Decrement(ref _count);
        }
    }

    /// <summary>Cuts what is open to a backend by one token.</summary>
    public int CutToken(BackendIdentity identity, string tokenHash) => Cut(identity, tokenHash);

    /// <summary>Cuts all that is open to a backend.</summary>
    public int CutBackend(BackendIdentity identity) => Cut(identity, null);

    /// <summary>Cuts what is open of visits to services.</summary>
    /// <param name="isCut">Whether a visit is one of them; called under a lock.</param>
    public int CutVisits(Func<Visit, bool> isCut)
    {
        var cut = 0;
        foreach (var use in _uses.Values)
        {
            cut += Cut(use, exchange => exchange.Visit is { } visit && isCut(visit));
        }

        return cut;
    }

    /// <summary>Cuts everything: the time to drain is over.</summary>
    public int CutAll()
    {
        var cut = 0;
        foreach (var use in _uses.Values)
        {
            cut += Cut(use, static _ => true);
        }

        return cut;
    }

    /// <summary>The routes that open requests were begun on.</summary>
    public IReadOnlyList<RouteEntry> Routes()
    {
        var routes = new HashSet<RouteEntry>();
        foreach (var use in _uses.Values)
        {
            lock (use)
            {
                for (var exchange = use.First; exchange is not null; exchange = exchange.Next)
                {
                    routes.Add(exchange.Entry);
                }
            }
        }

        return [.. routes];
    }

    /// <summary>The backends in use since the last call or with anything open. What can't be reported is given back by <see cref="GiveBack"/>.</summary>
    public BackendIdentity[] TakeUsed()
    {
        var used = new List<BackendIdentity>();
        foreach (var use in _uses.Values)
        {
            lock (use)
            {
                if (use.Open > 0 || use.WasUsed)
                {
                    used.Add(use.Identity);
                    use.WasUsed = false;
                }
                else
                {
                    use.IsRetired = true;
                    _uses.TryRemove(KeyValuePair.Create(use.Identity, use));
                }
            }
        }

        return [.. used];
    }

    public void GiveBack(IEnumerable<BackendIdentity> identities)
    {
        foreach (var identity in identities)
        {
            while (true)
            {
                var use = _uses.GetOrAdd(identity, static i => new BackendUse(i));
                lock (use)
                {
                    if (!use.IsRetired)
                    {
                        use.WasUsed = true;
                        break;
                    }
                }
            }
        }
    }

    private int Cut(BackendIdentity identity, string? tokenHash) =>
        _uses.TryGetValue(identity, out var use) ? Cut(use, exchange => tokenHash is null || exchange.Entry.TokenHash == tokenHash) : 0;

    private int Cut(BackendUse use, Func<Exchange, bool> isCut)
    {
        var cut = 0;

        // Under the lock, since a request that has ended gives its HttpContext to another: only one that is still in the list may be aborted.
        lock (use)
        {
            for (var exchange = use.First; exchange is not null;)
            {
                var next = exchange.Next;
                if (isCut(exchange))
                {
                    exchange.Cut();
                    cut++;
                }

                exchange = next;
            }
        }

        metrics.Cut(cut);
        return cut;
    }
}
