namespace Plane.Client;

/// <summary>A line that a backend wrote, or what kept its controller from sending more.</summary>
/// <param name="Line">The line.</param>
/// <param name="Problem">Why there are no more.</param>
public readonly record struct LogItem(OutputLine? Line, string? Problem);
