using System.Net;

namespace Plane.Grains.Storage;

/// <summary>
/// The truth. Each member is one statement or one transaction; every decision that must hold is made in it, by the database's clock, so that it stays right
/// when two activations of one grain ask at once. PostgreSQL (<c>PostgresStore</c>) and SQLite (<c>SqliteStore</c>) implement it, one conformance suite
/// covers both.
/// <para>
/// Failures: <see cref="StoreUnavailableException"/> where the database is away or answered with a transient error after the retries (deadlock and
/// serialisation failures, 40P01 and 40001, are retried inside); the outcome of a write is then unknown. Everything that changes something may be repeated.
/// </para>
/// </summary>
public interface IPlaneStore : IServiceStore, IImageStore, IAsyncDisposable
{
    // ---- life ----

    /// <summary>Applies the migrations, checks that this binary may work with the schema, reads the installation id. Before anything else.</summary>
    /// <exception cref="StoreRefusedException">The schema is too new, a setting makes the store unsafe (<c>fsync = off</c>), or the file is no store.</exception>
    Task InitializeAsync(CancellationToken cancellationToken);

    /// <summary>The random id of this database, made with it. Known after <see cref="InitializeAsync"/>.</summary>
    string InstallationId { get; }

    /// <summary>How many rows that can't be read were met and skipped. One that is read again is counted again.</summary>
    long UnreadableRows { get; }

    /// <summary>What keeps the database from serving connects, as far as was noticed, or null. While it is not null, the store logs it.</summary>
    StoreFault? Outage { get; }

    /// <summary>What is wrong with this machine's clock as compared with the database server's at the last heartbeat, or null. SQLite has no other clock.</summary>
    string? ClockProblem { get; }

    /// <summary>Answers if the database can serve a connect: it is reached in time, it takes writes, and no other program keeps its tables locked.</summary>
    Task PingAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Reads which cluster of controllers the database belongs to; the first controller that asks pins its own. Two clusters on one database would each sweep and
    /// decide for the other's drones.
    /// </summary>
    /// <param name="clusterId">The controller's cluster.</param>
    /// <param name="serviceId">Its service.</param>
    /// <param name="silo">The address that its silo is known by. What a clock that was ahead has left in the membership table is corrected for it.</param>
    /// <param name="cancellationToken">Gives up.</param>
    Task<PinnedCluster> PinClusterAsync(string clusterId, string serviceId, IPEndPoint silo, CancellationToken cancellationToken);

    /// <summary>
    /// Records that a controller lives, and answers the time by the store's clock. The first sign of life after a gap is noted: what proxies could not report
    /// in it must not end anything (<see cref="SweepIdleAsync"/>).
    /// </summary>
    Task<DateTimeOffset> HeartbeatControllerAsync(ControllerName controller, string version, string hash, CancellationToken cancellationToken);

    // ---- keys ----

    /// <summary>
    /// For each request stores a connection token if its key is held by a live holder with the same tag; one statement for the whole batch. The order of the
    /// results is that of the requests.
    /// </summary>
    Task<IReadOnlyList<TokenResult>> IssueTokensAsync(IReadOnlyList<TokenRequest> requests, CancellationToken cancellationToken);

    /// <summary>
    /// <see cref="IssueTokensAsync"/> for one request that has an id of its own. The token and the id are stored by one transaction; a repeat gets the answer of
    /// the first, and of several at once one decides.
    /// </summary>
    /// <param name="request">The request.</param>
    /// <param name="mark">Its id.</param>
    /// <param name="waitsForEnd">Whether a holder that is ending is no answer to keep.</param>
    /// <param name="cancellationToken">Gives up waiting; what was committed stays.</param>
    Task<TokenResult> IssueOnceAsync(TokenRequest request, RequestMark mark, bool waitsForEnd, CancellationToken cancellationToken);

    /// <summary>
    /// Acquires a free or expired key for a new backend on a drone: the transaction of docs/guarantees.md, with the drone re-checked, an expired holder removed,
    /// the fencing token drawn while the key's row is held, and connection token, spawn action, history and change log written with it.
    /// </summary>
    Task<AcquireResult> AcquireAsync(AcquireRequest request, CancellationToken cancellationToken);

    /// <summary>
    /// Gives a free or expired key to a warm backend of the command's service and version: with the checks of <see cref="AcquireAsync"/>, the backend's key and fencing token are changed, and connection token
    /// and claim action written, in one transaction. The lease's expiry stays. The request's own id is not stored: a repeat finds the key held.
    /// </summary>
    Task<AcquireResult> ClaimAsync(ClaimRequest request, CancellationToken cancellationToken);

    /// <summary>
    /// Prolongs leases that are held, allowed to be renewed and not expired; rows in id order, an expiry never moves back. The results are in the order of
    /// the holders. A backend that was claimed may be named by the token of its start as well.
    /// </summary>
    Task<IReadOnlyList<RenewalOutcome>> RenewAsync(IReadOnlyList<BackendIdentity> holders, CancellationToken cancellationToken);

    /// <summary>Forbids the renewal of a backend's key.</summary>
    Task<ChangeOutcome> PreventRenewalAsync(BackendName backend, CancellationToken cancellationToken);

    // ---- drones ----

    /// <summary>
    /// Registers a drone: refuses another instance of a name with a fresh heartbeat and a foreign installation, else gives a new session number. Actions are
    /// counted on from the drone's last one where that is ahead of the store's.
    /// </summary>
    Task<RegistrationReply> RegisterDroneAsync(DroneRegistration registration, ControllerName controller, CancellationToken cancellationToken);

    /// <summary>Records a sign of life with its (instance id, boot id, reading).</summary>
    Task<SessionState> HeartbeatDroneAsync(DroneHeartbeat heartbeat, ControllerName controller, CancellationToken cancellationToken);

    /// <summary>Whether a session still stands.</summary>
    Task<SessionState> ReadSessionAsync(DroneSession session, CancellationToken cancellationToken);

    /// <summary>Unacknowledged actions after a number, in order; at most so many, and fewer where their orders are large, but never none while there is one.</summary>
    Task<ActionPage> ReadActionsAsync(DroneSession session, long after, int limit, CancellationToken cancellationToken);

    /// <summary>Acknowledges all actions up to a number. They are deleted with it: an order may hold a registry's password.</summary>
    Task<SessionState> AcknowledgeActionsAsync(DroneSession session, long upTo, CancellationToken cancellationToken);

    /// <summary>Sets or ends the draining of a drone; with <paramref name="terminate"/> also queues the soft end of what runs there, in the same transaction.</summary>
    Task<ChangeOutcome> SetDrainingAsync(ClusterName cluster, DroneName drone, bool draining, bool terminate, CancellationToken cancellationToken);

    /// <summary>The address of a drone's <see cref="IDroneInspector"/>, as its last heartbeats had it; null where it has none or there is no such drone.</summary>
    Task<string?> FindInspectorAsync(ClusterName cluster, DroneName drone, CancellationToken cancellationToken);

    /// <summary>Drones that may take a new backend now, with their load. A hint: <see cref="AcquireAsync"/> checks again.</summary>
    Task<IReadOnlyList<DroneCandidate>> ListCandidatesAsync(ClusterName cluster, CancellationToken cancellationToken);

    /// <summary>The clusters that drones, proxies or live backends are of, in their order.</summary>
    Task<IReadOnlyList<ClusterName>> ListClustersAsync(CancellationToken cancellationToken);

    /// <summary>The cluster's drones, and its proxies that were heard of lately.</summary>
    Task<ClusterState> ReadClusterAsync(ClusterName cluster, CancellationToken cancellationToken);

    // ---- backends ----

    /// <summary>
    /// Applies state events of one drone: identity compared, forward only, one row per backend, rows in id order. A <c>terminated</c> with the token releases
    /// the key in the same transaction. Every event gets its history row.
    /// </summary>
    /// <param name="session">The reporting drone's session, or null for an event that is applied without one.</param>
    /// <param name="events">The events, in order per backend. Their numbers may repeat: they are copied into the acknowledgements, no more.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    /// <returns>One acknowledgement for each event, in the order of the events.</returns>
    Task<StateReply> ApplyStatesAsync(DroneSession? session, IReadOnlyList<StateEvent> events, CancellationToken cancellationToken);

    /// <summary>Queues a backend's end for its drone. Unchanged where the same or a harder end is queued, or it has ended.</summary>
    Task<ChangeOutcome> TerminateAsync(
        BackendName backend, ClusterName? cluster, TerminationKind kind, TerminationReason reason, CancellationToken cancellationToken);

    /// <summary>All backends that are in a pool: not ended and not claimed.</summary>
    Task<IReadOnlyList<WarmBackend>> ListWarmAsync(CancellationToken cancellationToken);

    /// <summary>How long no warm backend of a service's version is to be started, because the last starts failed; zero where that time is over, null where the last one did not fail.</summary>
    Task<TimeSpan?> ReadWarmDelayAsync(ServiceName service, long version, CancellationToken cancellationToken);

    /// <summary>Queues the soft end of backends that are still in a pool; those that were claimed meanwhile are left alone. The result is how many ends were queued.</summary>
    Task<int> EndWarmAsync(IReadOnlyList<BackendIdentity> backends, CancellationToken cancellationToken);

    /// <summary>Everything known of a backend, with its history, or null.</summary>
    Task<BackendDetails?> ReadBackendAsync(BackendName backend, CancellationToken cancellationToken);

    /// <summary>The histories of backends, in their order; null where there is no such backend. One may be named more than once.</summary>
    Task<IReadOnlyList<BackendHistory?>> ReadHistoriesAsync(IReadOnlyList<BackendName> backends, CancellationToken cancellationToken);

    /// <summary>A page of backends, newest first.</summary>
    /// <exception cref="FormatException">The cursor is none of ours.</exception>
    Task<BackendPage> ListBackendsAsync(BackendQuery query, CancellationToken cancellationToken);

    // ---- tokens and proxies ----

    /// <summary>
    /// Withdraws connection tokens for good and logs each; NotFound where there is no such backend. A static token is withdrawn from its backend too: the next
    /// connect is given a fresh one, which the running backend does not know from its environment.
    /// </summary>
    Task<ChangeOutcome> RevokeAsync(BackendName backend, RevokeScope scope, CancellationToken cancellationToken);

    /// <summary>Where a token leads, with the position in the change log that the answer was read at.</summary>
    Task<RouteReply> ResolveAsync(string tokenHash, CancellationToken cancellationToken);

    /// <summary>Records a proxy's report: its sign of life and when the backends were last used, in one transaction.</summary>
    Task ReportProxyAsync(ProxyReport report, ControllerName controller, CancellationToken cancellationToken);

    // ---- sweeps: each guarded so that one silo does it at a time; the result is the number of rows it concerned ----

    /// <summary>Makes each backend whose key has expired <c>terminated</c>/<c>lost</c> and drops the unacknowledged actions of ended backends.</summary>
    Task<int> SweepLostAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Queues the end of ready backends that had no connection for their <c>max_idle_seconds</c>, as far as the live proxies have reported. After a gap in which
    /// no controller served, each proxy that was live before it counts until it had the time to report again.
    /// </summary>
    Task<int> SweepIdleAsync(CancellationToken cancellationToken);

    /// <summary>Queues the end of backends over their lifetime.</summary>
    Task<int> SweepLifetimeAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Deletes, in batches, what is older than its age: ended backends, log rows, expired TXT values, kept answers, failed starts, silent proxies, drones that run nothing;
    /// also the tokens of all that ended.
    /// </summary>
    Task<int> CleanUpAsync(TimeSpan endedBackends, TimeSpan logRows, CancellationToken cancellationToken);

    // ---- the change log ----

    /// <summary>The position up to which every change is visible now.</summary>
    Task<LogPosition> ReadLogEndAsync(CancellationToken cancellationToken);

    /// <summary>Rows after a position, in order, that no running transaction can still come before.</summary>
    Task<ChangePage> ReadLogAsync(LogPosition after, int limit, CancellationToken cancellationToken);

    /// <summary>
    /// What an operator sees of the log after a position, or, without one, the last rows of it; each with its time and, for a backend's state, what the history has of it. Bounded and ordered
    /// as <see cref="ReadLogAsync"/> is.
    /// </summary>
    Task<EventPage> ReadEventsAsync(ClusterName? cluster, LogPosition? after, int limit, CancellationToken cancellationToken);

    /// <summary>
    /// Completes when a commit of this or another silo may have written to the log, and at the latest after the time. Own commits wake at once; other silos'
    /// by one notification at most every 10 ms, sent after commits, never inside a transaction. A wake-up between two waits completes the second at once, so
    /// nothing is missed by a reader that reads between its waits; one such reader per store.
    /// </summary>
    Task WaitForLogAsync(TimeSpan atMost, CancellationToken cancellationToken);

    // ---- certificates ----

    /// <summary>The cluster's values that have not expired: the union, sorted.</summary>
    Task<string[]> ReadTxtAsync(ClusterName cluster, CancellationToken cancellationToken);

    /// <summary>Sets one owner's values in place of its earlier ones, or adds to them, for a time.</summary>
    /// <returns>Whether they stand; false where the owner would have more than <see cref="TxtValues.MaxValues"/>, and nothing changed.</returns>
    Task<bool> SetTxtAsync(ClusterName cluster, TxtValues values, TimeSpan lifetime, CancellationToken cancellationToken);

    /// <summary>The cluster's values that have not expired, by owner.</summary>
    Task<TxtEntry[]> ListTxtAsync(ClusterName cluster, CancellationToken cancellationToken);

    /// <summary>Acquires or renews the challenge lease; the result is who holds it after that.</summary>
    Task<ChallengeLease> HoldChallengeAsync(ClusterName cluster, ChallengeHold hold, CancellationToken cancellationToken);

    /// <summary>Ends the challenge lease of its holder.</summary>
    Task ReleaseChallengeAsync(ClusterName cluster, string owner, CancellationToken cancellationToken);

    /// <summary>Counts an order within its limit, in one step; one of the same id counts once.</summary>
    Task<OrderAllowance> BeginOrderAsync(ClusterName cluster, CertificateOrder order, CancellationToken cancellationToken);

    /// <summary>Takes an order's count back.</summary>
    Task DropOrderAsync(ClusterName cluster, string orderId, CancellationToken cancellationToken);
}
