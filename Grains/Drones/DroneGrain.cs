using Orleans;
using Orleans.Concurrency;
using Plane.Grains.Backends;
using Plane.Grains.Feed;
using Plane.Grains.Metrics;
using Plane.Grains.Storage;

namespace Plane.Grains.Drones;

/// <summary>
/// One drone. Its sessions, its list of actions and its state stand in the store; the grain validates, bounds and waits. Every call carries the
/// session, which the store compares within the statement: what a replaced agent still says has no effect, and its answer tells it to stop.
/// So any number of activations, on any controller, answer alike, and the controller that a drone reaches answers it, whatever has become of the others.
/// </summary>
[StatelessWorker(1)]
internal sealed class DroneGrain(
    IPlaneStore store, StateWriter states, ChangeFeed feed, ControllerMetrics metrics, GrainOptions options, TimeProvider time) : Grain, IDroneGrain
{
    private const int ActionsPerPage = 256;

    private ClusterName _cluster;
    private DroneName _drone;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        var key = GrainKeys.WithoutWay(this.GetPrimaryKeyString());
        var slash = key.LastIndexOf('/');
        if (slash < 0 || !ClusterName.TryParse(key[..slash], out _cluster) || !DroneName.TryParse(key[(slash + 1)..], out _drone))
        {
            throw new ArgumentException("the grain key is no cluster/drone");
        }

        return Task.CompletedTask;
    }

    public Task Ping(CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task<RegistrationReply> Register(DroneRegistration registration, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(registration);
        if (registration.Cluster != _cluster || registration.Name != _drone)
        {
            return Invalid($"the registration is that of {registration.Cluster}/{registration.Name}");
        }

        if (RegistrationRules.Validate(registration) is { } error)
        {
            return Invalid(error.Message);
        }

        var reply = await store.RegisterDroneAsync(registration, options.ControllerName, cancellationToken).OrAskAgain();
        return reply.Outcome == RegistrationOutcome.Accepted
            ? reply with { Numbers = options.LeaseNumbers, InstallationId = store.InstallationId }
            : reply;
    }

    public Task<SessionState> Heartbeat(DroneHeartbeat heartbeat, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(heartbeat);
        CheckSession(heartbeat.Session);
        if (RegistrationRules.Validate(heartbeat) is { } error)
        {
            throw new ArgumentException(error.Message, nameof(heartbeat));
        }

        return store.HeartbeatDroneAsync(heartbeat, options.ControllerName, cancellationToken).OrAskAgain();
    }

    public async Task<ActionPage> ReadActions(DroneSession session, long after, TimeSpan wait, CancellationToken cancellationToken)
    {
        CheckSession(session);
        ArgumentOutOfRangeException.ThrowIfNegative(after);
        var begun = time.GetTimestamp();
        using var waiting = metrics.Waiting("actions");

        // (1) to (4) of the feed's rule. A replaced session is signalled like an action.
        using var subscription = feed.Subscribe(Topic.Drone(_cluster, _drone));
        while (true)
        {
            var page = await store.ReadActionsAsync(session, after, ActionsPerPage, cancellationToken).OrAskAgain();
            if (page.Actions.Length > 0
                || page.Session != SessionState.Current
                || !await subscription.WaitAsync(time.Left(begun, Waits.Bounded(wait)), cancellationToken))
            {
                return page;
            }
        }
    }

    public Task<SessionState> AcknowledgeActions(DroneSession session, long upTo, CancellationToken cancellationToken)
    {
        CheckSession(session);
        ArgumentOutOfRangeException.ThrowIfNegative(upTo);
        return store.AcknowledgeActionsAsync(session, upTo, cancellationToken).OrAskAgain();
    }

    public Task<StateReply> ReportStates(StateBatch batch, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(batch);
        CheckSession(batch.Session);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(batch.Events.Length, StateBatch.MaxEvents);
        return states.ApplyAsync(batch.Session, batch.Events, cancellationToken).OrAskAgain();
    }

    public Task<ChangeOutcome> Drain(bool terminate, CancellationToken cancellationToken) =>
        store.SetDrainingAsync(_cluster, _drone, draining: true, terminate, cancellationToken).OrAskAgain();

    public Task<ChangeOutcome> Undrain(CancellationToken cancellationToken) =>
        store.SetDrainingAsync(_cluster, _drone, draining: false, terminate: false, cancellationToken).OrAskAgain();

    private static RegistrationReply Invalid(string message) => new() { Outcome = RegistrationOutcome.Invalid, Message = message };

    private void CheckSession(DroneSession session)
    {
        ArgumentNullException.ThrowIfNull(session);
        if (session.Cluster != _cluster || session.Drone != _drone)
        {
            throw new ArgumentException($"the session is that of {session.Cluster}/{session.Drone}", nameof(session));
        }
    }
}
