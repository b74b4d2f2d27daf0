using System.Net.WebSockets;
using System.Threading.Channels;

namespace Plane.Demo.Board;

/// <summary>
/// The board itself: who is here and what is drawn. One loop owns all of it and takes one event at a time, so that everybody, newcomers
/// included, sees the same strokes in the same order.
/// </summary>
internal sealed partial class Room(BoardOptions options, TimeProvider time, ILogger<Room> logger) : BackgroundService
{
    private readonly Channel<Action> _events = Channel.CreateBounded<Action>(
        new BoundedChannelOptions(1024) { SingleReader = true });

    private readonly Dictionary<int, Connection> _peers = [];
    private readonly Dictionary<(int By, int Id), Stroke> _strokes = [];
    private readonly LinkedList<Stroke> _order = [];
    private readonly HashSet<Connection> _moved = [];
    private int _points;

    public ValueTask JoinAsync(Connection peer, CancellationToken cancel) => PostAsync(() => Join(peer), cancel);

    public ValueTask SayAsync(Connection peer, Said said, CancellationToken cancel) => PostAsync(() => Hear(peer, said), cancel);

    /// <summary>Never cancelled: who left must not stay in the list.</summary>
    public ValueTask LeaveAsync(Connection peer) => PostAsync(() => Leave(peer), CancellationToken.None);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var ticks = new PeriodicTimer(options.CursorInterval, time);
        // Cursors are the only thing that is worth less than the message it takes: they are gathered and go out on the tick.
        var ticking = TickAsync(ticks, stoppingToken);
        try
        {
            await foreach (var happen in _events.Reader.ReadAllAsync(CancellationToken.None))
            {
                happen();
            }
        }
        finally
        {
            ticks.Dispose();
            await ticking;
        }
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        // Those who leave because of the end still post it; it need not be heard any more.
        _events.Writer.TryComplete();
        await base.StopAsync(cancellationToken);
    }

    private async Task TickAsync(PeriodicTimer ticks, CancellationToken cancel)
    {
        try
        {
            while (await ticks.WaitForNextTickAsync(cancel))
            {
                _events.Writer.TryWrite(SendCursors);
            }
        }
        catch (OperationCanceledException)
        {
            // The program ends.
        }
    }

    private async ValueTask PostAsync(Action happen, CancellationToken cancel)
    {
        try
        {
            await _events.Writer.WriteAsync(happen, cancel);
        }
        catch (ChannelClosedException)
        {
            // The program ends, and the board with it.
        }
    }

    private void Join(Connection peer)
    {
        if (_peers.Count >= options.MaxPeers)
        {
            peer.Close((WebSocketCloseStatus)1013, "the board is full");
            return;
        }

        peer.Color = Enumerable.Range(0, BoardOptions.PersonColors).MinBy(color => _peers.Values.Count(p => p.Color == color));
        _peers.Add(peer.Id, peer);
        peer.Send(Messages.Welcome(peer, _peers.Values, options));
        foreach (var batch in Messages.History(_order))
        {
            peer.Send(batch);
        }

        var cursors = _peers.Values.Where(p => p.Cursor is not null).ToArray();
        if (cursors.Length > 0)
        {
            peer.Send(Messages.Cursors(cursors));
        }

        Tell(Messages.Person(peer), but: peer);
        LogJoined(logger, peer.Id, _peers.Count);
    }

    private void Leave(Connection peer)
    {
        if (!_peers.Remove(peer.Id))
        {
            return;
        }

        _moved.Remove(peer);
        foreach (var stroke in _strokes.Values.Where(s => s.Key.By == peer.Id && s.IsOpen).ToArray())
        {
            stroke.IsOpen = false;
            Tell(Messages.Ended(stroke));
        }

        Tell(Messages.Left(peer));
        LogLeft(logger, peer.Id, _peers.Count);
    }

    private void Hear(Connection peer, Said said)
    {
        // It was turned away, or is being cut, and had something under way.
        if (!_peers.ContainsKey(peer.Id))
        {
            return;
        }

        switch (said)
        {
            case Said.Cursor cursor:
                peer.Cursor = (cursor.X, cursor.Y);
                _moved.Add(peer);
                break;
            case Said.Away:
                peer.Cursor = null;
                _moved.Add(peer);
                break;
            case Said.Rename rename when !peer.IsVerified:
                peer.Name = PersonName.Clean(rename.Name);
                Tell(Messages.Person(peer));
                break;
            case Said.Start start:
                Begin(peer, start);
                break;
            case Said.Points points:
                Continue(peer, points);
                break;
            case Said.End end when _strokes.TryGetValue((peer.Id, end.Id), out var stroke) && stroke.IsOpen:
                stroke.IsOpen = false;
                Tell(Messages.Ended(stroke), but: peer);
                break;
            case Said.Undo:
                Undo(peer);
                break;
            case Said.Clear:
                _strokes.Clear();
                _order.Clear();
                _points = 0;
                Tell(Messages.Cleared(peer));
                break;
        }
    }

    private void Begin(Connection peer, Said.Start start)
    {
        var stroke = new Stroke(peer.Id, start);
        if (!_strokes.TryAdd(stroke.Key, stroke))
        {
            peer.Close(WebSocketCloseStatus.PolicyViolation, "id: used already");
            return;
        }

        _order.AddLast(stroke);
        _points++;
        Tell(Messages.Started(stroke), but: peer);
        Forget();
    }

    private void Continue(Connection peer, Said.Points points)
    {
        // A stroke that someone cleared, or that was forgotten, while its points were under way.
        if (!_strokes.TryGetValue((peer.Id, points.Id), out var stroke) || !stroke.IsOpen)
        {
            return;
        }

        if (stroke.Points + (points.Coordinates.Length / 2) > options.MaxStrokePoints)
        {
            peer.Close(WebSocketCloseStatus.PolicyViolation, $"p: more than {options.MaxStrokePoints} points in a stroke");
            return;
        }

        stroke.Add(points.Coordinates);
        _points += points.Coordinates.Length / 2;
        Tell(Messages.Continued(stroke, points.Coordinates), but: peer);
        Forget();
    }

    private void Undo(Connection peer)
    {
        for (var node = _order.Last; node is not null; node = node.Previous)
        {
            if (node.Value.Key.By == peer.Id)
            {
                Remove(node);
                Tell(Messages.Dropped([node.Value]));
                return;
            }
        }
    }

    /// <summary>The oldest strokes make room for new ones, on every screen, so that newcomers see what all see.</summary>
    private void Forget()
    {
        var dropped = new List<Stroke>();
        while ((_order.Count > options.MaxStrokes || _points > options.MaxPoints) && _order.Count > 1)
        {
            dropped.Add(_order.First!.Value);
            Remove(_order.First);
        }

        if (dropped.Count > 0)
        {
            Tell(Messages.Dropped(dropped));
        }
    }

    private void Remove(LinkedListNode<Stroke> node)
    {
        _order.Remove(node);
        _strokes.Remove(node.Value.Key);
        _points -= node.Value.Points;
    }

    private void SendCursors()
    {
        if (_moved.Count == 0)
        {
            return;
        }

        Tell(Messages.Cursors(_moved));
        _moved.Clear();
    }

    private void Tell(byte[] message, Connection? but = null)
    {
        foreach (var peer in _peers.Values)
        {
            if (peer != but)
            {
                peer.Send(message);
            }
        }
    }

    [LoggerMessage(1, LogLevel.Information, "Person {Id} came; {Count} here")]
    private static partial void LogJoined(ILogger logger, int id, int count);

    [LoggerMessage(2, LogLevel.Information, "Person {Id} left; {Count} here")]
    private static partial void LogLeft(ILogger logger, int id, int count);
}
