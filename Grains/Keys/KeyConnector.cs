using System.Globalization;
using Plane.Grains.Clusters;
using Plane.Grains.Metrics;
using Plane.Grains.Warm;
using Plane.Storage;

namespace Plane.Grains.Keys;

/// <summary>
/// How this controller answers connects, whether they come over HTTP or from a cluster client (<see cref="KeyGrain"/>).
/// <para>
/// <b>The lease protocol.</b> At most one backend runs for a key at any time. Four parties keep that, each by its own clock:
/// </para>
/// <list type="number">
/// <item>The database holds at most one row per (namespace, name), with an expiry by its own clock and a fencing token. A transaction that inserts the row has
/// acquired the key (<see cref="IKeyStore.AcquireAsync"/>); an expired row may be deleted by the next acquirer or the lost sweep, never
/// revived.</item>
/// <item>The acquisition queues a spawn action for the drone, with deadlines counted from the drone's own last heartbeat: the reading was taken
/// before the acquisition, so a drone that gets the action late, or after a restart under another boot id, starts nothing that it may no longer
/// run.</item>
/// <item>The drone renews in batches (<see cref="LeaseGrain"/>) and counts soft and hard deadline on its lease clock from a reading taken before
/// each call. By <see cref="LeaseOptions.Validate"/> a backend that wasn't renewed is dead before the row expires, as long as the clocks' rates
/// agree within 2 %.</item>
/// <item>The key is released by a <c>terminated</c> event under the same (backend id, fencing token), in the same transaction, or by its expiry; by
/// nothing else.</item>
/// </list>
/// <para>
/// <b>No rule depends on what is remembered here.</b> Several controllers may answer for one key at once. Each answer is one statement or transaction: a token is inserted only if
/// a live holder has the key, a key is acquired only if its row can be inserted.
/// </para>
/// <para>
/// <b>Failure cases.</b> The caller's answer was lost: the command carries everything random, so repeating it finds its own backend and token.
/// The controller dies between acquiring and answering: the same. The drone picked is gone: the acquisition re-checks it, and what was queued for one
/// that dies later is ended by the lost sweep when the lease expires. The database is unavailable: <see cref="ErrorKind.DatabaseError"/>, nothing half-done.
/// </para>
/// <b>One connect</b>, by these numbers:
/// <list type="number">
/// <item>Held path: a token is stored if a live holder has the key with the same tag. One conditional statement, batched over the controller.</item>
/// <item>Not held: without a spawn config or a cluster there is nothing to start.</item>
/// <item>Another connect to the key is acquiring already: wait for it, then (1) again; or it was while this one looked: (1) again. A burst of connects
/// to a new key makes one acquisition.</item>
/// <item>By a service that keeps warm backends, one of them is claimed for the key (<see cref="WarmClaims"/>).</item>
/// <item>A drone is picked and the key acquired on it. A drone that turns out unfit is excluded and another picked; a key that another got
/// first: (1) again.</item>
/// </list>
/// A request with an id of its own is answered once: (1) and (5) store the id with the token, or find that it was answered before. Its token is written by a
/// transaction of its own instead of the batch.
/// <para>
/// Any number of threads. What is remembered of a key, for as long as a connect to it is under way, is that one is acquiring it: it saves statements.
/// </para>
/// </summary>
internal sealed class KeyConnector(IKeyStore keys, IServiceStore serviceStore, IStore store, TokenWriter tokens, DronePicker drones, WarmClaims warm, ControllerMetrics metrics)
{
    /// <summary>How often a lost race for the key is run again.</summary>
    public const int MaxRetries = 3;

    // More unfit drones in a row mean that the picture is stale or the cluster is full: the caller shall retry rather than wait.
    private const int MaxDrones = 8;

    private readonly Lock _lock = new();
    private readonly Dictionary<(string Namespace, string Name), KeyInUse> _keys = [];

    /// <summary>Connects.</summary>
    /// <param name="command">The command, without a service; itself checked (<see cref="ConnectRules.Validate(ConnectCommand)"/>), or made here of a checked request.</param>
    /// <param name="cancellationToken">Gives up waiting for the answer; what was committed stays.</param>
    public Task<ConnectResult> ConnectAsync(ConnectCommand command, CancellationToken cancellationToken) => ConnectAsync(ResolvedConnect.Of(command), cancellationToken);

    /// <summary>Connects, also by a service.</summary>
    /// <param name="command">The connect.</param>
    /// <param name="cancellationToken">Gives up waiting for the answer; what was committed stays.</param>
    public async Task<ConnectResult> ConnectAsync(ResolvedConnect command, CancellationToken cancellationToken)
    {
        using var span = PlaneTrace.Source.StartActivity("connect");
        var id = (command.Key.Namespace, command.Key.Name);
        var key = Enter(id);
        ConnectResult result;
        try
        {
            result = EncryptedResponse.MarkOf(command) is { } mark
                ? await ConnectOnceAsync(command, key, mark, cancellationToken)
                : await ConnectAsync(command, key, null, cancellationToken);
        }
        catch (StoreUnavailableException e)
        {
            result = ConnectResult.Refused(ErrorKind.DatabaseError, e.ForCaller(store.Outage));
        }
        finally
        {
            Leave(id, key);
        }

        var outcome = MetricTags.OutcomeOf(result);
        metrics.Connected(outcome);
        span?.SetTag("plane.outcome", outcome).SetTag(PlaneTrace.BackendTag, result.Holder?.Identity.Backend.Value);
        return result;
    }

    private KeyInUse Enter((string Namespace, string Name) id)
    {
        lock (_lock)
        {
            if (!_keys.TryGetValue(id, out var key))
            {
                _keys.Add(id, key = new KeyInUse());
            }

            key.Connects++;
            return key;
        }
    }

    private void Leave((string Namespace, string Name) id, KeyInUse key)
    {
        lock (_lock)
        {
            if (--key.Connects == 0)
            {
                _keys.Remove(id);
            }
        }
    }

    private async Task<ConnectResult> ConnectOnceAsync(ResolvedConnect command, KeyInUse key, IdempotencyKey mark, CancellationToken cancellationToken)
    {
        var result = await ConnectAsync(command, key, mark, cancellationToken);

        // Refused for want of what a twin of this request got a moment before, as the last place on a drone: that one's answer is this one's too.
        return result.Refusal is ErrorKind.NoDroneAvailable or ErrorKind.ServiceFull or ErrorKind.FailedToAcquireKey or ErrorKind.KeyUnheldNoSpawnConfig
            ? await TryHeldAsync(command, mark, cancellationToken) ?? result
            : result;
    }

    private async Task<ConnectResult> ConnectAsync(ResolvedConnect command, KeyInUse key, IdempotencyKey? mark, CancellationToken cancellationToken)
    {
        // A random key that was just drawn is free: looking for its holder first would be a statement for nothing. If it isn't, the acquisition
        // says so.
        var heldPath = mark is not null || command.Spawn is null || command.Cluster is null || !command.KeyIsDrawn;
        for (var attempt = 0; attempt <= MaxRetries; attempt++)
        {
            // (1)
            var seen = key.Found;
            if (heldPath && await TryHeldAsync(command, mark, cancellationToken) is { } held)
            {
                return held;
            }

            // (2)
            if (command.Spawn is not { } spawn)
            {
                return ConnectResult.Refused(
                    ErrorKind.KeyUnheldNoSpawnConfig, "nothing holds the key, and no spawn_config was given to start a backend with");
            }

            if (command.Cluster is not { } cluster)
            {
                return ConnectResult.Refused(ErrorKind.NoClusterProvided, "neither spawn_config nor the controller names a cluster");
            }

            // (3)
            heldPath = true;
            var place = new PlacementRequest(cluster, spawn.Pool, spawn.Executable.Kind, ResourceAmounts.Of(spawn.Executable));
            switch (key.TryBegin(new PendingAcquisition(place), seen))
            {
                case (null, { } mine):
                    // (4) and (5)
                    if (await AcquireAsync(command, key, mark, mine, cancellationToken) is { } result)
                    {
                        return result;
                    }

                    break;

                case ({ } other, _):
                    if (await other.Refusal.WaitAsync(cancellationToken) is { } refusal && other.PlacementRequest == place)
                    {
                        return refusal;
                    }

                    break;
            }
        }

        return ConnectResult.Refused(ErrorKind.FailedToAcquireKey, "other connects to the same key won several times; retry");
    }

    private static ConnectResult Connected(HolderInfo holder, bool spawned) => new() { Holder = holder, Spawned = spawned };

    private static ConnectResult Repeated(ResolvedConnect command, HolderInfo? holder, StoredResponse? kept) => new()
    {
        Holder = holder,
        Spawned = kept!.Spawned,
        Earlier = EncryptedResponse.Open(command.Request!.Id, kept.Sealed),
    };

    private static ConnectResult RequestIdTaken { get; } =
        ConnectResult.Refused(ErrorKind.RequestIdTaken, "request_id was used by a different request in the last 10 minutes; use a new one");

    private async Task<ConnectResult?> TryHeldAsync(ResolvedConnect command, IdempotencyKey? mark, CancellationToken cancellationToken)
    {
        var request = new TokenRequest(command.Key, command.Token.Hash(), command.SecretToken, command.User, command.Auth);
        var result = mark is null
            ? await tokens.IssueAsync(request, cancellationToken)
            : await keys.IssueOnceAsync(request, mark, command.WaitsForEnd, cancellationToken);
        switch (result)
        {
            case { Outcome: TokenOutcome.Issued, Holder: { } holder }:
                // A drawn id names one command only: that backend was started by an earlier attempt of this one, whose answer was lost.
                return Connected(holder, spawned: !command.BackendIdIsChosen && holder.Identity.Backend == command.BackendId);

            case { Outcome: TokenOutcome.Repeated }:
                return Repeated(command, result.Holder, result.Kept);

            case { Outcome: TokenOutcome.RequestIdTaken }:
                return RequestIdTaken;

            case { Outcome: TokenOutcome.TagDiffers }:
                return ConnectResult.Refused(ErrorKind.KeyHeld, "the key is held by a backend with another tag; connect with that tag, or wait until the backend ends");

            default:
                return null;
        }
    }

    private async Task<ConnectResult?> AcquireAsync(
        ResolvedConnect command, KeyInUse key, IdempotencyKey? mark, PendingAcquisition attempt, CancellationToken cancellationToken)
    {
        ConnectResult? result = null;
        var found = false;
        try
        {
            (var isDecided, result) = await TryWarmAsync(command, mark, attempt.PlacementRequest.Cluster, cancellationToken);
            if (!isDecided)
            {
                result = await TryDronesAsync(command, mark, attempt.PlacementRequest, cancellationToken);
            }

            found = result?.Refusal is null;
            return result;
        }
        finally
        {
            key.End(found);
            attempt.End(result?.Refusal is ErrorKind.NoDroneAvailable or ErrorKind.KeysHeldOff ? result : null);
        }
    }

    /// <summary>Whether a warm backend decided it, and with what: null where the key's holder is to be looked for.</summary>
    private async Task<(bool IsDecided, ConnectResult? Result)> TryWarmAsync(
        ResolvedConnect command, IdempotencyKey? mark, ClusterName cluster, CancellationToken cancellationToken)
    {
        var end = await warm.ClaimAsync(command, cluster, cancellationToken);
        return end switch
        {
            // The answer of a request with an id is stored with the token of the held path.
            { Holder: { } holder } => (true, mark is null ? Connected(holder, spawned: false) : null),
            { Last.Outcome: AcquireOutcome.Held } => (true, null),

            // What refuses a claim also refuses a start, and the start says why.
            _ => (false, null),
        };
    }

    /// <summary>A result, or null where another got the key.</summary>
    private async Task<ConnectResult?> TryDronesAsync(ResolvedConnect command, IdempotencyKey? mark, PlacementRequest place, CancellationToken cancellationToken)
    {
        var tried = new List<DroneName>();
        var query = new PlacementQuery { Pool = place.Pool, Kind = place.Kind, Requests = place.Requests };
        while (tried.Count < MaxDrones)
        {
            query = query with { Exclude = [.. tried] };
            if (await drones.PickAsync(place.Cluster, query, cancellationToken) is not { } drone)
            {
                break;
            }

            var request = new AcquireRequest { Command = command, Cluster = place.Cluster, Drone = drone, Mark = mark };
            var acquired = await keys.AcquireAsync(request, cancellationToken);
            switch (acquired)
            {
                case { Outcome: AcquireOutcome.Acquired, Holder: { } holder }:
                    metrics.Placed("placed");
                    return Connected(holder, spawned: true);

                case { Outcome: AcquireOutcome.Held }:
                    return null;

                case { Outcome: AcquireOutcome.DroneUnfit }:
                    metrics.Placed("unfit");
                    tried.Add(drone);
                    break;

                default:
                    return await RefusedAsync(command, acquired, cancellationToken);
            }
        }

        var state = await drones.ReadStateAsync(place.Cluster, cancellationToken);
        metrics.Placed(PlacementExplanation.IsTooLarge(state, query) ? "too_large" : "no_drone");
        return ConnectResult.Refused(ErrorKind.NoDroneAvailable, PlacementExplanation.Of(place.Cluster, state, query));
    }

    /// <summary>An acquisition that another drone would not change.</summary>
    private async Task<ConnectResult> RefusedAsync(ResolvedConnect command, AcquireResult acquired, CancellationToken cancellationToken) => acquired.Outcome switch
    {
        AcquireOutcome.Repeated => Repeated(command, acquired.Holder, acquired.Kept),
        AcquireOutcome.RequestIdTaken => RequestIdTaken,
        AcquireOutcome.HeldOff => ConnectResult.Refused(
            ErrorKind.KeysHeldOff, "the database failed over; keys can be acquired again when every lease that it may have lost has expired") with
        {
            RetryAfter = acquired.HeldFor,
        },
        AcquireOutcome.ServiceFull => ConnectResult.Refused(ErrorKind.ServiceFull, $"service {command.Service} runs as many backends as its max_backends allows"),
        AcquireOutcome.CrashLoop => await CrashLoopAsync(command, acquired.HeldFor, cancellationToken),
        AcquireOutcome.NamespaceOwned => ConnectResult.Refused(
            ErrorKind.InvalidRequest, "key.namespace is one of a service's, which starts its own backends: give service instead of spawn_config"),
        AcquireOutcome.ServiceGone => ConnectResult.Refused(ErrorKind.NotFound, "there is no such service"),
        AcquireOutcome.ServiceChanged => ConnectResult.Refused(ErrorKind.FailedToAcquireKey, "the service was changed several times meanwhile; retry"),
        AcquireOutcome.BackendIdTaken => command.BackendIdIsChosen
            ? ConnectResult.Refused(ErrorKind.BackendIdTaken, $"the backend id {command.BackendId} was used before; choose another")
            : ConnectResult.Refused(ErrorKind.FailedToAcquireKey, "the backend that this request started has ended; retry"),
        _ => throw new InvalidOperationException($"an acquisition does not end as {acquired.Outcome}"),
    };

    /// <summary>With what an operator needs to find the fault. What visitors are answered is made of the kind alone.</summary>
    private async Task<ConnectResult> CrashLoopAsync(ResolvedConnect command, TimeSpan rest, CancellationToken cancellationToken)
    {
        string? tail = null;
        var message = "the last backends of this key failed soon after their start";
        if (await serviceStore.ReadFailuresAsync(command.Key, cancellationToken) is { } failures)
        {
            var last = failures.Ended is { } end ? $"{failures.Backend}: {end}" : failures.Backend.Value;
            message = string.Create(CultureInfo.InvariantCulture, $"the last {failures.Count} backends of this key failed soon after their start; the last one was {last}");
            tail = failures.OutputTail;
        }

        return ConnectResult.Refused(ErrorKind.CrashLoop, message) with { RetryAfter = rest, OutputTail = tail };
    }

    /// <summary>A key while connects to it are under way.</summary>
    private sealed class KeyInUse
    {
        private readonly Lock _lock = new();
        private PendingAcquisition? _acquiring;
        private int _found;

        /// <summary>How many connects to it are under way. Written under the connector's lock.</summary>
        public int Connects { get; set; }

        /// <summary>How many acquisitions have found or made a holder. One that did while a connect looked may have come after the look.</summary>
        public int Found => Volatile.Read(ref _found);

        /// <summary>Begins an acquisition; or names the one under way; or neither, where one has found a holder since the connect looked.</summary>
        public (PendingAcquisition? Other, PendingAcquisition? Mine) TryBegin(PendingAcquisition attempt, int seen)
        {
            lock (_lock)
            {
                if (_acquiring is { } other)
                {
                    return (other, null);
                }

                _acquiring = seen == _found ? attempt : null;
                return (null, _acquiring);
            }
        }

        public void End(bool found)
        {
            lock (_lock)
            {
                _acquiring = null;
                _found += found ? 1 : 0;
            }
        }
    }

    private sealed record PlacementRequest(ClusterName Cluster, string Pool, ExecutorKind Kind, ResourceAmounts Requests);

    /// <summary>An acquisition under way; ends with the refusal that others with the same wish share, or null where they should look again.</summary>
    private sealed class PendingAcquisition(PlacementRequest place)
    {
        private readonly TaskCompletionSource<ConnectResult?> _end = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public PlacementRequest PlacementRequest { get; } = place;

        public Task<ConnectResult?> Refusal => _end.Task;

        public void End(ConnectResult? refusal) => _end.TrySetResult(refusal);
    }
}
