using Plane.ProxyHost.Forwarding;

namespace Plane.ProxyHost.Connections;

/// <summary>The open requests of one backend, as a list through the exchanges themselves. Every member is called under the lock of this object.</summary>
internal sealed class BackendUse(BackendIdentity identity)
{
    private Exchange? _first;

    public BackendIdentity Identity { get; } = identity;

    public int Open { get; private set; }

    /// <summary>Whether anything was sent to it since the last report that arrived.</summary>
    public bool WasUsed { get; set; }

    /// <summary>Taken out of the table: a request that still holds it takes another.</summary>
    public bool IsRetired { get; set; }

    public Exchange? First => _first;

    public void Add(Exchange exchange)
    {
        exchange.Next = _first;
        if (_first is not null)
        {
            _first.Previous = exchange;
        }

        _first = exchange;
        Open++;
        WasUsed = true;
    }

    public void Remove(Exchange exchange)
    {
        if (exchange.Previous is { } previous)
        {
            previous.Next = exchange.Next;
        }
        else
        {
            _first = exchange.Next;
        }

        if (exchange.Next is { } next)
        {
            next.Previous = exchange.Previous;
        }

        exchange.Next = exchange.Previous = null;
        Open--;
    }
}
