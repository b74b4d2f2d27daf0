namespace Plane.DroneHost.Session;

/// <summary>The controller will not have this drone: it takes the host down.</summary>
/// <param name="message">Why, for the operator.</param>
internal sealed class SessionRefusedException(string message) : Exception(message)
{
    /// <summary>Whether to leave at once what runs to the next start, instead of staying until its leases have ended it.</summary>
    public bool LeavesBackends { get; init; }
}
