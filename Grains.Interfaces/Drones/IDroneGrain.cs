using Orleans;
using Orleans.Concurrency;

namespace Plane;

/// <summary>One drone, keyed by <see cref="GrainKeys.Drone"/>. Drones pull: what they are to do is in a durable list that they read by a waiting call.</summary>
[Alias("plane.IDroneGrain")]
public interface IDroneGrain : IReachable
{
    /// <summary>Registers the drone and gives it a session. The same instance replaces its older session.</summary>
    [Alias("Register"), AlwaysInterleave]
    Task<RegistrationReply> Register(DroneRegistration registration, CancellationToken cancellationToken = default);

    /// <summary>Records a sign of life with the drone's lease clock.</summary>
    [Alias("Heartbeat"), AlwaysInterleave, ResponseTimeout("00:00:03")]
    Task<SessionState> Heartbeat(DroneHeartbeat heartbeat, CancellationToken cancellationToken = default);

    /// <summary>The actions after a number; waits for one where there is none.</summary>
    /// <param name="session">Who asks.</param>
    /// <param name="after">The last number that the drone has.</param>
    /// <param name="wait">How long to wait, at most 5 s.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    [Alias("ReadActions"), AlwaysInterleave]
    Task<ActionPage> ReadActions(DroneSession session, long after, TimeSpan wait, CancellationToken cancellationToken = default);

    /// <summary>Acknowledges all actions up to a number: they are durable on the drone.</summary>
    [Alias("AcknowledgeActions"), AlwaysInterleave]
    Task<SessionState> AcknowledgeActions(DroneSession session, long upTo, CancellationToken cancellationToken = default);

    /// <summary>Applies state events; each is answered with applied or refused.</summary>
    [Alias("ReportStates"), AlwaysInterleave]
    Task<StateReply> ReportStates(StateBatch batch, CancellationToken cancellationToken = default);

    /// <summary>The images that the drone is to have before they are needed; waits for another list where it has this one.</summary>
    /// <param name="query">Who asks, and the list that it has.</param>
    /// <param name="wait">How long to wait, at most 5 s.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    [Alias("ReadImages"), AlwaysInterleave]
    Task<ImagePage> ReadImages(ImageQuery query, TimeSpan wait, CancellationToken cancellationToken = default);

    /// <summary>Records how far the drone is with its images.</summary>
    [Alias("ReportImages"), AlwaysInterleave]
    Task<SessionState> ReportImages(ImageReport report, CancellationToken cancellationToken = default);

    /// <summary>No new backends on this drone from now on.</summary>
    /// <param name="terminate">Also ends those that run, gracefully.</param>
    /// <param name="cancellationToken">Gives up waiting for the answer.</param>
    [Alias("Drain"), AlwaysInterleave]
    Task<ChangeOutcome> Drain(bool terminate, CancellationToken cancellationToken = default);

    /// <summary>New backends again.</summary>
    [Alias("Undrain"), AlwaysInterleave]
    Task<ChangeOutcome> Undrain(CancellationToken cancellationToken = default);
}
