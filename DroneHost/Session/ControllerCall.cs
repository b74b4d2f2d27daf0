namespace Plane.Drone.Session;

/// <summary>How a call to the controller fails.</summary>
internal static class ControllerCall
{
    /// <summary>
    /// Whether a call failed so that it is made again. Any failure is one: what isn't an unknown outcome (<see cref="CallFailed"/>) is an exception of the grain,
    /// such as a database that is away, and refusals are no exceptions.
    /// </summary>
    public static bool IsFailure(Exception e, CancellationToken stopping) =>
        CallFailed.IsUnknownOutcome(e) || !(e is OperationCanceledException && stopping.IsCancellationRequested);
}
