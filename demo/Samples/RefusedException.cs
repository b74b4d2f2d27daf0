namespace Plane.Samples;

/// <summary>Plane refused the connect: its message says why.</summary>
internal sealed class RefusedException(string message) : Exception(message);
