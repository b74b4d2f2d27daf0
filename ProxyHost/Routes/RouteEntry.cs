using System.Net;
using Plane.ProxyHost.Sessions;

namespace Plane.ProxyHost.Routes;

/// <summary>
/// One route as the proxy uses it: everything that is the same for each request of a token is computed once. Immutable but for the marks at the end, each a
/// single word that is written without a lock.
/// </summary>
internal sealed class RouteEntry
{
    private long _lastUsed;
    private int _checking;
    private volatile bool _detached;

    private RouteEntry(BearerToken token, string tokenHash, Route route, LogPosition readAt, long now)
    {
        Token = token;
        TokenHash = tokenHash;
        Route = route;
        ReadAt = readAt;
        CheckedAt = now;
        _lastUsed = now;
        SeenAt = now;
        KeepsToken = token.IsStatic;
        Prefix = "http://" + route.Address;
        Backend = route.Backend.Backend.Value;
        Username = route.User is { } user ? HeaderText.Encode(user) : null;
        UserData = route.Auth?.Text;
        PathPrefix = "/" + token.Value;
        IsH2c = route.Web?.Protocol == BackendProtocol.H2c;
        Web = new WebRules(route.Web?.AllowedOrigins ?? [], route.Web?.Embed == true);
    }

    public BearerToken Token { get; }

    public string TokenHash { get; }

    public Route Route { get; }

    /// <summary>The place in the change log at which the route was read.</summary>
    public LogPosition ReadAt { get; }

    /// <summary>When the controller said it, on the lease clock.</summary>
    public long CheckedAt { get; }

    /// <summary>A static token stays in the path that the backend sees.</summary>
    public bool KeepsToken { get; }

    public string Prefix { get; }

    public string Backend { get; }

    public string? Username { get; }

    public string? UserData { get; }

    /// <summary>What a client's path begins with, where the token is in it.</summary>
    public string PathPrefix { get; }

    /// <summary>Whether the backend speaks HTTP/2 without TLS.</summary>
    public bool IsH2c { get; }

    /// <summary>Which pages of other origins may use it, as the spawn config says.</summary>
    public WebRules Web { get; }

    /// <summary>Last use on the lease clock; the order of eviction. Written by every request, racing writes lose a millisecond at most.</summary>
    public long LastUsed
    {
        get => Volatile.Read(ref _lastUsed);
        set => Volatile.Write(ref _lastUsed, value);
    }

    /// <summary>
    /// Not, or no longer, in the cache, so that changes no longer reach it: code that begins a request on it asks <see cref="RouteCache.IsOvertaken"/> after
    /// the request can be cut.
    /// </summary>
    public bool IsDetached
    {
        get => _detached;
        set => _detached = value;
    }

    /// <summary>The cache's epoch in which it was admitted.</summary>
    public int Epoch { get; set; }

    /// <summary>Its place in the cache's order of eviction, guarded by the cache's lock.</summary>
    public LinkedListNode<RouteEntry>? Age { get; set; }

    /// <summary>The last use that the eviction has seen, guarded by the cache's lock.</summary>
    public long SeenAt { get; set; }

    /// <summary>Claims the check of this entry; one at a time.</summary>
    public bool TryBeginCheck() => Interlocked.CompareExchange(ref _checking, 1, 0) == 0;

    public void EndCheck() => Volatile.Write(ref _checking, 0);

    /// <summary>Whether both lead to the same place.</summary>
    public bool LeadsLike(RouteEntry other) => Route.Backend == other.Route.Backend && Route.Address == other.Route.Address;

    /// <summary>Makes an entry, or null where the address is no <c>IP:port</c>.</summary>
    public static RouteEntry? From(BearerToken token, string tokenHash, Route route, LogPosition readAt, long now) =>
        IPEndPoint.TryParse(route.Address, out var address) && address.Port != 0 ? new RouteEntry(token, tokenHash, route, readAt, now) : null;

    /// <summary>The backend alone: the rest is secret or personal.</summary>
    public override string ToString() => Route.ToString();
}
