namespace Plane.Simulation.Core;

/// <summary>
/// Virtual time in milliseconds. Of all that is due at one moment chance says what goes first, and before any step chance may stall it: between two yields
/// a fiber is alone, at a yield everything may happen.
/// </summary>
internal sealed class Scheduler(Prng chance)
{
    /// <summary>A thousand times what a schedule has: a loop in which no time passes.</summary>
    private const long MostEvents = 3_000_000;

    private readonly PriorityQueue<(Fiber Fiber, int Wake), ulong> _queue = new(256);

    public long Now { get; private set; }

    /// <summary>From then on nothing stalls, and what stalls goes on.</summary>
    public long CalmAt { get; set; } = long.MaxValue;

    public long Events { get; private set; }

    /// <summary>Told of every stall.</summary>
    public Action<Process, long>? Stalled { get; set; }

    public Fiber Start(Process owner, IEnumerator<Wait> body, long after = 0)
    {
        var fiber = new Fiber(owner, body);
        WakeAt(fiber, Now + after);
        return fiber;
    }

    public void WakeAt(Fiber fiber, long at) => _queue.Enqueue((fiber, ++fiber.Wake), ((ulong)at << 24) | (chance.Next() >> 40));

    /// <summary>Runs until then, or until the result of <paramref name="stop"/> is not null.</summary>
    public void RunUntil(long end, Func<bool> stop)
    {
        while (_queue.TryPeek(out _, out var priority) && (long)(priority >> 24) <= end && !stop())
        {
            var (fiber, wake) = _queue.Dequeue();
            if (fiber.Wake != wake || fiber.Owner.IsDead)
            {
                continue;
            }

            Now = Math.Max(Now, (long)(priority >> 24));
            if (++Events > MostEvents)
            {
                throw new InvalidOperationException($"the schedule does not get on: {fiber} at {Now} ms");
            }

            Resume(fiber);
        }
    }

    private void Resume(Fiber fiber)
    {
        var owner = fiber.Owner;
        if (owner.StoppedUntil > Now)
        {
            WakeAt(fiber, owner.StoppedUntil);
            return;
        }

        if (owner.StallsPerMillion > 0 && !fiber.WasStalled && Now < CalmAt && chance.Hit(owner.StallsPerMillion))
        {
            var length = Math.Min(StallLength(), owner.LongestStall?.Invoke(Now) ?? long.MaxValue);
            var until = Math.Min(Now + length, CalmAt);
            owner.TroubleUntil = Math.Max(owner.TroubleUntil, until);
            Stalled?.Invoke(owner, until - Now);
            fiber.WasStalled = true;
            WakeAt(fiber, until);
            return;
        }

        fiber.WasStalled = false;
        if (fiber.Advance() is not { } wait)
        {
            fiber.Wake++;
            return;
        }

        fiber.Wake++;
        wait.Gate?.Add(fiber);
        if (wait.Milliseconds == Wait.Ever)
        {
            return;
        }

        // Not by WakeAt, which would make the gate's wake-up an old one.
        _queue.Enqueue((fiber, fiber.Wake), ((ulong)(Now + wait.Milliseconds) << 24) | (chance.Next() >> 40));
    }

    private long StallLength() => chance.Below(20) switch
    {
        < 9 => chance.Between(1, 1_000),
        < 14 => chance.Between(1_000, 20_000),
        < 18 => chance.Between(20_000, 70_000),
        _ => chance.Between(70_000, 200_000),
    };
}
