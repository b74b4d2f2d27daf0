using Microsoft.Data.Sqlite;

namespace Plane.Storage.Sqlite;

// Tokens, proxies, the change log.
internal sealed partial class SqliteStore
{
    public Task<ChangeOutcome> RevokeAsync(BackendName backend, RevokeScope scope, CancellationToken cancellationToken) => _engine.WriteAsync(
        s =>
        {
            var found = s.Single(
                "select cluster, fencing_token from backends where id = $1", static r => Tuple.Create(r.GetString(0), r.GetInt64(1)), backend.Value);
            if (found is not var (cluster, fencingToken))
            {
                return ChangeOutcome.NotFound;
            }

            var hashes = s.Query(
                """
                update tokens set revoked = 1, user_name = null, auth = null, secret = null
                where backend_id = $1 and revoked = 0 and ($2 is null or user_name = $2) and ($3 is null or hash = $3) returning hash
                """,
                static r => r.GetString(0),
                backend.Value,
                scope.User,
                scope.Token?.Hash());
            foreach (var hash in hashes)
            {
                s.Execute("update backends set static_token = null where id = $1 and static_token_hash = $2", backend.Value, hash);
                s.Log(ChangeKind.TokenRevoked, cluster, backend.Value, fencingToken, tokenHash: hash);
            }

            return hashes.Count > 0 ? ChangeOutcome.Changed : ChangeOutcome.Unchanged;
        },
        cancellationToken);

    public Task<RouteReply> ResolveAsync(string tokenHash, CancellationToken cancellationToken) => _engine.ReadAsync(
        s =>
        {
            var found = Readable(
                s,
                """
                select b.id, b.fencing_token, b.cluster, b.address, b.subdomain, b.status, t.user_name, t.auth, t.secret,
                    exists (select 1 from history h where h.backend_id = b.id and h.status = 'ready'), b.termination_reason, b.web
                from tokens t join backends b on b.id = t.backend_id where t.hash = $1 and t.revoked = 0
                """,
                static r => new FoundRoute(
                    EnumText.Parse<BackendStatus>(r.GetString(5)),
                    ReadIdentity(r, 0),
                    r.GetBoolean(9),
                    EnumText.ParseOrNull<TerminationReason>(TextOrNull(r, 10)),
                    r.IsDBNull(3) ? null : new Route
                    {
                        Backend = ReadIdentity(r, 0),
                        Cluster = ClusterName.Parse(r.GetString(2)),
                        Address = r.GetString(3),
                        Subdomain = TextOrNull(r, 4),
                        Status = EnumText.Parse<BackendStatus>(r.GetString(5)),
                        User = TextOrNull(r, 6),
                        Auth = StoreText.ReadJson(TextOrNull(r, 7)),
                        SecretToken = TextOrNull(r, 8),
                        Web = StoreText.ReadWeb(TextOrNull(r, 11)),
                    }),
                tokenHash).SingleOrDefault();
            var readAt = LogEnd(s);
            return found switch
            {
                { WasReady: true, Route: { } route } when found.Status.IsRoutable() => new RouteReply { Outcome = RouteOutcome.Found, Route = route, ReadAt = readAt },
                { Status: < BackendStatus.Ready } => new RouteReply { Outcome = RouteOutcome.Starting, ReadAt = readAt, Backend = found.Backend },
                { WasReady: false } => new RouteReply { Outcome = RouteOutcome.Gone, ReadAt = readAt, NeverReady = true, Reason = found.Reason },
                _ => new RouteReply { Outcome = RouteOutcome.Gone, ReadAt = readAt },
            };
        },
        cancellationToken);

    public Task ReportProxyAsync(ProxyReport report, ControllerName controller, CancellationToken cancellationToken) => _engine.WriteAsync(
        s =>
        {
            if (!report.Continues)
            {
                s.Execute(
                    """
                    insert into proxies (cluster, name, version, hash, controller, report_at) values ($1, $2, $3, $4, $5, $6)
                    on conflict (cluster, name) do update
                        set version = excluded.version, hash = excluded.hash, controller = excluded.controller, report_at = excluded.report_at
                    """,
                    report.Cluster.Value,
                    report.Proxy.Value,
                    report.Version,
                    report.Hash,
                    controller.Value,
                    s.Lease);
            }

            foreach (var used in report.InUse)
            {
                s.Execute(
                    "update backends set last_used_lease = $3, last_used_at = $4 where id = $1 and fencing_token = $2 and status <> 'terminated'",
                    used.Backend.Value,
                    used.Token.Value,
                    s.Lease,
                    s.Record);
            }

            return true;
        },
        cancellationToken);

    public Task<LogPosition> ReadLogEndAsync(CancellationToken cancellationToken) => _engine.ReadAsync(LogEnd, cancellationToken);

    // One writer: the order of the rows is the order of the commits, so a row's number is the whole position.
    public Task<ChangePage> ReadLogAsync(LogPosition after, int limit, CancellationToken cancellationToken) => _engine.ReadAsync(
        s =>
        {
            limit = Math.Max(limit, 1);
            var changes = s.Query(
                """
                select sequence, kind, cluster, backend_id, fencing_token, status, token_hash, drone, service from changes where sequence > $1 order by sequence limit $2
                """,
                r => (Position: new LogPosition(r.GetInt64(0), 0), Change: _unreadable.TryRead(r, ReadChange, out var change) ? change : null),
                after.Transaction,
                limit);
            var end = LogEnd(s);
            return new ChangePage
            {
                Changes = [.. changes.Select(c => c.Change).OfType<Change>()],
                Next = changes.Count == limit ? changes[^1].Position : end,
                Gap = after > end || s.Scalar("select sequence from changes_cleaned") > after.Transaction,
            };
        },
        cancellationToken);

    public Task WaitForLogAsync(TimeSpan atMost, CancellationToken cancellationToken) => _signal.WaitAsync(atMost, cancellationToken);

    private static Change ReadChange(SqliteDataReader r) => new()
    {
        Position = new LogPosition(r.GetInt64(0), 0),
        Kind = EnumText.Parse<ChangeKind>(r.GetString(1)),
        Cluster = TextOrNull(r, 2) is { } cluster ? ClusterName.Parse(cluster) : default,
        Backend = r.IsDBNull(3) ? null : ReadIdentity(r, 3),
        Status = EnumText.ParseOrNull<BackendStatus>(TextOrNull(r, 5)),
        TokenHash = TextOrNull(r, 6),
        Drone = TextOrNull(r, 7) is { } drone ? DroneName.Parse(drone) : null,
        Service = TextOrNull(r, 8) is { } service ? ServiceName.Parse(service) : null,
    };

    private static LogPosition LogEnd(SqliteSession s) => new(s.Scalar("select seq from sqlite_sequence where name = 'changes'") ?? 0, 0);
}
