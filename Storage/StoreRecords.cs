namespace Plane.Storage;

/// <summary>A connection token to store for the live holder of a key.</summary>
/// <param name="Key">The key, whose tag must equal the holder's.</param>
/// <param name="TokenHash"><see cref="BearerToken.Hash"/> of the token.</param>
/// <param name="SecretToken">The secret that goes with it.</param>
/// <param name="User">Who connects.</param>
/// <param name="Auth">The JSON object for the backend.</param>
public sealed record TokenRequest(KeyConfig Key, string TokenHash, string SecretToken, string? User, JsonText? Auth);

/// <summary>What became of a <see cref="TokenRequest"/>.</summary>
public enum TokenOutcome
{
    /// <summary>The token is stored and leads to the holder (or the holder uses a static token, and none was needed).</summary>
    Issued,

    /// <summary>Nothing holds the key, or its holder's lease has expired.</summary>
    NotHeld,

    /// <summary>The holder has another tag.</summary>
    TagDiffers,

    /// <summary>The same request was answered before.</summary>
    Repeated,

    /// <summary>The request's id stands for another request.</summary>
    RequestIdTaken,
}

/// <summary>The result of a <see cref="TokenRequest"/>.</summary>
/// <param name="Outcome">What became of it.</param>
/// <param name="Holder">The holder, unless the key isn't held; of a repeated request the holder of then.</param>
public sealed record TokenResult(TokenOutcome Outcome, HolderInfo? Holder)
{
    /// <summary>The rest of the answer, where repeated.</summary>
    public StoredResponse? Kept { get; init; }
}

/// <summary>A connect request with an id, as the store knows it.</summary>
/// <param name="IdHash">A hash of the id.</param>
/// <param name="Digest">A hash of what is asked for.</param>
/// <param name="Sealed">What a repeat is answered with beside the holder; opaque here, and readable only with the id.</param>
public sealed record IdempotencyKey(string IdHash, string Digest, byte[] Sealed);

/// <summary>What is kept of a request's answer beside the holder.</summary>
/// <param name="Spawned">Whether it started the backend.</param>
/// <param name="Sealed"><see cref="IdempotencyKey.Sealed"/> of the request that was answered.</param>
public sealed record StoredResponse(bool Spawned, byte[] Sealed);

/// <summary>The backend that a token leads to.</summary>
internal sealed record FoundRoute(BackendStatus Status, BackendIdentity Backend, bool WasReady, TerminationReason? Reason, Route? Route);

/// <summary>What became of a backend so far.</summary>
/// <param name="Cluster">Its cluster.</param>
/// <param name="Entries">Its states in their order.</param>
public sealed record BackendHistory(ClusterName Cluster, IReadOnlyList<StatusEntry> Entries)
{
    /// <summary>The entries after a state.</summary>
    /// <param name="state">The state, or null for all entries.</param>
    public IReadOnlyList<StatusEntry> After(BackendStatus? state) => state is null ? Entries : [.. Entries.Where(e => e.Status > state)];
}

/// <summary>A backend that ended as no operator wants it to: by an error of its own, or because it or its drone did not keep up.</summary>
/// <param name="BackendId">The backend.</param>
/// <param name="Key">The key that it held.</param>
/// <param name="Reason">Why it ended; none where it exited by itself.</param>
/// <param name="ExitError">Whether it exited with an error; null where that is not known.</param>
public sealed record BackendFailure(BackendName BackendId, KeyInfo Key, TerminationReason? Reason, bool? ExitError);

/// <summary>An acquisition: a new backend for a free or expired key, on a drone.</summary>
public sealed record AcquireRequest
{
    /// <summary>The request of the connect, with a spawn config.</summary>
    public required ResolvedConnect Command { get; init; }

    /// <summary>The cluster.</summary>
    public required ClusterName Cluster { get; init; }

    /// <summary>The drone that was picked.</summary>
    public required DroneName Drone { get; init; }

    /// <summary>The request's own id, where it has one.</summary>
    public IdempotencyKey? Mark { get; init; }
}

/// <summary>What became of an acquisition.</summary>
public enum AcquireOutcome
{
    /// <summary>The key is held by the new backend; its spawn action is queued.</summary>
    Acquired,

    /// <summary>Another holds the key: connect to it.</summary>
    Held,

    /// <summary>The drone is not ready, draining, silent, full, has too little left of a resource, or does not run this kind: pick another.</summary>
    DroneUnfit,

    /// <summary>The backend id was used before by another request.</summary>
    BackendIdTaken,

    /// <summary>The same request was answered before.</summary>
    Repeated,

    /// <summary>The request's id stands for another request.</summary>
    RequestIdTaken,

    /// <summary>The database failed over: no key is acquired before leases that it may not know of have expired.</summary>
    HeldOff,

    /// <summary>The service runs as many backends as it may.</summary>
    ServiceFull,

    /// <summary>The last starts for this key of the service failed; the next one is after <see cref="AcquireResult.HeldFor"/>.</summary>
    CrashLoop,

    /// <summary>The namespace is a service's, and the request does not name the service.</summary>
    NamespaceOwned,

    /// <summary>There is no such service.</summary>
    ServiceGone,

    /// <summary>The service has another version than the one that the spawn config is of.</summary>
    ServiceChanged,

    /// <summary>A claim alone: no warm backend of the service may be claimed now.</summary>
    NoneWarm,
}

/// <summary>The result of an acquisition.</summary>
/// <param name="Outcome">What became of it.</param>
/// <param name="Holder">The new holder, where acquired, also when the same command had acquired it before.</param>
public sealed record AcquireResult(AcquireOutcome Outcome, HolderInfo? Holder)
{
    /// <summary>The rest of the answer, where repeated.</summary>
    public StoredResponse? Kept { get; init; }

    /// <summary>How long keys are still held off, or the key of a service whose starts failed.</summary>
    public TimeSpan HeldFor { get; init; }
}

/// <summary>The claim of a warm backend for a free or expired key.</summary>
public sealed record ClaimRequest
{
    /// <summary>The request of the connect, with service, version and spawn config.</summary>
    public required ResolvedConnect Command { get; init; }

    /// <summary>The cluster.</summary>
    public required ClusterName Cluster { get; init; }

    /// <summary>Where the backend gets its key; null where it does not.</summary>
    public string? Path { get; init; }
}

/// <summary>A backend in a pool: it has not ended and is not claimed.</summary>
/// <param name="Identity">The backend and the token of its start.</param>
/// <param name="Service">Its service.</param>
/// <param name="Version">The version of the service that it was started with.</param>
/// <param name="Cluster">Its cluster.</param>
/// <param name="Drone">Its drone.</param>
/// <param name="Place">Its place in the pool (<see cref="PoolKey"/>).</param>
/// <param name="IsWarm">Whether it answers.</param>
/// <param name="IsEnding">Whether its end is queued or under way, or its drone takes no new backends: it will not be claimed.</param>
/// <param name="Age">How long ago it was scheduled.</param>
public sealed record WarmBackend(
    BackendIdentity Identity, ServiceName Service, long Version, ClusterName Cluster, DroneName Drone, int Place, bool IsWarm, bool IsEnding, TimeSpan Age);

/// <summary>A drone that may take a new backend.</summary>
/// <param name="Drone">The drone.</param>
/// <param name="Pool">Its pool.</param>
/// <param name="Kinds">What it can run.</param>
/// <param name="Backends">What has not ended there.</param>
/// <param name="MaxBackends">The most it runs.</param>
/// <param name="TakesClaims">Whether it may take warm ones.</param>
public sealed record DroneCandidate(DroneName Drone, string Pool, ExecutorKind[] Kinds, int Backends, int MaxBackends, bool TakesClaims = false)
{
    /// <summary>What its backends may reserve; null where it does not say.</summary>
    public ResourceAmounts? Capacity { get; init; }

    /// <summary>What they have reserved.</summary>
    public ResourceAmounts Reserved { get; init; } = ResourceAmounts.None;
}

/// <summary>The images of a drone that runs containers.</summary>
/// <param name="Cluster">Its cluster.</param>
/// <param name="Drone">The drone.</param>
/// <param name="Pool">Its pool.</param>
/// <param name="Images">How far it is with what it pulls before it is needed.</param>
public sealed record DroneImages(ClusterName Cluster, DroneName Drone, string Pool, IReadOnlyList<ImageState> Images);

/// <summary>The cluster that a database belongs to.</summary>
/// <param name="ClusterId">The cluster.</param>
/// <param name="ServiceId">The service.</param>
/// <param name="Now">The time by the database's clock; null: it has no clock of its own.</param>
public sealed record PinnedCluster(string ClusterId, string ServiceId, DateTimeOffset? Now);

/// <summary>The database is unavailable, or answered with a transient error again and again. The outcome of a write is unknown.</summary>
/// <param name="message">The cause, and what to do where that is known; no password, no SQL, no address.</param>
/// <param name="innerException">The cause, or null.</param>
public sealed class StoreUnavailableException(string message, Exception? innerException = null) : Exception(message, innerException)
{
    /// <summary>Whether the database is there and doesn't let this program in: the password, or the database's name.</summary>
    public bool IsRefusal { get; init; }

    /// <summary>The message of an answer: the cause, and that a repetition is safe.</summary>
    /// <param name="outage">What is known of the database, which says more than that one statement took too long.</param>
    public string ForCaller(StoreFault? outage) => $"the database is unavailable: {outage?.Reason ?? Message}; the same request may be sent again";
}

/// <summary>The database must not be used by this program; says why and what to do.</summary>
/// <param name="message">Why, and what to do.</param>
/// <param name="innerException">The cause, or null.</param>
public sealed class StoreRefusedException(string message, Exception? innerException = null) : Exception(message, innerException)
{
    /// <summary>The controller that has the database, where that is why.</summary>
    public string? Holder { get; init; }
}
