using Orleans;
using Orleans.Concurrency;
using Plane.Grains.Backends;
using Plane.Grains.Feed;
using Plane.Grains.Metrics;
using Plane.Grains.Services;
using Plane.Storage;

namespace Plane.Grains;

/// <summary>
/// One drone. Its sessions, its list of actions and its state are in the store; the grain validates, bounds and waits. Every call carries the
/// session, which the store compares within the statement: what a replaced agent still says has no effect, and its answer tells it to stop.
/// So any number of activations, on any controller, answer alike, and the controller that a drone reaches answers it, whatever has become of the others.
/// </summary>
[StatelessWorker(1)]
internal sealed class DroneGrain(
    IDroneStore drones, IImageStore imageStore, IStore store, StateWriter states, WantedImages images, ChangeFeed feed, ControllerMetrics metrics, GrainOptions options, TimeProvider time) : Grain, IDroneGrain
{
    private const int ActionsPerPage = 256;

    private ClusterName _cluster;
    private DroneName _drone;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        var key = GrainKeys.WithoutWay(this.GetPrimaryKeyString());
        var slash = key.LastIndexOf('/');
        if (slash >= 0 && ClusterName.TryParse(key[..slash], out var cluster) && DroneName.TryParse(key[(slash + 1)..], out var drone)
            && GrainKeys.Drone(cluster, drone) == key)
        {
            (_cluster, _drone) = (cluster, drone);
        }

        return Task.CompletedTask;
    }

    public Task Ping(CancellationToken cancellationToken) => store.EnsureAnswers();

    public async Task<RegistrationReply> Register(DroneRegistration registration, CancellationToken cancellationToken)
    {
        CheckKey();
        if (registration?.Validate() is { } error)
        {
            return Invalid(error.Message);
        }

        if (registration is null)
        {
            throw new InvalidCallException("the registration must be given");
        }

        if (registration.Cluster != _cluster || registration.Name != _drone)
        {
            return Invalid($"the registration is that of {registration.Cluster}/{registration.Name}");
        }

        var reply = await drones.RegisterDroneAsync(registration, options.ControllerName, cancellationToken).TranslateStoreFailures();
        return reply.Outcome == RegistrationOutcome.Accepted
            ? reply with { Numbers = options.LeaseNumbers, InstallationId = store.InstallationId }
            : reply;
    }

    public Task<SessionState> Heartbeat(DroneHeartbeat heartbeat, CancellationToken cancellationToken)
    {
        Check(heartbeat is null ? Missing("heartbeat") : heartbeat.Validate(), heartbeat?.Session);
        return drones.HeartbeatDroneAsync(heartbeat!, options.ControllerName, cancellationToken).TranslateStoreFailures();
    }

    public async Task<ActionPage> ReadActions(DroneSession session, long after, TimeSpan wait, CancellationToken cancellationToken)
    {
        Check(DroneSession.Validate(session) ?? NumberError("after", after), session);
        var begun = time.GetTimestamp();
        using var waiting = metrics.Waiting("actions");

        // (1) to (4) of the feed's rule. A replaced session is signalled like an action.
        using var subscription = feed.Subscribe(Topic.Drone(_cluster, _drone));
        while (true)
        {
            var page = await drones.ReadActionsAsync(session, after, ActionsPerPage, cancellationToken).TranslateStoreFailures();
            if (page.Actions.Length > 0
                || page.Session != SessionState.Current
                || !await subscription.WaitAsync(time.Left(begun, LongPoll.Bounded(wait)), cancellationToken))
            {
                return page;
            }
        }
    }

    public Task<SessionState> AcknowledgeActions(DroneSession session, long upTo, CancellationToken cancellationToken)
    {
        Check(DroneSession.Validate(session) ?? NumberError("up_to", upTo), session);
        return drones.AcknowledgeActionsAsync(session, upTo, cancellationToken).TranslateStoreFailures();
    }

    public Task<StateReply> ReportStates(StateBatch batch, CancellationToken cancellationToken)
    {
        Check(batch is null ? Missing("batch") : batch.Validate(), batch?.Session);
        return states.ApplyAsync(batch!.Session, batch.Events, cancellationToken).TranslateStoreFailures();
    }

    public async Task<ImagePage> ReadImages(ImageQuery query, TimeSpan wait, CancellationToken cancellationToken)
    {
        Check(query is null ? Missing("query") : query.Validate(), query?.Session);
        var begun = time.GetTimestamp();
        using var waiting = metrics.Waiting("images");
        using var subscription = feed.Subscribe(Topic.Services);
        for (var isChanged = false; ; isChanged = true)
        {
            var state = await drones.ReadSessionAsync(query!.Session, cancellationToken).TranslateStoreFailures();
            if (state != SessionState.Current)
            {
                return new ImagePage { Session = state };
            }

            var wanted = await images.ReadAsync(_cluster, query.Pool, isChanged, cancellationToken).TranslateStoreFailures();
            var version = WantedImages.VersionOf(wanted);
            if (version != query.Known || !await subscription.WaitAsync(time.Left(begun, LongPoll.Bounded(wait)), cancellationToken))
            {
                return new ImagePage { Session = state, Version = version, Images = [.. wanted] };
            }
        }
    }

    public Task<SessionState> ReportImages(ImageReport report, CancellationToken cancellationToken)
    {
        Check(report is null ? Missing("report") : report.Validate(), report?.Session);
        return imageStore.ReportImagesAsync(report!.Session, report.Images, cancellationToken).TranslateStoreFailures();
    }

    public Task<ChangeOutcome> Drain(bool terminate, CancellationToken cancellationToken) => SetDrainingAsync(draining: true, terminate, cancellationToken);

    public Task<ChangeOutcome> Undrain(CancellationToken cancellationToken) => SetDrainingAsync(draining: false, terminate: false, cancellationToken);

    private static RegistrationReply Invalid(string message) => new() { Outcome = RegistrationOutcome.Invalid, Message = message };

    private static FieldError Missing(string path) => new(path, "must be given");

    private static FieldError? NumberError(string path, long number) => FieldError.From(path, number < 0 ? "must not be negative" : null);

    private Task<ChangeOutcome> SetDrainingAsync(bool draining, bool terminate, CancellationToken cancellationToken)
    {
        CheckKey();
        return drones.SetDrainingAsync(_cluster, _drone, draining, terminate, cancellationToken).TranslateStoreFailures();
    }

    private void CheckKey()
    {
        if (_drone == default)
        {
            throw this.KeyRefused("it must be cluster/drone");
        }
    }

    private void Check(FieldError? error, DroneSession? session)
    {
        CheckKey();
        InvalidCallException.ThrowIf(error);
        if (session!.Cluster != _cluster || session.Drone != _drone)
        {
            throw new InvalidCallException($"the session is that of {session.Cluster}/{session.Drone}");
        }
    }
}
