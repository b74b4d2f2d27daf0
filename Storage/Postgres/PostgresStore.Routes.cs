using Npgsql;

namespace Plane.Storage.Postgres;

// Tokens, proxies, the change log.
internal sealed partial class PostgresStore
{
    // What is added to a transaction's id in a position. After a failover that lost commits, ids are given again, to other transactions; positions are not: the base is the second until
    // which keys were held off (plane.meet_server), shifted by more than the ids that a failover can lose. 0 where there was none.
    private const string LogBase =
        "(select case when v.hold_until = '-infinity' then 0 else extract(epoch from v.hold_until)::bigint << 31 end from plane.server v where v.single)";

    private const string LogEnd = $"{LogBase} + pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1";

    // Where the log is read from: behind the position ($1, $2), whose transaction is null before every row. One of before the last failover is behind everything: what was lost since is not known.
    private const string LogFrom =
        $"""
        (
            select l.base, l.xmin, coalesce($1 < l.base, false) as is_before,
                case when $1 is null then 0 when $1 < l.base then l.xmin else $1 - l.base end as transaction_id
            from (select {LogBase} as base, pg_snapshot_xmin(pg_current_snapshot())::text::bigint as xmin offset 0) l
        )
        """;

    public async Task<ChangeOutcome> RevokeAsync(BackendName backend, RevokeScope scope, CancellationToken cancellationToken)
    {
        var rows = await QueryAsync(
            """
            with b as (
                select id, cluster, fencing_token from plane.backends where id = $1
            ), t as (
                update plane.tokens t set revoked = true, user_name = null, auth = null, secret = null
                from b
                where t.backend_id = b.id and not t.revoked and ($2 is null or t.user_name = $2) and ($3 is null or t.hash = $3)
                returning t.hash
            ), s as (
                update plane.backends set static_token = null where id = $1 and static_token_hash in (select hash from t)
            ), c as (
                insert into plane.changes (kind, cluster, backend_id, fencing_token, token_hash)
                select 'token_revoked', b.cluster, b.id, b.fencing_token, t.hash from t, b
            )
            select exists (select 1 from b), (select count(*) from t)
            """,
            static r => (Exists: r.GetBoolean(0), Revoked: r.GetInt64(1)),
            cancellationToken,
            Sql.Text(backend.Value),
            Sql.Text(scope.User),
            Sql.Text(scope.Token?.Hash()));
        var (exists, revoked) = rows[0];
        if (revoked > 0)
        {
            _feed.Committed();
        }

        return !exists ? ChangeOutcome.NotFound : revoked > 0 ? ChangeOutcome.Changed : ChangeOutcome.Unchanged;
    }

    public async Task<RouteReply> ResolveAsync(string tokenHash, CancellationToken cancellationToken)
    {
        var rows = await QueryAsync(
            $"""
            select {LogEnd}, b.id, b.fencing_token, b.cluster, b.address, b.subdomain, b.status::text,
                t.user_name, t.auth, t.secret, b.ready_at is not null, b.termination_reason::text, b.web
            from (select 1) one
            left join plane.tokens t on t.hash = $1 and not t.revoked
            left join plane.backends b on b.id = t.backend_id
            """,
            r => (
                ReadAt: new LogPosition(r.GetInt64(0), long.MaxValue),
                Found: !r.IsDBNull(1) && _unreadable.TryRead(r, ReadRoute, out var found, key: 1) ? found : null),
            cancellationToken,
            Sql.Text(tokenHash));
        var (readAt, found) = rows[0];
        return found switch
        {
            { WasReady: true, Route: { } route } when found.Status.IsRoutable() => new RouteReply { Outcome = RouteOutcome.Found, Route = route, ReadAt = readAt },
            { Status: < BackendStatus.Ready } => new RouteReply { Outcome = RouteOutcome.Starting, ReadAt = readAt, Backend = found.Backend },
            { WasReady: false } => new RouteReply { Outcome = RouteOutcome.Gone, ReadAt = readAt, NeverReady = true, Reason = found.Reason },
            _ => new RouteReply { Outcome = RouteOutcome.Gone, ReadAt = readAt },
        };
    }

    private static FoundRoute ReadRoute(NpgsqlDataReader r)
    {
        var status = EnumText.Parse<BackendStatus>(r.GetString(6));
        var backend = ReadIdentity(r, 1);
        return new FoundRoute(status, backend, r.GetBoolean(10), EnumText.ParseOrNull<TerminationReason>(TextOrNull(r, 11)), r.IsDBNull(4) ? null : new Route
        {
            Backend = backend,
            Cluster = ClusterName.Parse(r.GetString(3)),
            Address = r.GetString(4),
            Subdomain = TextOrNull(r, 5),
            Status = status,
            User = TextOrNull(r, 7),
            Auth = StoreText.ReadJson(TextOrNull(r, 8)),
            SecretToken = TextOrNull(r, 9),
            Web = StoreText.ReadWeb(TextOrNull(r, 12)),
        });
    }

    public Task ReportProxyAsync(ProxyReport report, ControllerName controller, CancellationToken cancellationToken) => ExecuteAsync(
        """
        with p as (
            insert into plane.proxies (cluster, name, version, hash, controller, report_at)
            select $1, $2, $3, $4, $5, now() where not $6
            on conflict (cluster, name) do update
                set version = excluded.version, hash = excluded.hash, controller = excluded.controller,
                    report_at = greatest(plane.proxies.report_at, excluded.report_at)
        ), l as (
            select b.id from plane.backends b join unnest($7, $8) as i (id, token) on b.id = i.id and b.fencing_token = i.token
            where b.status < 'terminated' order by b.id for update of b
        )
        update plane.backends b set last_used_at = greatest(b.last_used_at, now()) from l where b.id = l.id
        """,
        cancellationToken,
        Sql.Text(report.Cluster.Value),
        Sql.Text(report.Proxy.Value),
        Sql.Text(report.Version),
        Sql.Text(report.Hash),
        Sql.Text(controller.Value),
        Sql.Bool(report.Continues),
        Sql.Texts([.. report.InUse.Select(i => i.Backend.Value)]),
        Sql.Bigs([.. report.InUse.Select(i => i.Token.Value)]));

    public async Task<LogPosition> ReadLogEndAsync(CancellationToken cancellationToken) => new(
        await ScalarAsync<long>($"select {LogEnd}", cancellationToken), long.MaxValue);

    public async Task<ChangePage> ReadLogAsync(LogPosition after, int limit, CancellationToken cancellationToken)
    {
        limit = Math.Max(limit, 1);
        var rows = await QueryAsync(
            $"""
            select s.base + s.xmin - 1, s.is_before or (g.transaction_id, g.sequence) > (s.transaction_id, $2), exists (select 1 from plane.changes where transaction_id >= s.xmin),
                s.base + c.transaction_id, c.sequence, c.kind::text, c.cluster, c.backend_id, c.fencing_token, c.status::text, c.token_hash, c.drone, c.service
            from {LogFrom} s
            cross join plane.changes_cleaned g
            left join lateral (
                select * from plane.changes where (transaction_id, sequence) > (s.transaction_id, $2) and transaction_id < s.xmin
                order by transaction_id, sequence limit $3
            ) c on true
            order by c.transaction_id, c.sequence
            """,
            r => (
                End: r.GetInt64(0),
                Gap: r.GetBoolean(1),
                HeldBack: r.GetBoolean(2),
                Position: r.IsDBNull(3) ? (LogPosition?)null : new LogPosition(r.GetInt64(3), r.GetInt64(4)),
                Change: !r.IsDBNull(3) && _unreadable.TryRead(r, ReadChange, out var change, key: 4) ? change : null),
            cancellationToken,
            Sql.Big(after.Transaction),
            Sql.Big(after.Sequence),
            Sql.Int(limit));
        Change[] changes = [.. rows.Select(r => r.Change).OfType<Change>()];
        var end = new LogPosition(rows[0].End, long.MaxValue);
        _feed.Read(rows[0].HeldBack, rows[0].End);

        // A position beyond the end is one of another life of the database: restored, or failed over with losses.
        return new ChangePage
        {
            Changes = changes,
            Next = rows is [.., { Position: { } last }] && rows.Count == limit ? last : end,
            Gap = rows[0].Gap || after > end,
        };
    }

    private static Change ReadChange(NpgsqlDataReader r) => new()
    {
        Position = new LogPosition(r.GetInt64(3), r.GetInt64(4)),
        Kind = EnumText.Parse<ChangeKind>(r.GetString(5)),
        Cluster = TextOrNull(r, 6) is { } cluster ? ClusterName.Parse(cluster) : default,
        Backend = r.IsDBNull(7) ? null : ReadIdentity(r, 7),
        Status = EnumText.ParseOrNull<BackendStatus>(TextOrNull(r, 9)),
        TokenHash = TextOrNull(r, 10),
        Drone = TextOrNull(r, 11) is { } drone ? DroneName.Parse(drone) : null,
        Service = TextOrNull(r, 12) is { } service ? ServiceName.Parse(service) : null,
    };

    public Task WaitForLogAsync(TimeSpan atMost, CancellationToken cancellationToken) => _feed.Signal.WaitAsync(atMost, cancellationToken);
}
