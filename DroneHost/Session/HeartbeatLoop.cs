using Microsoft.Extensions.Logging;
using Plane.DroneHost.Housekeeping;

namespace Plane.DroneHost.Session;

/// <summary>
/// Says that the drone lives and whether it takes actions, with a reading of the lease clock taken before the call: acquisitions count their deadlines from it.
/// A change of readiness is reported at once.
/// </summary>
internal sealed partial class HeartbeatLoop(
    ControllerSession sessions,
    State.DurableState state,
    DroneReadiness readiness,
    DroneCapacity capacity,
    DroneStatus status,
    Func<string?> inspector,
    ILeaseClock clock,
    TimeProvider time,
    ILogger<HeartbeatLoop> logger)
{
    private readonly Signal _now = new();
    private readonly Outage _outage = new(time);

    public void BeatNow() => _now.Set();

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var session = await sessions.WaitAsync(cancellationToken);
            var numbers = sessions.Numbers;
            var wait = numbers.Heartbeat;
            try
            {
                var isReady = readiness.IsReady;
                var heartbeat = new DroneHeartbeat
                {
                    Session = session,
                    InstanceId = state.InstanceId,
                    BootId = clock.BootId,
                    Reading = clock.Milliseconds,
                    Ready = readiness.TakesBackends,
                    Kinds = readiness.Kinds,
                    UnavailableKinds = readiness.UnavailableKinds,
                    Inspector = inspector(),
                    TakesClaims = true,
                    Capacity = capacity.Current,
                };
                var answer = await TimeLimit.WithinAsync(c => sessions.Drone.CallAsync((drone, c) => drone.Heartbeat(heartbeat, c), skip: 0, c), numbers.RenewalCall, time, cancellationToken);
                sessions.Observe(session, answer);
                if (_outage.End())
                {
                    LogAnswered();
                }

                if (answer == SessionState.Current && isReady)
                {
                    status.MarkReady();
                }
            }
            catch (Exception e) when (ControllerCall.IsFailure(e, cancellationToken))
            {
                var reason = CallFailed.Reason(e);
                if (_outage.ShouldLog(reason))
                {
                    LogNoAnswer(reason);
                }

                wait = numbers.RenewalRetry;
            }

            await _now.WaitAsync(wait, time, cancellationToken);
        }
    }

    [LoggerMessage(EventIds.HeartbeatLoopNoAnswer, LogLevel.Warning, "No controller answered the heartbeat: {Reason}. The drone retries")]
    private partial void LogNoAnswer(string reason);

    [LoggerMessage(EventIds.HeartbeatLoopAnswered, LogLevel.Information, "Heartbeats are answered again")]
    private partial void LogAnswered();
}
