namespace Plane.ProxyHost.Routes;

/// <summary>
/// The latest change seen of each backend and of each revoked token, for as long as an answer that was read before it may still arrive. Bounded: what is
/// forgotten raises <see cref="Floor"/>, below which the order is unknown. Not thread-safe; the cache's lock guards it.
/// </summary>
internal sealed class ChangeMemory(int capacity)
{
    private readonly Dictionary<BackendName, LogPosition> _backends = [];
    private readonly Dictionary<string, LogPosition> _tokens = new(StringComparer.Ordinal);
    private readonly Queue<(BackendName? Backend, string? Token, LogPosition Position)> _order = new();

    /// <summary>Changes up to here may have been forgotten, or never seen.</summary>
    public LogPosition Floor { get; private set; }

    public void RaiseFloor(LogPosition position) => Floor = position > Floor ? position : Floor;

    public void Add(BackendName? backend, string? token, LogPosition position)
    {
        if (token is not null)
        {
            _tokens[token] = position;
        }
        else if (backend is { } name)
        {
            _backends[name] = position;
        }
        else
        {
            return;
        }

        _order.Enqueue((backend, token, position));
        while (_order.Count > capacity)
        {
            Forget(_order.Dequeue());
        }
    }

    /// <summary>Whether a change of the backend or the token was seen that an answer read at this position can't know.</summary>
    public bool HasLater(BackendName backend, string token, LogPosition readAt) =>
        (_backends.TryGetValue(backend, out var changed) && changed > readAt) || (_tokens.TryGetValue(token, out var revoked) && revoked > readAt);

    private void Forget((BackendName? Backend, string? Token, LogPosition Position) oldest)
    {
        RaiseFloor(oldest.Position);
        if (oldest.Token is { } token)
        {
            if (_tokens.TryGetValue(token, out var position) && position == oldest.Position)
            {
                _tokens.Remove(token);
            }
        }
        else if (oldest.Backend is { } backend && _backends.TryGetValue(backend, out var position) && position == oldest.Position)
        {
            _backends.Remove(backend);
        }
    }
}
