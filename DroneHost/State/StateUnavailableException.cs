namespace Plane.DroneHost.State;

/// <summary>The state file could not be written (full disk, I/O error). Nothing was changed; the write may be repeated.</summary>
internal sealed class StateUnavailableException(string message, Exception innerException) : Exception(message, innerException);
