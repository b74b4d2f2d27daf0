namespace Plane.Chaos.Parts;

/// <summary>What the way of one who connects is like, and whether that one is at its upper end.</summary>
/// <param name="LinkConditions">Of that way.</param>
/// <param name="Reversed">Whether it leads down from whoever connects.</param>
internal readonly record struct Way(LinkConditions LinkConditions, bool Reversed = false);
