namespace Plane.Silo.Start;

/// <summary>Which controller this is: one name for its grains, its lock and its ready line.</summary>
internal sealed record ControllerIdentity(ControllerName Name);
