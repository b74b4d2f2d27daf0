using Microsoft.Extensions.Logging;
using Plane.DroneHost.State;

namespace Plane.DroneHost.Session;

/// <summary>
/// Empties the outbox. One batch is under way at a time, oldest events first, so that the states of one backend arrive in order; an event leaves the outbox when
/// it was answered, applied or refused. What was answered but could not be removed yet (full disk) is not sent again by this agent.
/// </summary>
internal sealed partial class StateReporter(
    ControllerSession sessions, DurableState state, TimeProvider time, DroneMetrics metrics, ILogger<StateReporter> logger)
{
    private const int BatchSize = 500;
    private static readonly TimeSpan CallLimit = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Backstop = TimeSpan.FromSeconds(5);

    private readonly Signal _grew = new();
    private readonly HashSet<long> _answered = [];

    public void OutboxGrew() => _grew.Set();

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var outage = new Outage(time);
        var rounds = ControllerCall.Rounds(time, OnFailure, cancellationToken);
        while (true)
        {
            await rounds.ExecuteAsync(async c => await ReportAsync(outage, c), cancellationToken);
        }

        void OnFailure(Exception e)
        {
            if (e is not StateUnavailableException && outage.ShouldLog(CallFailed.Reason(e)))
            {
                LogNoAnswer(CallFailed.Reason(e));
            }
        }
    }

    private async Task<bool> ReportAsync(Outage outage, CancellationToken cancellationToken)
    {
        var session = await sessions.WaitAsync(cancellationToken);
        if (!await SendAsync(session, cancellationToken))
        {
            await _grew.WaitAsync(Backstop, time, cancellationToken);
        }

        outage.End();
        return true;
    }

    /// <summary>Sends one batch; false where there is nothing to send, or nothing of it was answered.</summary>
    private async Task<bool> SendAsync(DroneSession session, CancellationToken cancellationToken)
    {
        await ForgetAnsweredAsync();
        var events = await state.ReadOutboxAsync(BatchSize + _answered.Count);
        events.RemoveAll(e => _answered.Contains(e.Sequence));
        if (events.Count == 0)
        {
            return false;
        }

        var batch = new StateBatch { Session = session, Events = [.. events] };
        var reply = await TimeLimit.WithinAsync(
            c => sessions.Drone.CallAsync((drone, c) => drone.ReportStates(batch, c), skip: 0, c), CallLimit, time, cancellationToken);
        sessions.Observe(session, reply.Session);
        if (reply.Session != SessionState.Current)
        {
            return true;
        }

        var sent = events.ToDictionary(e => e.Sequence);
        foreach (var ack in reply.Acks)
        {
            if (!sent.TryGetValue(ack.Sequence, out var acknowledged))
            {
                continue;
            }

            _answered.Add(ack.Sequence);
            if (ack.Applied)
            {
                metrics.StatesReported.Add(1);
            }
            else
            {
                metrics.StatesRefused.Add(1);
                LogRefused(acknowledged.Identity.Backend, acknowledged.Status, ack.Refusal);
            }
        }

        await ForgetAnsweredAsync();
        return reply.Acks.Length > 0;
    }

    private async Task ForgetAnsweredAsync()
    {
        if (_answered.Count > 0 && state.Writer.IsWritable)
        {
            await state.RemoveFromOutboxAsync(_answered);
            _answered.Clear();
        }
    }

    [LoggerMessage(EventIds.StateReporterRefused, LogLevel.Warning, "The controller refused the state {Status} of {Backend}: {Refusal}")]
    private partial void LogRefused(BackendName backend, BackendStatus status, string? refusal);

    [LoggerMessage(EventIds.StateReporterNoAnswer, LogLevel.Warning, "No controller answered the state report: {Reason}. The drone retries")]
    private partial void LogNoAnswer(string reason);
}
