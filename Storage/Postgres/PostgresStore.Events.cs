using Npgsql;

namespace Plane.Storage.Postgres;

// What an operator sees of the change log.
internal sealed partial class PostgresStore
{
    public async Task<EventPage> ReadEventsAsync(ClusterName? cluster, LogPosition? after, int limit, CancellationToken cancellationToken)
    {
        limit = Math.Max(limit, 1);
        var rows = await QueryAsync(
            $"""
            select s.base + s.xmin - 1, s.is_before or (g.transaction_id, g.sequence) > (s.transaction_id, $2), s.base + c.transaction_id, c.sequence, c.kind::text, c.cluster, c.backend_id, c.status::text,
                coalesce(c.drone, b.drone), c.created_at, b.key_namespace, b.key_name, b.key_tag, b.fencing_token, h.termination_reason::text, h.termination_kind::text,
                case when h.exit_error and h.termination_reason is not null and b.exit_code = 143 then false else h.exit_error end,
                coalesce(c.service, b.service)
            from {LogFrom} s
            cross join plane.changes_cleaned g
            left join lateral (
                select * from plane.changes
                where (transaction_id, sequence) > (s.transaction_id, $2) and transaction_id < s.xmin and (kind in ('backend_state', 'token_revoked', 'service') or kind = 'drone_action' and status is not null)
                    and ($4::text is null or cluster = $4 or kind = 'service')
                order by transaction_id {(after is null ? "desc" : "asc")}, sequence {(after is null ? "desc" : "asc")} limit $3
            ) c on true
            left join plane.backends b on b.id = c.backend_id and c.fencing_token in (b.fencing_token, b.start_token)
            left join plane.history h on h.backend_id = b.id and h.status = c.status and c.kind = 'backend_state'
            order by c.transaction_id, c.sequence
            """,
            r => (
                End: r.GetInt64(0),
                Gap: r.GetBoolean(1),
                Position: r.IsDBNull(2) ? (LogPosition?)null : new LogPosition(r.GetInt64(2), r.GetInt64(3)),
                Event: !r.IsDBNull(2) && _unreadable.TryRead(r, ReadEvent, out var read, key: 3) ? read : null),
            cancellationToken,
            Sql.Big(after?.Transaction),
            Sql.Big(after?.Sequence ?? 0),
            Sql.Int(limit),
            Sql.Text(cluster?.Value));
        var end = new LogPosition(rows[0].End, long.MaxValue);

        // A position beyond the end is one of another life of the database.
        return new EventPage
        {
            Events = [.. rows.Select(r => r.Event).OfType<ClusterEvent>()],
            Next = new ClusterEventId(after is not null && rows is [.., { Position: { } last }] && rows.Count == limit ? last : end),
            Gap = after is { } position && (rows[0].Gap || position > end),
        };
    }

    private static ClusterEvent ReadEvent(NpgsqlDataReader r)
    {
        var status = EnumText.ParseOrNull<BackendStatus>(TextOrNull(r, 7));
        var kind = StoreText.EventOf(EnumText.Parse<ChangeKind>(r.GetString(4)), status);
        return new ClusterEvent
        {
            Id = new ClusterEventId(new LogPosition(r.GetInt64(2), r.GetInt64(3))),
            Time = new DateTimeOffset(r.GetDateTime(9)),
            Kind = kind,
            Cluster = TextOrNull(r, 5) is { } cluster ? ClusterName.Parse(cluster) : null,
            BackendId = TextOrNull(r, 6) is { } backend ? BackendName.Parse(backend) : null,
            Drone = TextOrNull(r, 8) is { } drone ? DroneName.Parse(drone) : null,
            Key = r.IsDBNull(11)
                ? null
                : new KeyInfo { Namespace = r.GetString(10), Name = r.GetString(11), Tag = r.GetString(12), FencingToken = new FencingToken(r.GetInt64(13)) },
            Status = kind == ClusterEventKind.Backend ? status : null,
            TerminationReason = EnumText.ParseOrNull<TerminationReason>(TextOrNull(r, 14)),
            TerminationKind = EnumText.ParseOrNull<TerminationKind>(TextOrNull(r, 15)),
            ExitError = ValueOrNull<bool>(r, 16),
            Service = TextOrNull(r, 17) is { } service ? ServiceName.Parse(service) : null,
        };
    }
}
