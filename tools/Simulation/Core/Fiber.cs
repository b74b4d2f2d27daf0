namespace Plane.Simulation.Core;

/// <summary>One line of work of a process: iterators that yield what they wait for, the innermost on top.</summary>
internal sealed class Fiber(Process owner, IEnumerator<Wait> body)
{
    private readonly Stack<IEnumerator<Wait>> _calls = new([body]);

    public Process Owner { get; } = owner;

    /// <summary>Grows with every wake-up that was set: an older one in the queue means nothing.</summary>
    public int Wake { get; set; }

    /// <summary>It has just been stalled: what follows goes through.</summary>
    public bool WasStalled { get; set; }

    public override string ToString() => $"{Owner.Name}: {_calls.FirstOrDefault()}";

    /// <summary>Goes on until it has to wait; null once it is done.</summary>
    public Wait? Advance()
    {
        while (_calls.TryPeek(out var top))
        {
            if (!top.MoveNext())
            {
                _calls.Pop();
                continue;
            }

            var wait = top.Current;
            if (wait.Call is { } call)
            {
                _calls.Push(call);
                continue;
            }

            if (wait.Gate is not { IsOpen: true })
            {
                return wait;
            }
        }

        return null;
    }
}
