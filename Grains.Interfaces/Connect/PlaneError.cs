using System.Text.Json.Serialization;
using Orleans;

namespace Plane;

/// <summary>Every kind of error that the HTTP API answers with.</summary>
[GenerateSerializer, Alias("plane.ErrorKind")]
[JsonConverter(typeof(StrictEnumConverter<ErrorKind>))]
public enum ErrorKind
{
    /// <summary>Neither the request nor the controller names a cluster. 400.</summary>
    NoClusterProvided,

    /// <summary>The cluster is not a host name with an optional port. 400.</summary>
    InvalidClusterName,

    /// <summary>The request is malformed; the message names the field. 400.</summary>
    InvalidRequest,

    /// <summary>The caller is not authorised. 401.</summary>
    Unauthorized,

    /// <summary>There is no such backend, drone or route. 404.</summary>
    NotFound,

    /// <summary>Nothing holds the key and no spawn config was given. 409.</summary>
    KeyUnheldNoSpawnConfig,

    /// <summary>The key is held under another tag. 409.</summary>
    KeyHeld,

    /// <summary>
    /// An expired key could not be removed. 409. Part of the API's vocabulary, which callers handle; this controller does not answer it: an expired holder is
    /// removed by the very transaction that acquires the key, so where its removal fails the acquisition does, as <see cref="FailedToAcquireKey"/> where
    /// another was faster and as <see cref="DatabaseError"/> where the row stays locked.
    /// </summary>
    FailedToRemoveKey,

    /// <summary>The backend id that the request chose was used before. 409.</summary>
    BackendIdTaken,

    /// <summary>The body is larger than 1 MiB. 413.</summary>
    PayloadTooLarge,

    /// <summary>
    /// The key's holder is in no state to be connected to. 500. Part of the API's vocabulary, which callers handle; this controller does not answer it: a
    /// backend's end and the release of its key are one transaction, so whatever holds a key has not ended, and a holder that is ending is connected to and
    /// its status tells.
    /// </summary>
    KeyHeldUnhealthy,

    /// <summary>Anything else; the id finds it in the log. 500.</summary>
    Other,

    /// <summary>The forward-auth service could not be reached. 502.</summary>
    ForwardAuthUnavailable,

    /// <summary>No drone of the pool is ready, free and able to run the executable. 503.</summary>
    NoDroneAvailable,

    /// <summary>The race for the key was lost several times. 503.</summary>
    FailedToAcquireKey,

    /// <summary>The database is unavailable. 503.</summary>
    DatabaseError,

    /// <summary>The request id was used by another request in the last minutes. 409.</summary>
    RequestIdTaken,

    /// <summary>
    /// The database failed over, and leases that the new server may not know of have not expired yet: until then no key is acquired. 503, with the time
    /// that is left in <c>Retry-After</c>.
    /// </summary>
    KeysHeldOff,

    /// <summary>The service runs as many backends as its <c>max_backends</c> allows. 503, with <c>Retry-After</c>.</summary>
    ServiceFull,

    /// <summary>
    /// The last backends of the service's key ended before they were ready, or by an error soon after. The next start is after <c>Retry-After</c>. 503.
    /// </summary>
    CrashLoop,

    /// <summary>Requests for sessions that do not run have started too many backends lately, of this service or from this client's network. 429, with <c>Retry-After</c>.</summary>
    WakeLimited,

    /// <summary>Another signing key of the service has this <c>kid</c>. 409.</summary>
    SigningKeyTaken,
}

/// <summary>The body of every error answer.</summary>
[GenerateSerializer, Immutable, Alias("plane.PlaneError")]
public sealed record PlaneError
{
    /// <summary>It is in the log too.</summary>
    [Id(0)]
    public required string Id { get; init; }

    /// <summary>What kind of error it is.</summary>
    [Id(1)]
    public required ErrorKind Kind { get; init; }

    /// <summary>What is wrong and, where it can be said, what to do.</summary>
    [Id(2)]
    public required string Message { get; init; }

    /// <summary>The last lines of the backend whose failure is why; only under <c>/ctrl</c>.</summary>
    [Id(3)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? OutputTail { get; init; }
}
