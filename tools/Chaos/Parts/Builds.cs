namespace Plane.Chaos.Parts;

/// <summary>Which build of <c>plane</c> each program of the installation starts with: this checkout's, or another version's beside it.</summary>
internal sealed class Builds
{
    private readonly Lock _lock = new();
    private readonly string _other;
    private readonly HashSet<string> _ofOther = [];
    private readonly Random? _random;

    /// <param name="other">The other checkout; null: there is only this one.</param>
    /// <param name="seed">Each start draws one of the two; null: each program stays with the one that it was given.</param>
    public Builds(string? other, int? seed)
    {
        _other = other is null ? Checkout.Plane : Checkout.PlaneOf(other);
        _random = seed is { } s && other is not null ? new Random(s) : null;
    }

    /// <summary>The program to start as this part.</summary>
    public string For(string part)
    {
        lock (_lock)
        {
            return (_random is null ? _ofOther.Contains(part) : _random.Next(2) == 0) ? _other : Checkout.Plane;
        }
    }

    /// <summary>From its next start on.</summary>
    public void Give(string part, bool other)
    {
        lock (_lock)
        {
            _ = other ? _ofOther.Add(part) : _ofOther.Remove(part);
        }
    }
}
