using Plane.Grains.Clusters;
using Plane.Grains.Storage;

namespace Plane.Grains.Keys;

/// <summary>
/// How one activation of a key answers connects.
/// <list type="number">
/// <item>Held path: a token is stored if a live holder has the key with the same tag. One conditional statement, batched over the silo.</item>
/// <item>Not held: without a spawn config or a cluster there is nothing to start.</item>
/// <item>Another connect of this activation is acquiring already: wait for it, then (1) again; or it was while this one looked: (1) again. A burst of connects
/// to a new key makes one acquisition.</item>
/// <item>A drone is picked and the key acquired on it. A drone that turns out unfit is excluded and another picked; a key that another got
/// first: (1) again.</item>
/// </list>
/// A request with an id of its own is answered once: (1) and (4) store the id with the token, or find that it was answered before. Its token is written by a
/// transaction of its own instead of the silo's batch.
/// What it remembers (an acquisition under way, whether a holder was ever seen) may be lost or doubled without harm: it saves statements, it
/// decides nothing. Runs in the turns of one grain, so its fields need no lock.
/// </summary>
internal sealed class KeyConnector(IPlaneStore store, TokenWriter tokens, Func<ClusterName, IClusterGrain> clusters)
{
    /// <summary>How often a lost race for the key is run again.</summary>
    public const int MaxRetries = 3;

    // More unfit drones in a row mean that the picture is stale or the cluster is full: the caller shall ask again rather than wait.
    private const int MaxDrones = 8;

    private Attempt? _acquiring;
    private bool _holderSeen;

    // How many acquisitions have found or made a holder. One that did while a connect looked may have come after the look.
    private int _holders;

    public Task<ConnectResult> ConnectAsync(ConnectCommand command, CancellationToken cancellationToken) =>
        SealedAnswer.MarkOf(command) is { } mark ? ConnectOnceAsync(command, mark, cancellationToken) : ConnectAsync(command, null, cancellationToken);

    private async Task<ConnectResult> ConnectOnceAsync(ConnectCommand command, RequestMark mark, CancellationToken cancellationToken)
    {
        var result = await ConnectAsync(command, mark, cancellationToken);

        // Refused for want of what a twin of this request got a moment before, as the last place on a drone: that one's answer is this one's too.
        return result.Refusal is ErrorKind.NoDroneAvailable or ErrorKind.FailedToAcquireKey or ErrorKind.KeyUnheldNoSpawnConfig
            ? await TryHeldAsync(command, mark, cancellationToken) ?? result
            : result;
    }

    private async Task<ConnectResult> ConnectAsync(ConnectCommand command, RequestMark? mark, CancellationToken cancellationToken)
    {
        // A random key that was just drawn is free: looking for its holder first would be a statement for nothing. If it isn't, the acquisition
        // says so.
        var heldPath = mark is not null || _holderSeen || command.Spawn is null || command.Cluster is null || !LooksDrawn(command.Key);
        for (var attempt = 0; attempt <= MaxRetries; attempt++)
        {
            // (1)
            var holders = _holders;
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
            var place = new Place(cluster, spawn.Pool, spawn.Executable.Kind);
            if (_acquiring is { } other)
            {
                if (await other.Refusal.WaitAsync(cancellationToken) is { } refusal && other.Place == place)
                {
                    return refusal;
                }

                continue;
            }

            if (holders != _holders)
            {
                continue;
            }

            // (4)
            if (await AcquireAsync(command, mark, place, cancellationToken) is { } result)
            {
                return result;
            }
        }

        return ConnectResult.Refused(ErrorKind.FailedToAcquireKey, "the race for the key was lost again and again; ask again");
    }

    private static bool LooksDrawn(KeyConfig key) =>
        key is { Namespace: "", Tag: "", Name.Length: 17 } && key.Name.StartsWith("lk-", StringComparison.Ordinal);

    private static ConnectResult Connected(HolderInfo holder, bool spawned) => new() { Holder = holder, Spawned = spawned };

    private static ConnectResult Repeated(ConnectCommand command, HolderInfo? holder, KeptAnswer? kept) => new()
    {
        Holder = holder,
        Spawned = kept!.Spawned,
        Earlier = SealedAnswer.Open(command.Request!.Id, kept.Sealed),
    };

    private static ConnectResult RequestIdTaken { get; } =
        ConnectResult.Refused(ErrorKind.RequestIdTaken, "request_id was given to another request in the last minutes");

    private async Task<ConnectResult?> TryHeldAsync(ConnectCommand command, RequestMark? mark, CancellationToken cancellationToken)
    {
        var request = new TokenRequest(command.Key, command.Token.Hash(), command.SecretToken, command.User, command.Auth);
        var result = mark is null
            ? await tokens.IssueAsync(request, cancellationToken)
            : await store.IssueOnceAsync(request, mark, command.WaitsForEnd, cancellationToken);
        switch (result)
        {
            case { Outcome: TokenOutcome.Issued, Holder: { } holder }:
                _holderSeen = true;

                // A drawn id names one command only: that backend was started by an earlier attempt of this one, whose answer was lost.
                return Connected(holder, spawned: !command.BackendIdIsChosen && holder.Identity.Backend == command.BackendId);

            case { Outcome: TokenOutcome.Repeated }:
                return Repeated(command, result.Holder, result.Kept);

            case { Outcome: TokenOutcome.RequestIdTaken }:
                return RequestIdTaken;

            case { Outcome: TokenOutcome.TagDiffers }:
                _holderSeen = true;
                return ConnectResult.Refused(ErrorKind.KeyHeld, "the key is held by a backend with another tag");

            default:
                return null;
        }
    }

    private async Task<ConnectResult?> AcquireAsync(ConnectCommand command, RequestMark? mark, Place place, CancellationToken cancellationToken)
    {
        var attempt = new Attempt(place);
        _acquiring = attempt;
        ConnectResult? result = null;
        try
        {
            result = await TryDronesAsync(command, mark, place, cancellationToken);
            _holders += result?.Refusal is null ? 1 : 0;
            return result;
        }
        finally
        {
            _acquiring = null;
            attempt.End(result?.Refusal is ErrorKind.NoDroneAvailable or ErrorKind.KeysHeldOff ? result : null);
        }
    }

    /// <summary>A result, or null where another got the key.</summary>
    private async Task<ConnectResult?> TryDronesAsync(ConnectCommand command, RequestMark? mark, Place place, CancellationToken cancellationToken)
    {
        var grain = clusters(place.Cluster);
        var tried = new List<DroneName>();
        var query = new PlacementQuery { Pool = place.Pool, Kind = place.Kind };
        while (tried.Count < MaxDrones)
        {
            query = query with { Exclude = [.. tried] };
            if (await grain.PickDrone(query, cancellationToken) is not { } drone)
            {
                break;
            }

            var request = new AcquireRequest { Command = command, Cluster = place.Cluster, Drone = drone, Mark = mark };
            var acquired = await store.AcquireAsync(request, cancellationToken);
            switch (acquired)
            {
                case { Outcome: AcquireOutcome.Acquired, Holder: { } holder }:
                    _holderSeen = true;
                    return Connected(holder, spawned: true);

                case { Outcome: AcquireOutcome.Held }:
                    return null;

                case { Outcome: AcquireOutcome.Repeated }:
                    return Repeated(command, acquired.Holder, acquired.Kept);

                case { Outcome: AcquireOutcome.RequestIdTaken }:
                    return RequestIdTaken;

                case { Outcome: AcquireOutcome.HeldOff }:
                    return ConnectResult.Refused(
                        ErrorKind.KeysHeldOff, "the database failed over; keys are acquired again when every lease that it may have lost has run out") with
                    {
                        RetryAfter = acquired.HeldFor,
                    };

                case { Outcome: AcquireOutcome.BackendIdTaken }:
                    return command.BackendIdIsChosen
                        ? ConnectResult.Refused(ErrorKind.BackendIdTaken, $"the backend id {command.BackendId} was used before")
                        : ConnectResult.Refused(ErrorKind.FailedToAcquireKey, "the backend that this request started has ended; ask again");

                default:
                    tried.Add(drone);
                    break;
            }
        }

        var state = await grain.ReadState(cancellationToken);
        return ConnectResult.Refused(ErrorKind.NoDroneAvailable, Placement.ExplainNone(place.Cluster, state, query));
    }

    private sealed record Place(ClusterName Cluster, string Pool, ExecutorKind Kind);

    /// <summary>An acquisition under way; ends with the refusal that others with the same wish share, or null where they should look again.</summary>
    private sealed class Attempt(Place place)
    {
        private readonly TaskCompletionSource<ConnectResult?> _end = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Place Place { get; } = place;

        public Task<ConnectResult?> Refusal => _end.Task;

        public void End(ConnectResult? refusal) => _end.TrySetResult(refusal);
    }
}
