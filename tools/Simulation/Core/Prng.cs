namespace Plane.Simulation.Core;

/// <summary>The one source of chance of a schedule: splitmix64, so that a seed means the same schedule on every machine and runtime version.</summary>
internal sealed class Prng(ulong seed)
{
    private ulong _state = (seed * 0x9E3779B97F4A7C15) ^ 0x5DEECE66D;

    public ulong Next()
    {
        var z = _state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>0 to <paramref name="below"/> − 1.</summary>
    public int Below(int below) => (int)(((Next() >> 32) * (ulong)below) >> 32);

    /// <summary>From the one to the other, both included.</summary>
    public long Between(long from, long to) => from + (long)(Next() % (ulong)(to - from + 1));

    public bool Hit(int perMillion) => perMillion > 0 && Below(1_000_000) < perMillion;

    public bool Percent(int percent) => Below(100) < percent;

    public T Pick<T>(params ReadOnlySpan<T> of) => of[Below(of.Length)];
}
