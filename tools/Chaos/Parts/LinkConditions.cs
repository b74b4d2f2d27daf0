namespace Plane.Chaos.Parts;

/// <summary>How the way between two programs is at the moment. Set by faults, read for every piece of a stream. Up is to the controller, or to the later of two.</summary>
internal sealed class LinkConditions
{
    private readonly Lock _lock = new();
    private TaskCompletionSource? _holdUp;
    private TaskCompletionSource? _holdDown;
    private TaskCompletionSource _clear = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _lost;
    private long _delayed;
    private long _cut;
    private long _held;

    /// <summary>Nothing gets to the controller.</summary>
    public bool LoseUp { get; set; }

    /// <summary>Nothing comes from the controller.</summary>
    public bool LoseDown { get; set; }

    /// <summary>The part of a stream's pieces with which its connection breaks.</summary>
    public double Cut { get; set; }

    /// <summary>Each piece is late by up to this, each by its own time; none overtakes another.</summary>
    public TimeSpan Delay { get; set; }

    public string Counts =>
        FormattableString.Invariant($"{Interlocked.Read(ref _delayed)} pieces delayed, {Interlocked.Read(ref _held)} held, connections broken: {Interlocked.Read(ref _lost)} by a loss, {Interlocked.Read(ref _cut)} at random");

    public bool DidAnything => Interlocked.Read(ref _lost) + Interlocked.Read(ref _delayed) + Interlocked.Read(ref _cut) + Interlocked.Read(ref _held) > 0;

    public bool Loses(bool up) => up ? LoseUp : LoseDown;

    public void CountCut() => Interlocked.Increment(ref _cut);

    public void CountLost() => Interlocked.Increment(ref _lost);

    public void CountDelayed() => Interlocked.Increment(ref _delayed);

    /// <summary>Pieces wait, in order, until the way is open again: what TCP makes of a cable that was out.</summary>
    public void Hold(bool up, bool down)
    {
        lock (_lock)
        {
            if (up)
            {
                _holdUp ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }

            if (down)
            {
                _holdDown ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }
    }

    public Task OpenAsync(bool up)
    {
        lock (_lock)
        {
            if ((up ? _holdUp : _holdDown) is not { } hold)
            {
                return Task.CompletedTask;
            }

            Interlocked.Increment(ref _held);
            return hold.Task;
        }
    }

    /// <summary>Ends with what is at the moment.</summary>
    public Task WhenClearAsync()
    {
        lock (_lock)
        {
            return _clear.Task;
        }
    }

    /// <summary>A fine day.</summary>
    public void Clear()
    {
        (LoseUp, LoseDown, Cut, Delay) = (false, false, 0, TimeSpan.Zero);
        TaskCompletionSource? up, down, clear;
        lock (_lock)
        {
            (up, down, clear) = (_holdUp, _holdDown, _clear);
            (_holdUp, _holdDown, _clear) = (null, null, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        }

        clear.TrySetResult();

        up?.TrySetResult();
        down?.TrySetResult();
    }
}
