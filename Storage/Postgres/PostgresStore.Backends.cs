using Npgsql;

namespace Plane.Storage.Postgres;

// Backends: states, ends, what is known of them.
internal sealed partial class PostgresStore
{
    private static readonly BackendListStatement s_list = new(
        """
        select id, fencing_token, cluster, drone, key_namespace, key_name, key_tag, status::text, created_at, termination_reason::text,
            (extract(epoch from created_at) * 1000000)::bigint, service
        from plane.backends
        """,
        "status < 'terminated'",
        "::plane.backend_status",
        static created => new NpgsqlParameter { NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.TimestampTz, Value = DateTime.UnixEpoch.AddTicks(created * 10) });

    public async Task<StateReply> ApplyStatesAsync(DroneSession? session, IReadOnlyList<StateEvent> events, CancellationToken cancellationToken)
    {
        if (events.Count == 0)
        {
            return new StateReply { Session = session is null ? SessionState.Current : await ReadSessionAsync(session, cancellationToken) };
        }

        await NoteAsync(session, events, cancellationToken);
        var rows = await QueryAsync(
            """
            select session::text, pos, known, stored::text, applied
            from plane.apply_states($1, $2, $3, $4, $5, $6::plane.backend_status[], $7, $8::plane.termination_reason[], $9::plane.termination_kind[], $10, $11)
            """,
            static r => EnumText.Parse<SessionState>(r.GetString(0)) is var state && state == SessionState.Current
                ? (Session: state, Position: r.GetInt64(1), Known: r.GetBoolean(2), Stored: EnumText.ParseOrNull<BackendStatus>(TextOrNull(r, 3)) ?? default, Applied: r.GetBoolean(4))
                : (state, 0, false, default, false),
            cancellationToken,
            Sql.Text(session?.Cluster.Value),
            Sql.Text(session?.Drone.Value),
            Sql.Big(session?.Number),
            Sql.Texts([.. events.Select(e => e.Identity.Backend.Value)]),
            Sql.Bigs([.. events.Select(e => e.Identity.Token.Value)]),
            Sql.Texts(EnumText.NamesOf(events.Select(e => (BackendStatus?)e.Status))),
            Sql.Texts([.. events.Select(e => e.Address)]),
            Sql.Texts(EnumText.NamesOf(events.Select(e => e.TerminationReason))),
            Sql.Texts(EnumText.NamesOf(events.Select(e => e.TerminationKind))),
            Sql.Ints([.. events.Select(e => e.ExitCode)]),
            Sql.Texts([.. events.Select(e => e.Message)]));
        if (rows is [{ Session: not SessionState.Current and var state }])
        {
            return new StateReply { Session = state };
        }

        _feed.Committed();
        var acks = new StateAck[events.Count];
        foreach (var (_, at, known, stored, applied) in rows)
        {
            acks[at - 1] = new StateAck
            {
                Sequence = events[(int)at - 1].Sequence,
                Applied = applied,
                Refusal = applied ? null : StoreText.Refusal(known, stored),
            };
        }

        return new StateReply { Session = SessionState.Current, Acks = acks };
    }

    /// <summary>
    /// What is to be read of backends beside their states. A statement of its own, because few have any; before the states, so that what is read after an end is there. Repeated with
    /// them where they fail, and refused like them where the session is not the current one.
    /// </summary>
    private async Task NoteAsync(DroneSession? session, IReadOnlyList<StateEvent> events, CancellationToken cancellationToken)
    {
        // A backend's later note counts.
        var notes = events.Select(e => (e.Identity, Note: StoreText.NoteOf(e))).Where(n => n.Note is not null)
            .GroupBy(n => n.Identity, n => n.Note!.Value)
            .Select(g => (
                g.Key,
                Message: g.LastOrDefault(n => n.Message is not null).Message,
                Tail: g.LastOrDefault(n => n.OutputTail is not null).OutputTail,
                IsWarm: g.Any(n => n.IsWarm)))
            .ToList();
        if (notes.Count == 0)
        {
            return;
        }

        await ExecuteAsync(
            """
            with e as (
                select * from unnest($3, $4, $5, $6, $7) as t (id, token, message, tail, warm)
            ), l as (
                select b.id from plane.backends b join e on e.id = b.id and e.token in (b.fencing_token, b.start_token)
                where $1 is null
                    or (b.cluster = $1 and b.drone = $2 and exists (select 1 from plane.drones d where d.cluster = $1 and d.name = $2 and d.session = $8))
                order by b.id for update of b
            )
            update plane.backends b
            set output_tail = coalesce(e.tail, b.output_tail), message = case when e.message is null or b.status > 'waiting' then b.message else nullif(e.message, '') end,
                warm_at = case when e.warm and b.key_namespace like '.plane/warm/%' then coalesce(b.warm_at, now()) else b.warm_at end
            from e join l on l.id = e.id where b.id = e.id and e.token in (b.fencing_token, b.start_token)
            """,
            cancellationToken,
            Sql.Text(session?.Cluster.Value),
            Sql.Text(session?.Drone.Value),
            Sql.Texts([.. notes.Select(n => n.Key.Backend.Value)]),
            Sql.Bigs([.. notes.Select(n => n.Key.Token.Value)]),
            Sql.Texts([.. notes.Select(n => n.Message)]),
            Sql.Texts([.. notes.Select(n => n.Tail)]),
            Sql.Bools([.. notes.Select(n => n.IsWarm)]),
            Sql.Big(session?.Number));
    }

    public async Task<ChangeOutcome> TerminateAsync(
        BackendName backend, ClusterName? cluster, TerminationKind kind, TerminationReason reason, CancellationToken cancellationToken)
    {
        var outcome = EnumText.Parse<ChangeOutcome>(await ScalarAsync<string>(
            "select plane.terminate($1, $2, $3::plane.termination_kind, $4::plane.termination_reason)::text",
            cancellationToken,
            Sql.Text(backend.Value),
            Sql.Text(cluster?.Value),
            Sql.Text(kind.Name()),
            Sql.Text(reason.Name())));
        if (outcome == ChangeOutcome.Changed)
        {
            _feed.Committed();
        }

        return outcome;
    }

    /// <summary>An end by the default of the stop signal is what was asked for, and no error.</summary>
    private const string ExitError = "case when h.exit_error and h.termination_reason is not null and b.exit_code = 143 then false else h.exit_error end";

    public async Task<BackendDetails?> ReadBackendAsync(BackendName backend, CancellationToken cancellationToken)
    {
        var rows = await QueryAsync(
            $"""
            select b.id, b.fencing_token, b.cluster, b.drone, b.pool, b.key_namespace, b.key_name, b.key_tag, k.backend_id is not null, b.allow_renew,
                b.status::text, b.status_at, b.created_at, b.last_used_at, k.expires_at, b.lifetime_ends_at, b.max_idle_seconds, b.address, b.subdomain,
                b.uses_static_token, b.executor::text, b.image, b.exit_code, b.message, b.output_tail, b.service, b.service_version, b.start_token,
                h.status::text, h.at, h.termination_reason::text, h.termination_kind::text, {ExitError}
            from plane.backends b
            left join plane.keys k on k.backend_id = b.id and k.fencing_token = b.fencing_token
            left join plane.history h on h.backend_id = b.id
            where b.id = $1 order by h.status
            """,
            static r => (Details: ReadDetails(r), Entry: r.IsDBNull(28) ? null : ReadEntry(r, 28)),
            cancellationToken,
            Sql.Text(backend.Value));
        return rows.Count == 0 ? null : rows[0].Details with { History = [.. rows.Select(r => r.Entry).OfType<StatusEntry>()] };
    }

    public async Task<IReadOnlyList<BackendHistory?>> ReadHistoriesAsync(IReadOnlyList<BackendName> backends, CancellationToken cancellationToken)
    {
        var rows = await QueryAsync(
            $"""
            select b.id, b.cluster, h.status::text, h.at, h.termination_reason::text, h.termination_kind::text, {ExitError}
            from plane.backends b left join plane.history h on h.backend_id = b.id
            where b.id = any($1) order by b.id, h.status
            """,
            static r => (Backend: r.GetString(0), Cluster: ClusterName.Parse(r.GetString(1)), Entry: r.IsDBNull(2) ? null : ReadEntry(r, 2)),
            cancellationToken,
            Sql.Texts([.. backends.Select(b => b.Value).Distinct()]));
        var histories = rows.GroupBy(r => r.Backend).ToDictionary(
            g => g.Key, g => new BackendHistory(g.First().Cluster, [.. g.Select(r => r.Entry).OfType<StatusEntry>()]));
        return [.. backends.Select(b => histories.GetValueOrDefault(b.Value))];
    }

    public async Task<BackendPage> ListBackendsAsync(BackendQuery query, CancellationToken cancellationToken)
    {
        var limit = Math.Clamp(query.Limit, 1, BackendQuery.MaxLimit);
        var (sql, values) = s_list.Of(query, limit);
        var rows = await QueryAsync(
            sql,
            r => (Created: r.GetInt64(10), Id: r.GetString(0), Row: _unreadable.TryRead(r, ReadSummary, out var summary) ? summary : null),
            cancellationToken,
            [.. values.Select(v => v as NpgsqlParameter ?? (v is int number ? Sql.Int(number) : Sql.Text((string)v)))]);
        return StoreText.Page(rows, limit);
    }

    public async Task<IReadOnlyList<BackendFailure>> ListFailuresAsync(TimeSpan within, int limit, CancellationToken cancellationToken) => await QueryAsync(
        $"""
        select id, key_namespace, key_name, key_tag, fencing_token, termination_reason::text, {StoreText.ExitFailed}
        from plane.backends where status = 'terminated' and status_at > now() - $1 and {StoreText.HasFailed}
        order by status_at desc, id desc limit $2
        """,
        ReadFailure,
        cancellationToken,
        Sql.Span(within),
        Sql.Int(Math.Clamp(limit, 1, BackendQuery.MaxLimit)));

    private static BackendSummary ReadSummary(NpgsqlDataReader r) => new()
    {
        BackendId = BackendName.Parse(r.GetString(0)),
        Cluster = ClusterName.Parse(r.GetString(2)),
        Drone = DroneName.Parse(r.GetString(3)),
        Key = new KeyInfo { Namespace = r.GetString(4), Name = r.GetString(5), Tag = r.GetString(6), FencingToken = new FencingToken(r.GetInt64(1)) },
        Status = EnumText.Parse<BackendStatus>(r.GetString(7)),
        CreatedAt = ReadTime(r, 8),
        TerminationReason = EnumText.ParseOrNull<TerminationReason>(TextOrNull(r, 9)),
        Service = TextOrNull(r, 11) is { } service ? ServiceName.Parse(service) : null,
    };

    private static BackendDetails ReadDetails(NpgsqlDataReader r) => new()
    {
        BackendId = BackendName.Parse(r.GetString(0)),
        Cluster = ClusterName.Parse(r.GetString(2)),
        Drone = DroneName.Parse(r.GetString(3)),
        Pool = r.GetString(4),
        Key = new KeyInfo { Namespace = r.GetString(5), Name = r.GetString(6), Tag = r.GetString(7), FencingToken = new FencingToken(r.GetInt64(1)) },
        HoldsKey = r.GetBoolean(8),
        AllowRenew = r.GetBoolean(9),
        Status = EnumText.Parse<BackendStatus>(r.GetString(10)),
        StatusTime = ReadTime(r, 11),
        CreatedAt = ReadTime(r, 12),
        LastUsedAt = r.IsDBNull(13) ? null : ReadTime(r, 13),
        LeaseExpiresAt = r.IsDBNull(14) ? null : ReadTime(r, 14),
        LifetimeEndsAt = r.IsDBNull(15) ? null : ReadTime(r, 15),
        MaxIdleSeconds = ValueOrNull<int>(r, 16),
        Address = TextOrNull(r, 17),
        Subdomain = TextOrNull(r, 18),
        UsesStaticToken = r.GetBoolean(19),
        Executor = EnumText.Parse<ExecutorKind>(r.GetString(20)),
        Image = TextOrNull(r, 21),
        ExitCode = ValueOrNull<int>(r, 22),
        Message = TextOrNull(r, 23),
        OutputTail = TextOrNull(r, 24),
        Service = TextOrNull(r, 25) is { } service ? ServiceName.Parse(service) : null,
        ServiceVersion = ValueOrNull<long>(r, 26),
        StartToken = ValueOrNull<long>(r, 27) is { } start ? new FencingToken(start) : null,
    };

    private static StatusEntry ReadEntry(NpgsqlDataReader r, int at) => new()
    {
        Status = EnumText.Parse<BackendStatus>(r.GetString(at)),
        Time = ReadTime(r, at + 1),
        TerminationReason = EnumText.ParseOrNull<TerminationReason>(TextOrNull(r, at + 2)),
        TerminationKind = EnumText.ParseOrNull<TerminationKind>(TextOrNull(r, at + 3)),
        ExitError = ValueOrNull<bool>(r, at + 4),
    };

    private static DateTimeOffset ReadTime(NpgsqlDataReader r, int at) => r.GetFieldValue<DateTimeOffset>(at);
}
