namespace Plane.Chaos.Parts;

/// <summary>How the way between one program and the gateway is at the moment. Set by faults, read for every frame.</summary>
internal sealed class Weather
{
    private readonly Lock _lock = new();
    private TaskCompletionSource? _holdUp;
    private TaskCompletionSource? _holdDown;
    private long _lost;
    private long _repeated;
    private long _delayed;

    /// <summary>Nothing gets to the controller.</summary>
    public bool LoseUp { get; set; }

    /// <summary>Nothing comes from the controller.</summary>
    public bool LoseDown { get; set; }

    /// <summary>The part of the frames that vanish, each way.</summary>
    public double Loss { get; set; }

    /// <summary>Each frame is late by up to this, each by its own time: they overtake each other.</summary>
    public TimeSpan Delay { get; set; }

    /// <summary>The part of the calls that are made once more.</summary>
    public double Repeat { get; set; }

    /// <summary>A repeated call comes up to so much later.</summary>
    public TimeSpan RepeatWithin { get; set; }

    public string Counts => FormattableString.Invariant($"{Interlocked.Read(ref _lost)} frames lost, {Interlocked.Read(ref _delayed)} delayed, {Interlocked.Read(ref _repeated)} calls repeated");

    public void CountLost() => Interlocked.Increment(ref _lost);

    public void CountRepeated() => Interlocked.Increment(ref _repeated);

    public void CountDelayed() => Interlocked.Increment(ref _delayed);

    /// <summary>Frames wait, in order, until the way is open again: what TCP makes of a cable that was out.</summary>
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
            return (up ? _holdUp : _holdDown)?.Task ?? Task.CompletedTask;
        }
    }

    /// <summary>A fine day.</summary>
    public void Clear()
    {
        (LoseUp, LoseDown, Loss, Delay, Repeat) = (false, false, 0, TimeSpan.Zero, 0);
        TaskCompletionSource? up, down;
        lock (_lock)
        {
            (up, down) = (_holdUp, _holdDown);
            (_holdUp, _holdDown) = (null, null);
        }

        up?.TrySetResult();
        down?.TrySetResult();
    }
}
