namespace Plane.Simulation.Core;

/// <summary>What a fiber waits for next.</summary>
internal readonly struct Wait
{
    public const long Ever = long.MaxValue;

    private Wait(long milliseconds, Gate? gate, IEnumerator<Wait>? call)
    {
        Milliseconds = milliseconds;
        Gate = gate;
        Call = call;
    }

    /// <summary>A point between two steps: nothing is waited for, but everything else may happen here, and a stall.</summary>
    public static Wait Step => new(0, null, null);

    public long Milliseconds { get; }

    public Gate? Gate { get; }

    public IEnumerator<Wait>? Call { get; }

    public static Wait For(long milliseconds) => new(Math.Max(milliseconds, 0), null, null);

    /// <summary>Until the gate is opened or pulsed, or the time is over.</summary>
    public static Wait On(Gate gate, long atMost = Ever) => new(atMost, gate, null);

    /// <summary>Until the other body has ended, which runs in the same fiber.</summary>
    public static Wait Run(IEnumerator<Wait> body) => new(0, null, body);
}
