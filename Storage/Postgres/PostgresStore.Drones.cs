using Npgsql;

namespace Plane.Storage.Postgres;

// Drones: registration, signs of life, actions, placement.
internal sealed partial class PostgresStore
{
    // A plane.session_state as text: what every statement about a session answers.
    private const string SessionSql =
        """
        coalesce(
            (select case when d.session = $3 then 'current' when d.session > $3 then 'replaced' else 'unknown' end from plane.drones d where d.cluster = $1 and d.name = $2),
            'unknown')
        """;

    // A drone's backends, what it has, and what they have reserved of it. Sums are bounded, so that no row of a drone is too large to be read.
    private const string UseColumns = "u.backends, d.cpu_millis, d.memory_bytes, d.disk_bytes, d.gpus, u.cpu, u.memory, u.disk, u.gpus";

    private const string UseSql =
        """
        cross join lateral (
            select count(*)::integer as backends, least(coalesce(sum(b.cpu_millis), 0), 9007199254740992)::bigint as cpu,
                least(coalesce(sum(b.memory_bytes), 0), 9007199254740992)::bigint as memory, least(coalesce(sum(b.disk_bytes), 0), 9007199254740992)::bigint as disk,
                coalesce(sum(b.gpus), 0)::integer as gpus
            from plane.backends b where b.cluster = d.cluster and b.drone = d.name and b.status < 'terminated'
        ) u
        """;

    public async Task<RegistrationReply> RegisterDroneAsync(DroneRegistration registration, ControllerName controller, CancellationToken cancellationToken)
    {
        if (registration.InstallationId is { } foreign && foreign != InstallationId)
        {
            return new RegistrationReply
            {
                Outcome = RegistrationOutcome.ForeignInstallation,
                Message = "the drone's backends belong to another installation; give it an empty state to serve this one",
                InstallationId = InstallationId,
            };
        }

        var session = await ScalarAsync<long>(
            """
            select r.session, plane.set_capacity($1, $2, r.session, $15, $16, $17, $18)
            from plane.register_drone($1, $2, $3, $4, $5, $6, $7::plane.executor_kind[], $8, $9, $10, $11, $12, $13, $14) as r (session)
            """,
            cancellationToken,
            Sql.Text(registration.Cluster.Value),
            Sql.Text(registration.Name.Value),
            Sql.Text(registration.Pool),
            Sql.Text(registration.InstanceId),
            Sql.Text(registration.BootId),
            Sql.Big(registration.Reading),
            Sql.Texts(EnumText.NamesOf(registration.Kinds.Distinct().Select(k => (ExecutorKind?)k))),
            Sql.Int(registration.MaxBackends),
            Sql.Text(registration.Version),
            Sql.Text(registration.Hash),
            Sql.Bool(registration.Ready),
            Sql.Text(controller.Value),
            Sql.Span(_numbers.HeartbeatFresh),
            Sql.Big(registration.LastAction),
            Sql.Big(registration.Capacity?.CpuMillis),
            Sql.Big(registration.Capacity?.MemoryBytes),
            Sql.Big(registration.Capacity?.DiskBytes),
            Sql.Int(registration.Capacity?.Gpus));
        if (session == 0)
        {
            return new RegistrationReply
            {
                Outcome = RegistrationOutcome.NameInUse,
                Message = $"another drone named {registration.Name} was heard of less than {_numbers.HeartbeatFresh.TotalSeconds:0.#} s ago",
            };
        }

        _feed.Committed();

        return new RegistrationReply
        {
            Outcome = RegistrationOutcome.Accepted,
            Session = new DroneSession(registration.Cluster, registration.Name, session),
            InstallationId = InstallationId,
            Numbers = _numbers,
        };
    }

    // A heartbeat that was overtaken changes nothing: a reading never moves back.
    public Task<SessionState> HeartbeatDroneAsync(DroneHeartbeat heartbeat, ControllerName controller, CancellationToken cancellationToken) => SessionAsync(
        $"""
        with u as (
            update plane.drones
            set heartbeat_at = now(), instance_id = $4, boot_id = $5, reading = $6, ready = $7, controller = $8,
                kinds = coalesce($9::plane.executor_kind[], kinds), unavailable_kinds = coalesce($10::plane.executor_kind[], unavailable_kinds), inspector = coalesce($11, inspector),
                claims_session = case when $12 then session end,
                cpu_millis = coalesce($13, cpu_millis), memory_bytes = coalesce($14, memory_bytes), disk_bytes = coalesce($15, disk_bytes), gpus = coalesce($16, gpus)
            where cluster = $1 and name = $2 and session = $3 and (boot_id <> $5 or reading <= $6)
        )
        select {SessionSql}
        """,
        heartbeat.Session,
        cancellationToken,
        Sql.Text(heartbeat.InstanceId),
        Sql.Text(heartbeat.BootId),
        Sql.Big(heartbeat.Reading),
        Sql.Bool(heartbeat.Ready),
        Sql.Text(controller.Value),
        Sql.Texts(NamesOf(heartbeat.Kinds)),
        Sql.Texts(NamesOf(heartbeat.UnavailableKinds)),
        Sql.Text(heartbeat.Inspector),
        Sql.Bool(heartbeat.TakesClaims),
        Sql.Big(heartbeat.Capacity?.CpuMillis),
        Sql.Big(heartbeat.Capacity?.MemoryBytes),
        Sql.Big(heartbeat.Capacity?.DiskBytes),
        Sql.Int(heartbeat.Capacity?.Gpus));

    public Task<SessionState> ReadSessionAsync(DroneSession session, CancellationToken cancellationToken) =>
        SessionAsync($"select {SessionSql}", session, cancellationToken);

    public async Task<ActionPage> ReadActionsAsync(DroneSession session, long after, int limit, CancellationToken cancellationToken)
    {
        var rows = await QueryAsync(
            $"""
            select s.state, a.number, a.backend_id, a.fencing_token, a.kind::text, a.spawn, a.instance_id, a.boot_id, a.renew_at, a.soft_at, a.hard_at,
                a.end_kind::text, a.end_reason::text, a.claim, a.start_token
            from (select {SessionSql} as state) s
            left join lateral (
                select * from (
                    select *, sum(spawn_size) over (order by number rows between unbounded preceding and 1 preceding) as size_before
                    from (
                        select * from plane.actions where cluster = $1 and drone = $2 and number > $4 and s.state = 'current' order by number limit $5
                    ) p
                ) w
                where coalesce(size_before, 0) < {StoreText.MaxPageText}
            ) a on true
            order by a.number
            """,
            r => (
                State: EnumText.Parse<SessionState>(r.GetString(0)),
                Action: !r.IsDBNull(1) && _unreadable.TryRead(r, static row => ReadAction(row, 1), out var action, key: 2) ? action : null),
            cancellationToken,
            [.. Parameters(session), Sql.Big(after), Sql.Int(Math.Max(limit, 1))]);
        return new ActionPage { Session = rows[0].State, Actions = [.. rows.Select(r => r.Action).OfType<DroneAction>()] };
    }

    public Task<SessionState> AcknowledgeActionsAsync(DroneSession session, long upTo, CancellationToken cancellationToken) => SessionAsync(
        $"""
        with s as (
            select {SessionSql} as state
        ), l as (
            select a.number from plane.actions a where a.cluster = $1 and a.drone = $2 and a.number <= $4 and (select state from s) = 'current'
            order by a.number for update
        ), d as (
            delete from plane.actions a using l where a.cluster = $1 and a.drone = $2 and a.number = l.number
        )
        select state from s
        """,
        session,
        cancellationToken,
        Sql.Big(upTo));

    public async Task<ChangeOutcome> SetDrainingAsync(
        ClusterName cluster, DroneName drone, bool draining, bool terminate, CancellationToken cancellationToken)
    {
        var outcome = EnumText.Parse<ChangeOutcome>(await ScalarAsync<string>(
            "select plane.set_draining($1, $2, $3, $4)::text",
            cancellationToken,
            Sql.Text(cluster.Value),
            Sql.Text(drone.Value),
            Sql.Bool(draining),
            Sql.Bool(terminate)));
        if (outcome == ChangeOutcome.Changed)
        {
            _feed.Committed();
        }

        return outcome;
    }

    public async Task<string?> FindInspectorAsync(ClusterName cluster, DroneName drone, CancellationToken cancellationToken) => await ScalarAsync<string>(
        "select inspector from plane.drones where cluster = $1 and name = $2", cancellationToken, Sql.Text(cluster.Value), Sql.Text(drone.Value));

    public async Task<IReadOnlyList<ClusterName>> ListClustersAsync(CancellationToken cancellationToken) => await QueryAsync(
        "select cluster from plane.drones union select cluster from plane.proxies union select cluster from plane.backends where status < 'terminated' order by 1",
        static r => ClusterName.Parse(r.GetString(0)),
        cancellationToken);

    public async Task<IReadOnlyList<DroneCandidate>> ListCandidatesAsync(ClusterName cluster, CancellationToken cancellationToken) => await QueryAsync(
        $"""
        select d.name, d.pool, d.kinds::text[], d.max_backends, coalesce(d.claims_session = d.session, false), {UseColumns}
        from plane.drones d {UseSql}
        where d.cluster = $1 and d.ready and not d.draining and d.heartbeat_at > now() - $2 and u.backends < d.max_backends
        order by d.name
        """,
        static r => new DroneCandidate(
            DroneName.Parse(r.GetString(0)), r.GetString(1), ReadKinds(r.GetFieldValue<string[]>(2)), r.GetInt32(5), r.GetInt32(3), r.GetBoolean(4))
        {
            Capacity = ReadAmounts(r, 6),
            Reserved = ReadAmounts(r, 10) ?? ResourceAmounts.None,
        },
        cancellationToken,
        Sql.Text(cluster.Value),
        Sql.Span(_numbers.HeartbeatFresh));

    public async Task<ClusterState> ReadClusterAsync(ClusterName cluster, CancellationToken cancellationToken)
    {
        const string ControllerAge = "(extract(epoch from now() - coalesce(c.heartbeat_at, {0})) * 1000)::bigint";
        var drones = await QueryAsync(
            $"""
            select d.name, d.version, d.hash, d.controller, {ControllerAge.Replace("{0}", "d.heartbeat_at", StringComparison.Ordinal)},
                d.ready and d.heartbeat_at > now() - $2, d.draining, (extract(epoch from now() - d.heartbeat_at) * 1000)::bigint,
                d.pool, d.max_backends, d.kinds::text[], d.unavailable_kinds::text[], {UseColumns}
            from plane.drones d left join plane.controllers c on c.id = d.controller {UseSql}
            where d.cluster = $1 order by d.name
            """,
            static r => new DroneState
            {
                Node = ReadNode(r),
                Ready = r.GetBoolean(5),
                Draining = r.GetBoolean(6),
                LastHeartbeatAge = Math.Max(0, r.GetInt64(7)),
                Pool = r.GetString(8),
                MaxBackends = r.GetInt32(9),
                Kinds = ReadKinds(r.GetFieldValue<string[]>(10)),
                UnavailableKinds = ReadKinds(r.GetFieldValue<string[]>(11)),
                BackendCount = r.GetInt32(12),
                Capacity = ReadAmounts(r, 13),
                Reserved = ReadAmounts(r, 17) ?? ResourceAmounts.None,
            },
            cancellationToken,
            Sql.Text(cluster.Value),
            Sql.Span(_numbers.HeartbeatFresh));
        var proxies = await QueryAsync(
            $"""
            select p.name, p.version, p.hash, p.controller, {ControllerAge.Replace("{0}", "p.report_at", StringComparison.Ordinal)}
            from plane.proxies p left join plane.controllers c on c.id = p.controller
            where p.cluster = $1 and p.report_at > now() - $2 order by p.name
            """,
            static r => ReadNode(r),
            cancellationToken,
            Sql.Text(cluster.Value),
            Sql.Span(_numbers.ProxySilent));
        return new ClusterState { Drones = [.. drones], Proxies = [.. proxies] };
    }

    private static NodeState ReadNode(Npgsql.NpgsqlDataReader row) => new()
    {
        Name = row.GetString(0),
        PlaneVersion = row.GetString(1),
        PlaneHash = row.GetString(2),
        Controller = row.GetString(3),
        ControllerHeartbeatAge = Math.Max(0, row.GetInt64(4)),
    };

    private static NpgsqlParameter[] Amounts(ResourceAmounts amounts) =>
        [Sql.Big(amounts.CpuMillis), Sql.Big(amounts.MemoryBytes), Sql.Big(amounts.DiskBytes), Sql.Int(amounts.Gpus)];

    private static string?[]? NamesOf(ExecutorKind[]? kinds) => kinds is null ? null : EnumText.NamesOf(kinds.Select(k => (ExecutorKind?)k));

    private static ExecutorKind[] ReadKinds(string[] kinds) => [.. kinds.Select(EnumText.Parse<ExecutorKind>)];

    private static Npgsql.NpgsqlParameter[] Parameters(DroneSession session) =>
        [Sql.Text(session.Cluster.Value), Sql.Text(session.Drone.Value), Sql.Big(session.Number)];

    private async Task<SessionState> SessionAsync(
        string sql, DroneSession session, CancellationToken cancellationToken, params Npgsql.NpgsqlParameter[] more) =>
        EnumText.Parse<SessionState>(await ScalarAsync<string>(sql, cancellationToken, [.. Parameters(session), .. more]));
}
