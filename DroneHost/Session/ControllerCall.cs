using Plane.DroneHost.State;
using Polly;

namespace Plane.DroneHost.Session;

/// <summary>How a call to the controller fails.</summary>
internal static class ControllerCall
{
    /// <summary>
    /// Whether a call failed so that it is made again. Any failure is one: what isn't an unknown outcome (<see cref="CallFailed"/>) is an exception of the grain,
    /// such as an unavailable database, and refusals are not exceptions.
    /// </summary>
    public static bool IsFailure(Exception e, CancellationToken stopping) =>
        CallFailed.IsUnknownOutcome(e) || !(e is OperationCanceledException && stopping.IsCancellationRequested);

    /// <summary>
    /// The policy of the loops that call the controller. A round that fails, or answers that there is nothing to continue with at once, is followed by a pause of about 50 ms to 2 s; only a
    /// refusal of this drone ends the loop.
    /// </summary>
    /// <param name="time">For the pauses.</param>
    /// <param name="onFailure">Logs a failure; a state file that can't be written is one too.</param>
    /// <param name="stopping">The agent stops.</param>
    public static ResiliencePipeline<bool> Rounds(TimeProvider time, Action<Exception> onFailure, CancellationToken stopping) => Retries.Until<bool>(
        TimeSpan.FromMilliseconds(50),
        TimeSpan.FromSeconds(2),
        time,
        round => round.Exception is { } e ? e is StateUnavailableException || (e is not SessionRefusedException && IsFailure(e, stopping)) : !round.Result,
        round =>
        {
            if (round.Exception is { } e)
            {
                onFailure(e);
            }
        });
}
