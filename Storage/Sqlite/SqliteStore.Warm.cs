using System.Globalization;
using Microsoft.Data.Sqlite;

namespace Plane.Storage.Sqlite;

// Warm backends: the claim, and what a pool has.
internal sealed partial class SqliteStore
{
    public Task<AcquireResult> ClaimAsync(ClaimRequest request, CancellationToken cancellationToken)
    {
        var claim = StoreText.WriteClaim(request);
        return _engine.WriteAsync(s => Claim(s, request, claim), cancellationToken);
    }

    public Task<IReadOnlyList<WarmBackend>> ListWarmAsync(CancellationToken cancellationToken) => _engine.ReadAsync<IReadOnlyList<WarmBackend>>(
        s => Readable(
            s,
            """
            select b.id, b.fencing_token, b.service, b.service_version, b.cluster, b.drone, b.key_name, b.status = 'waiting' and b.warm_at is not null,
                b.status not in ('scheduled', 'loading', 'starting', 'waiting') or b.end_kind is not null or b.allow_renew = 0 or coalesce(d.draining, 1), $1 - b.created_at
            from backends b left join drones d on d.cluster = b.cluster and d.name = b.drone
            where b.key_namespace glob '.plane/warm/*' and b.status <> 'terminated' and b.service is not null
            """,
            ReadWarm,
            s.Record),
        cancellationToken);

    public Task<TimeSpan?> ReadWarmDelayAsync(ServiceName service, long version, CancellationToken cancellationToken) => _engine.ReadAsync<TimeSpan?>(
        s => s.Scalar(
            "select retry_at from service_failures where namespace = $1 and name = $2",
            PoolKey.Prefix + service.Value,
            version.ToString(CultureInfo.InvariantCulture)) is { } retry
                ? TimeSpan.FromMilliseconds(Math.Max(0, retry - s.Lease))
                : null,
        cancellationToken);

    public Task<int> EndWarmAsync(IReadOnlyList<BackendIdentity> backends, CancellationToken cancellationToken) => _engine.WriteAsync(
        s => backends.Count(b =>
            s.Scalar(
                "select 1 from backends where id = $1 and fencing_token = $2 and key_namespace glob '.plane/warm/*' and status <> 'terminated' and end_kind is null",
                b.Backend.Value,
                b.Token.Value) is not null
            && QueueEnd(s, b.Backend.Value, TerminationKind.Soft, TerminationReason.Swept)),
        cancellationToken);

    /// <summary>A backend that can be claimed.</summary>
    private sealed record Claimable(string Id, long StartToken, string Drone, bool UsesStaticToken, BackendStatus Status);

    // By the numbers of plane.claim on PostgreSQL.
    private AcquireResult Claim(SqliteSession s, ClaimRequest request, string claim)
    {
        var command = request.Command;
        var key = command.Key;
        if (ServiceRefusal(s, command) is { } refusal)
        {
            return refusal;
        }

        // 1.
        if (HeldBy(s, key) is { } held)
        {
            return held;
        }

        if (s.ScalarText("select backend_id from keys where namespace = $1 and name = $2", key.Namespace, key.Name) is { } expired)
        {
            MarkLost(s, expired);
        }

        // 2.
        if (FindClaimable(s, request) is not { } warm)
        {
            return new AcquireResult(AcquireOutcome.NoneWarm, null);
        }

        // 3.
        var token = NextFencingToken(s);
        GiveKey(s, command, warm, token);

        // 4.
        if (!warm.UsesStaticToken)
        {
            StoreToken(s, command.Token.Hash(), warm.Id, command.User, command.Auth?.Text, command.SecretToken);
        }

        s.Log(ChangeKind.BackendState, request.Cluster.Value, warm.Id, token, warm.Status);
        s.Execute(
            "insert into actions (cluster, drone, number, backend_id, fencing_token, kind, claim, start_token) values ($1, $2, $3, $4, $5, 'claim', $6, $7)",
            request.Cluster.Value,
            warm.Drone,
            NextAction(s, request.Cluster.Value, warm.Drone),
            warm.Id,
            token,
            claim,
            warm.StartToken);
        return new AcquireResult(AcquireOutcome.Acquired, Holder(s, warm.Id));
    }

    private Claimable? FindClaimable(SqliteSession s, ClaimRequest request) => s.Single(
        """
        select b.id, b.fencing_token, b.drone, b.uses_static_token, b.status
        from backends b
        join keys k on k.backend_id = b.id and k.fencing_token = b.fencing_token
        join drones d on d.cluster = b.cluster and d.name = b.drone
        where b.key_namespace = $1 and b.key_namespace glob '.plane/warm/*' and b.cluster = $2 and b.service_version = $3 and b.status <> 'terminated' and b.status = 'waiting'
            and b.warm_at is not null and b.address is not null and b.end_kind is null and b.allow_renew = 1 and k.allow_renew = 1 and k.expires_at > $4
            and d.ready = 1 and d.draining = 0 and d.heartbeat_at > $5 and d.claims_session = d.session
        order by random() limit 1
        """,
        static r => new Claimable(r.GetString(0), r.GetInt64(1), r.GetString(2), r.GetBoolean(3), EnumText.Parse<BackendStatus>(r.GetString(4))),
        PoolKey.Prefix + request.Command.Service!.Value.Value,
        request.Cluster.Value,
        request.Command.ServiceVersion,
        s.Lease + (long)StoreText.LeftToClaim(_numbers).TotalMilliseconds,
        s.Lease - _fresh);

    // The place in the pool becomes the key, under a token of its own; what the drone still says under the token of its start counts.
    private static void GiveKey(SqliteSession s, ResolvedConnect command, Claimable warm, long token)
    {
        var key = command.Key;
        s.Execute(
            "update keys set namespace = $2, name = $3, tag = $4, start_token = fencing_token, fencing_token = $5 where backend_id = $1",
            warm.Id,
            key.Namespace,
            key.Name,
            key.Tag,
            token);
        s.Execute(
            """
            update backends
            set key_namespace = $2, key_name = $3, key_tag = $4, start_token = fencing_token, fencing_token = $5, claimed_at = $6, acquired_by = $7,
                lifetime_ends_at = $8
            where id = $1
            """,
            warm.Id,
            key.Namespace,
            key.Name,
            key.Tag,
            token,
            s.Lease,
            command.Token.Hash(),
            LifetimeEnd(s, command.Spawn));
    }

    // Starts of warm backends that fail one after another wait, as those of a key do: one row for a service's version. One that becomes warm ends the row.
    private static void NoteWarm(SqliteSession s, string id, bool failed)
    {
        var found = s.Single(
            """
            select key_namespace, service_version, service, (termination_reason is null or termination_reason in ('startup_timeout', 'internal_error'))
            from backends where id = $1 and service is not null
            """,
            static r => Tuple.Create(r.GetString(0), r.GetInt64(1).ToString(CultureInfo.InvariantCulture), r.GetString(2), r.GetBoolean(3)),
            id);
        if (found is not var (pool, version, service, isOwnFault) || (failed && !isOwnFault))
        {
            return;
        }

        if (failed)
        {
            NoteFailure(s, pool, version, service, id);
        }
        else
        {
            s.Execute("delete from service_failures where namespace = $1 and name = $2", pool, version);
        }
    }

    private static WarmBackend ReadWarm(SqliteDataReader r) => new(
        ReadIdentity(r, 0),
        ServiceName.Parse(r.GetString(2)),
        r.GetInt64(3),
        ClusterName.Parse(r.GetString(4)),
        DroneName.Parse(r.GetString(5)),
        PoolKey.PlaceOf(r.GetString(6)),
        r.GetBoolean(7),
        r.GetBoolean(8),
        TimeSpan.FromMilliseconds(Math.Max(0, r.GetInt64(9))));
}
