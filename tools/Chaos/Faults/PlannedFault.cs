namespace Plane.Chaos.Faults;

/// <summary>A fault: when it begins, what, to whom, for how long, and a number to draw its details from.</summary>
internal sealed record PlannedFault(TimeSpan At, string Kind, string Target, TimeSpan Length, int Seed)
{
    public override string ToString() => FormattableString.Invariant($"{Kind} {Target}{(Length > TimeSpan.Zero ? FormattableString.Invariant($" for {Length.TotalSeconds:F1} s") : "")}");
}
