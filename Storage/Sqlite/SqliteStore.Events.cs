using Microsoft.Data.Sqlite;

namespace Plane.Storage.Sqlite;

// What an operator sees of the change log.
internal sealed partial class SqliteStore
{
    public Task<EventPage> ReadEventsAsync(ClusterName? cluster, LogPosition? after, int limit, CancellationToken cancellationToken) => _engine.ReadAsync(
        s =>
        {
            limit = Math.Max(limit, 1);
            var rows = s.Query(
                $"""
                select c.sequence, c.kind, c.cluster, c.backend_id, c.status, coalesce(c.drone, b.drone), c.created_at, b.key_namespace, b.key_name, b.key_tag,
                    b.fencing_token, h.termination_reason, h.termination_kind,
                    case when h.exit_error and h.termination_reason is not null and b.exit_code = 143 then 0 else h.exit_error end,
                    coalesce(c.service, b.service)
                from (
                    select * from changes
                    where sequence > $1 and (kind in ('backend_state', 'token_revoked', 'service') or kind = 'drone_action' and status is not null) and ($3 is null or cluster = $3 or kind = 'service')
                    order by sequence {(after is null ? "desc" : "asc")} limit $2
                ) c
                left join backends b on b.id = c.backend_id and c.fencing_token in (b.fencing_token, b.start_token)
                left join history h on h.backend_id = b.id and h.status = c.status and c.kind = 'backend_state'
                order by c.sequence
                """,
                r => (Position: new LogPosition(r.GetInt64(0), 0), Event: _unreadable.TryRead(r, ReadEvent, out var read) ? read : null),
                after?.Transaction ?? 0,
                limit,
                cluster?.Value);
            var end = LogEnd(s);
            return new EventPage
            {
                Events = [.. rows.Select(r => r.Event).OfType<ClusterEvent>()],
                Next = new ClusterEventId(after is not null && rows.Count == limit ? rows[^1].Position : end),
                Gap = after is { } position && (position > end || s.Scalar("select sequence from changes_cleaned") > position.Transaction),
            };
        },
        cancellationToken);

    private static ClusterEvent ReadEvent(SqliteDataReader r)
    {
        var status = EnumText.ParseOrNull<BackendStatus>(TextOrNull(r, 4));
        var kind = StoreText.EventOf(EnumText.Parse<ChangeKind>(r.GetString(1)), status);
        return new ClusterEvent
        {
            Id = new ClusterEventId(new LogPosition(r.GetInt64(0), 0)),
            Time = Time(r.GetInt64(6)),
            Kind = kind,
            Cluster = TextOrNull(r, 2) is { } cluster ? ClusterName.Parse(cluster) : null,
            BackendId = TextOrNull(r, 3) is { } backend ? BackendName.Parse(backend) : null,
            Drone = TextOrNull(r, 5) is { } drone ? DroneName.Parse(drone) : null,
            Key = r.IsDBNull(8)
                ? null
                : new KeyInfo { Namespace = r.GetString(7), Name = r.GetString(8), Tag = r.GetString(9), FencingToken = new FencingToken(r.GetInt64(10)) },
            Status = kind == ClusterEventKind.Backend ? status : null,
            TerminationReason = EnumText.ParseOrNull<TerminationReason>(TextOrNull(r, 11)),
            TerminationKind = EnumText.ParseOrNull<TerminationKind>(TextOrNull(r, 12)),
            ExitError = NumberOrNull(r, 13) is { } error ? error != 0 : null,
            Service = TextOrNull(r, 14) is { } service ? ServiceName.Parse(service) : null,
        };
    }
}
