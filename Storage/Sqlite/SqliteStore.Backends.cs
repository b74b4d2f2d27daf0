using Microsoft.Data.Sqlite;

namespace Plane.Storage.Sqlite;

// Backends: states, ends, what is known of them.
internal sealed partial class SqliteStore
{
    private static readonly BackendListStatement s_list = new(
        "select id, fencing_token, cluster, drone, key_namespace, key_name, key_tag, status, created_at, termination_reason, service from backends",
        "status <> 'terminated'",
        "",
        static created => created);

    /// <summary>By the index of those that ended: it reads those of the time alone, not all of the past.</summary>
    internal const string FailuresSql =
        $"""
        select id, key_namespace, key_name, key_tag, fencing_token, termination_reason, {StoreText.ExitFailed}
        from backends where status = 'terminated' and status_at > $1 and {StoreText.HasFailed}
        order by status_at desc, id desc limit $2
        """;

    public Task<StateReply> ApplyStatesAsync(DroneSession? session, IReadOnlyList<StateEvent> events, CancellationToken cancellationToken) =>
        _engine.WriteAsync(
            s =>
            {
                var state = session is null ? SessionState.Current : StateOf(s, session);
                return state != SessionState.Current
                    ? new StateReply { Session = state }
                    : new StateReply { Session = state, Acks = [.. events.Select(e => Apply(s, session, e))] };
            },
            cancellationToken);

    public Task<ChangeOutcome> TerminateAsync(
        BackendName backend, ClusterName? cluster, TerminationKind kind, TerminationReason reason, CancellationToken cancellationToken) => _engine.WriteAsync(
        s => s.Scalar("select 1 from backends where id = $1 and ($2 is null or cluster = $2)", backend.Value, cluster?.Value) is null
            ? ChangeOutcome.NotFound
            : QueueEnd(s, backend.Value, kind, reason) ? ChangeOutcome.Changed : ChangeOutcome.Unchanged,
        cancellationToken);

    public Task<BackendDetails?> ReadBackendAsync(BackendName backend, CancellationToken cancellationToken) => _engine.ReadAsync(
        s => Readable(
            s,
            """
            select b.id, b.fencing_token, b.cluster, b.drone, b.pool, b.key_namespace, b.key_name, b.key_tag, k.backend_id is not null, b.allow_renew,
                b.status, b.status_at, b.created_at, b.last_used_at, k.expires_at, b.lifetime_ends_at, b.max_idle_seconds, b.address, b.subdomain,
                b.uses_static_token, b.executor, b.image, b.exit_code, b.message, b.output_tail, b.service, b.service_version, b.start_token
            from backends b left join keys k on k.backend_id = b.id and k.fencing_token = b.fencing_token
            where b.id = $1
            """,
            ReadDetails,
            backend.Value).SingleOrDefault() is { } details
                ? details with { History = ReadEntries(s, backend.Value) }
                : null,
        cancellationToken);

    public Task<IReadOnlyList<BackendHistory?>> ReadHistoriesAsync(IReadOnlyList<BackendName> backends, CancellationToken cancellationToken) =>
        _engine.ReadAsync<IReadOnlyList<BackendHistory?>>(
            s =>
            {
                var histories = backends.Distinct().ToDictionary(
                    b => b,
                    b => Readable(s, "select cluster from backends where id = $1", static r => Tuple.Create(ClusterName.Parse(r.GetString(0))), b.Value) is [var (cluster)]
                        ? new BackendHistory(cluster, ReadEntries(s, b.Value))
                        : null);
                return [.. backends.Select(b => histories[b])];
            },
            cancellationToken);

    public async Task<BackendPage> ListBackendsAsync(BackendQuery query, CancellationToken cancellationToken)
    {
        var limit = Math.Clamp(query.Limit, 1, BackendQuery.MaxLimit);
        var (sql, values) = ListSql(query, limit);
        var rows = await _engine.ReadAsync(
            s => s.Query(
                sql,
                r => (Created: r.GetInt64(8), Id: r.GetString(0), Row: _unreadable.TryRead(r, ReadSummary, out var summary) ? summary : null),
                values),
            cancellationToken);
        return StoreText.Page(rows, limit);
    }

    public Task<IReadOnlyList<BackendFailure>> ListFailuresAsync(TimeSpan within, int limit, CancellationToken cancellationToken) =>
        _engine.ReadAsync<IReadOnlyList<BackendFailure>>(
            s => Readable(s, FailuresSql, ReadFailure, s.Record - (long)within.TotalMilliseconds, Math.Clamp(limit, 1, BackendQuery.MaxLimit)), cancellationToken);

    /// <summary>The statement of a page.</summary>
    internal static (string Sql, object[] Values) ListSql(BackendQuery query, int limit) => s_list.Of(query, limit);

    private static StateAck Apply(SqliteSession s, DroneSession? session, StateEvent e)
    {
        var id = e.Identity.Backend.Value;
        var known = s.Single(
            """
            select status, cluster, fencing_token, key_namespace glob '.plane/warm/*' from backends
            where id = $1 and $2 in (fencing_token, start_token) and ($3 is null or (cluster = $3 and drone = $4))
            """,
            static r => Tuple.Create(EnumText.Parse<BackendStatus>(r.GetString(0)), r.GetString(1), r.GetInt64(2), r.GetBoolean(3)),
            id,
            e.Identity.Token.Value,
            session?.Cluster.Value,
            session?.Drone.Value);
        if (known is not var (stored, cluster, token, isInPool))
        {
            return new StateAck { Sequence = e.Sequence, Applied = false, Refusal = StoreText.Refusal(false, default) };
        }

        NoteOutput(s, e, isInPool);

        // One in a pool is not ready, and one that was claimed is only under the token of its claim.
        var isEarly = e.Status == BackendStatus.Ready && (isInPool || e.Identity.Token.Value != token);
        if (isEarly || !BackendTransitions.IsAllowed(stored, e.Status, TransitionSource.Drone))
        {
            var before = s.Scalar("select 1 from history where backend_id = $1 and status = $2", id, e.Status.Name()) is not null;
            return new StateAck { Sequence = e.Sequence, Applied = before, Refusal = before ? null : StoreText.Refusal(true, stored) };
        }

        Store(s, e);
        s.Log(ChangeKind.BackendState, cluster, id, token, e.Status);
        if (e.Status == BackendStatus.Terminated)
        {
            s.Execute("delete from keys where backend_id = $1 and fencing_token = $2", id, token);
            s.Execute("delete from actions where backend_id = $1", id);
            NoteEnd(s, id);
            if (isInPool)
            {
                NoteWarm(s, id, failed: true);
            }
        }

        return new StateAck { Sequence = e.Sequence, Applied = true };
    }

    // What comes with a state or alone: the last lines, what it waits for, and that it is warm.
    private static void NoteOutput(SqliteSession s, StateEvent e, bool isInPool)
    {
        if (StoreText.NoteOf(e) is not var (message, tail, isWarm))
        {
            return;
        }

        var id = e.Identity.Backend.Value;
        var becomesWarm = isWarm && isInPool && s.Scalar("select 1 from backends where id = $1 and warm_at is null", id) is not null;
        s.Execute(
            """
            update backends
            set output_tail = coalesce($2, output_tail), message = case when $3 is null or status not in ('scheduled', 'loading', 'starting', 'waiting') then message else nullif($3, '') end,
                warm_at = coalesce(warm_at, $4)
            where id = $1
            """,
            id,
            tail,
            message,
            becomesWarm ? s.Lease : null);
        if (becomesWarm)
        {
            NoteWarm(s, id, failed: false);
        }
    }

    private static void Store(SqliteSession s, StateEvent e)
    {
        var id = e.Identity.Backend.Value;
        s.Execute(
            """
            update backends
            set status = $2, status_at = max(status_at, $3), address = coalesce($4, address), termination_reason = coalesce($5, termination_reason),
                exit_code = coalesce($6, exit_code), message = coalesce($7, message), ready_at = case when $2 = 'ready' then $8 else ready_at end,
                static_token = case when $2 = 'terminated' then null else static_token end
            where id = $1
            """,
            id,
            e.Status.Name(),
            s.Record,
            e.Address,
            e.TerminationReason?.Name(),
            e.ExitCode,
            e.Message,
            s.Lease);
        s.Execute(
            "insert into history (backend_id, status, at, termination_reason, termination_kind, exit_error) values ($1, $2, $3, $4, $5, $6)",
            id,
            e.Status.Name(),
            s.Record,
            e.TerminationReason?.Name(),
            e.TerminationKind?.Name(),
            e.ExitCode is { } code ? code != 0 : null);
    }

    // False where as hard an end is queued, or it has ended.
    private static bool QueueEnd(SqliteSession s, string id, TerminationKind kind, TerminationReason reason)
    {
        var queued = s.Query(
            "update backends set end_kind = $2 where id = $1 and status <> 'terminated' and (end_kind is null or end_kind = 'soft' and $2 = 'hard') returning cluster, drone, fencing_token",
            static r => (Cluster: r.GetString(0), Drone: r.GetString(1), Token: r.GetInt64(2)),
            id,
            kind.Name());
        foreach (var (cluster, drone, token) in queued)
        {
            s.Execute(
                """
                insert into actions (cluster, drone, number, backend_id, fencing_token, kind, end_kind, end_reason) values ($1, $2, $3, $4, $5, 'terminate', $6, $7)
                """,
                cluster,
                drone,
                NextAction(s, cluster, drone),
                id,
                token,
                kind.Name(),
                reason.Name());
        }

        return queued.Count > 0;
    }

    private StatusEntry[] ReadEntries(SqliteSession s, string id) =>
    [
        .. Readable(
            s,

            // An end by the default of the stop signal is what was asked for, and no error.
            """
            select h.status, h.at, h.termination_reason, h.termination_kind,
                case when h.exit_error and h.termination_reason is not null and b.exit_code = 143 then 0 else h.exit_error end
            from history h join backends b on b.id = h.backend_id where h.backend_id = $1
            """,
            static r => new StatusEntry
            {
                Status = EnumText.Parse<BackendStatus>(r.GetString(0)),
                Time = Time(r.GetInt64(1)),
                TerminationReason = EnumText.ParseOrNull<TerminationReason>(TextOrNull(r, 2)),
                TerminationKind = EnumText.ParseOrNull<TerminationKind>(TextOrNull(r, 3)),
                ExitError = NumberOrNull(r, 4) is { } error ? error != 0 : null,
            },
            id).OrderBy(e => e.Status),
    ];

    private static BackendSummary ReadSummary(SqliteDataReader r) => new()
    {
        BackendId = BackendName.Parse(r.GetString(0)),
        Cluster = ClusterName.Parse(r.GetString(2)),
        Drone = DroneName.Parse(r.GetString(3)),
        Key = new KeyInfo { Namespace = r.GetString(4), Name = r.GetString(5), Tag = r.GetString(6), FencingToken = new FencingToken(r.GetInt64(1)) },
        Status = EnumText.Parse<BackendStatus>(r.GetString(7)),
        CreatedAt = Time(r.GetInt64(8)),
        TerminationReason = EnumText.ParseOrNull<TerminationReason>(TextOrNull(r, 9)),
        Service = TextOrNull(r, 10) is { } service ? ServiceName.Parse(service) : null,
    };

    private BackendDetails ReadDetails(SqliteDataReader r)
    {
        DateTimeOffset? FromLease(int at) => NumberOrNull(r, at) is { } lease ? Time(lease + _engine.Clock.RecordOffset) : null;
        return new BackendDetails
        {
            BackendId = BackendName.Parse(r.GetString(0)),
            Cluster = ClusterName.Parse(r.GetString(2)),
            Drone = DroneName.Parse(r.GetString(3)),
            Pool = r.GetString(4),
            Key = new KeyInfo { Namespace = r.GetString(5), Name = r.GetString(6), Tag = r.GetString(7), FencingToken = new FencingToken(r.GetInt64(1)) },
            HoldsKey = r.GetBoolean(8),
            AllowRenew = r.GetBoolean(9),
            Status = EnumText.Parse<BackendStatus>(r.GetString(10)),
            StatusTime = Time(r.GetInt64(11)),
            CreatedAt = Time(r.GetInt64(12)),
            LastUsedAt = NumberOrNull(r, 13) is { } used ? Time(used) : null,
            LeaseExpiresAt = FromLease(14),
            LifetimeEndsAt = FromLease(15),
            MaxIdleSeconds = (int?)NumberOrNull(r, 16),
            Address = TextOrNull(r, 17),
            Subdomain = TextOrNull(r, 18),
            UsesStaticToken = r.GetBoolean(19),
            Executor = EnumText.Parse<ExecutorKind>(r.GetString(20)),
            Image = TextOrNull(r, 21),
            ExitCode = (int?)NumberOrNull(r, 22),
            Message = TextOrNull(r, 23),
            OutputTail = TextOrNull(r, 24),
            Service = TextOrNull(r, 25) is { } service ? ServiceName.Parse(service) : null,
            ServiceVersion = NumberOrNull(r, 26),
            StartToken = NumberOrNull(r, 27) is { } start ? new FencingToken(start) : null,
        };
    }
}
