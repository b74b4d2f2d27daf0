namespace Plane.Simulation.Core;

/// <summary>Something that can be killed and stopped as a whole: what it has in memory is in its fibers and goes with them.</summary>
internal sealed class Process(string name)
{
    public string Name { get; } = name;

    public bool IsDead { get; private set; }

    /// <summary>Until when it is stopped (SIGSTOP).</summary>
    public long StoppedUntil { get; set; }

    /// <summary>Up to when it was, or is known to be, stopped or stalled somewhere, or not running yet.</summary>
    public long TroubleUntil { get; set; }

    /// <summary>How often one of its steps is stalled.</summary>
    public int StallsPerMillion { get; set; }

    /// <summary>The longest stall that may begin at a time.</summary>
    public Func<long, long>? LongestStall { get; init; }

    public void Kill() => IsDead = true;
}
