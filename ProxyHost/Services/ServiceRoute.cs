using Plane.ProxyHost.Routes;

namespace Plane.ProxyHost.Services;

/// <summary>One host of a service, and the token by which this proxy has entered the backend of its key. The token is one word, swapped whole.</summary>
internal sealed class ServiceRoute
{
    private Entered? _entered;
    private RouteEntry? _closed;
    private volatile KeyConfig? _key;

    /// <summary>Makes it, without a token.</summary>
    /// <param name="service">The service.</param>
    /// <param name="label">The key's label.</param>
    /// <param name="subdomain">The host's first label, in lower case.</param>
    public ServiceRoute(ServiceName service, string label, string subdomain)
    {
        Service = service;
        Label = label;
        Subdomain = subdomain;
        _key = ServiceLabel.IsHash(label) ? null : new KeyConfig { Name = label };
    }

    public ServiceName Service { get; }

    public string Label { get; }

    public string Subdomain { get; }

    /// <summary>The key as the service's callers name it; null as long as its label, a hash, is all that is known.</summary>
    public KeyConfig? Key
    {
        get => _key;
        set => _key = value;
    }

    /// <summary>The token, or null.</summary>
    public Entered? Entered => Volatile.Read(ref _entered);

    /// <summary>The way to the last backend that was ending and took no more connections, or null: its end is waited for.</summary>
    public RouteEntry? Closed
    {
        get => Volatile.Read(ref _closed);
        set => Volatile.Write(ref _closed, value);
    }

    /// <summary>Whether it is, or was, kept for other requests of the host.</summary>
    public bool IsKept { get; set; }

    /// <summary>The running entry, or the last one that was refused, guarded by the lock of this object.</summary>
    public EntryFlight? Flight { get; set; }

    /// <summary>Takes a token.</summary>
    public void Enter(Entered entered) => Volatile.Write(ref _entered, entered);

    /// <summary>Forgets a token that leads nowhere, unless another came in the meantime.</summary>
    public void Forget(Entered entered) => Interlocked.CompareExchange(ref _entered, null, entered);
}

/// <summary>What an entry has brought.</summary>
/// <param name="Token">The token.</param>
/// <param name="IsEnding">Whether the backend was ending: the key is free once it has.</param>
internal sealed record Entered(BearerToken Token, bool IsEnding);
