using Microsoft.Data.Sqlite;

namespace Plane.Storage.Sqlite;

// Drones: registration, signs of life, actions, placement.
internal sealed partial class SqliteStore
{
    private const string LiveCount = "(select count(*) from backends b where b.cluster = d.cluster and b.drone = d.name and b.status <> 'terminated')";
    private const string CapacityColumns = "d.cpu_millis, d.memory_bytes, d.disk_bytes, d.gpus";

    // Sums are bounded, so that none is too large to be read; a sum of integers that is too large would be an error.
    private const string ReservedColumns =
        """
        cast(min(total(b.cpu_millis), 9007199254740992) as integer), cast(min(total(b.memory_bytes), 9007199254740992) as integer),
            cast(min(total(b.disk_bytes), 9007199254740992) as integer), cast(total(b.gpus) as integer)
        """;

    public Task<RegistrationReply> RegisterDroneAsync(DroneRegistration registration, ControllerName controller, CancellationToken cancellationToken)
    {
        if (registration.InstallationId is { } foreign && foreign != InstallationId)
        {
            return Task.FromResult(new RegistrationReply
            {
                Outcome = RegistrationOutcome.ForeignInstallation,
                Message = "the drone's backends belong to another installation; give it an empty state to serve this one",
                InstallationId = InstallationId,
            });
        }

        return _engine.WriteAsync(s => Register(s, registration, controller), cancellationToken);
    }

    // A heartbeat that was overtaken changes nothing: a reading never moves back.
    public Task<SessionState> HeartbeatDroneAsync(DroneHeartbeat heartbeat, ControllerName controller, CancellationToken cancellationToken) =>
        _engine.WriteAsync(
            s =>
            {
                s.Execute(
                    """
                    update drones
                    set heartbeat_at = $4, instance_id = $5, boot_id = $6, reading = $7, ready = $8, controller = $9,
                        kinds = coalesce($10, kinds), unavailable_kinds = coalesce($11, unavailable_kinds), inspector = coalesce($12, inspector),
                        claims_session = case when $13 then session end,
                        cpu_millis = coalesce($14, cpu_millis), memory_bytes = coalesce($15, memory_bytes), disk_bytes = coalesce($16, disk_bytes), gpus = coalesce($17, gpus)
                    where cluster = $1 and name = $2 and session = $3 and (boot_id <> $6 or reading <= $7)
                    """,
                    heartbeat.Session.Cluster.Value,
                    heartbeat.Session.Drone.Value,
                    heartbeat.Session.Number,
                    s.Lease,
                    heartbeat.InstanceId,
                    heartbeat.BootId,
                    heartbeat.Reading,
                    heartbeat.Ready,
                    controller.Value,
                    heartbeat.Kinds is { } kinds ? TextOf(kinds) : null,
                    heartbeat.UnavailableKinds is { } unavailable ? TextOf(unavailable) : null,
                    heartbeat.Inspector,
                    heartbeat.TakesClaims,
                    heartbeat.Capacity?.CpuMillis,
                    heartbeat.Capacity?.MemoryBytes,
                    heartbeat.Capacity?.DiskBytes,
                    heartbeat.Capacity?.Gpus);
                return StateOf(s, heartbeat.Session);
            },
            cancellationToken);

    public Task<SessionState> ReadSessionAsync(DroneSession session, CancellationToken cancellationToken) =>
        _engine.ReadAsync(s => StateOf(s, session), cancellationToken);

    public Task<ActionPage> ReadActionsAsync(DroneSession session, long after, int limit, CancellationToken cancellationToken) => _engine.ReadAsync(
        s =>
        {
            var state = StateOf(s, session);
            return state != SessionState.Current ? new ActionPage { Session = state } : new ActionPage
            {
                Session = state,
                Actions =
                [
                    .. Readable(
                        s,
                        """
                        select number, backend_id, fencing_token, kind, spawn, instance_id, boot_id, renew_at, soft_at, hard_at, end_kind, end_reason, claim, start_token
                        from actions where cluster = $1 and drone = $2 and number > $3 and number <= $4 order by number
                        """,
                        static r => ReadAction(r, 0),
                        session.Cluster.Value,
                        session.Drone.Value,
                        after,
                        EndOfPage(s, session, after, Math.Max(limit, 1))),
                ],
            };
        },
        cancellationToken);

    public Task<SessionState> AcknowledgeActionsAsync(DroneSession session, long upTo, CancellationToken cancellationToken) => _engine.WriteAsync(
        s =>
        {
            var state = StateOf(s, session);
            if (state == SessionState.Current)
            {
                s.Execute("delete from actions where cluster = $1 and drone = $2 and number <= $3", session.Cluster.Value, session.Drone.Value, upTo);
            }

            return state;
        },
        cancellationToken);

    public Task<ChangeOutcome> SetDrainingAsync(
        ClusterName cluster, DroneName drone, bool draining, bool terminate, CancellationToken cancellationToken) => _engine.WriteAsync(
        s =>
        {
            if (s.Scalar("select draining from drones where cluster = $1 and name = $2", cluster.Value, drone.Value) is not { } before)
            {
                return ChangeOutcome.NotFound;
            }

            s.Execute("update drones set draining = $3 where cluster = $1 and name = $2", cluster.Value, drone.Value, draining);
            var queued = 0;
            if (terminate)
            {
                var ids = s.Query(
                    "select id from backends where cluster = $1 and drone = $2 and status <> 'terminated' order by id", static r => r.GetString(0), cluster.Value, drone.Value);
                queued = ids.Count(id => QueueEnd(s, id, TerminationKind.Soft, TerminationReason.External));
            }

            if (before != 0 != draining)
            {
                s.Log(ChangeKind.DroneAction, cluster.Value, status: draining ? BackendStatus.Terminating : BackendStatus.Ready, drone: drone.Value);
            }

            return before != 0 != draining || queued > 0 ? ChangeOutcome.Changed : ChangeOutcome.Unchanged;
        },
        cancellationToken);

    public Task<IReadOnlyList<ClusterName>> ListClustersAsync(CancellationToken cancellationToken) => _engine.ReadAsync<IReadOnlyList<ClusterName>>(
        s => Readable(
            s,
            "select cluster from drones union select cluster from proxies union select cluster from backends where status <> 'terminated' order by 1",
            static r => Tuple.Create(ClusterName.Parse(r.GetString(0)))).ConvertAll(static c => c.Item1),
        cancellationToken);

    public Task<string?> FindInspectorAsync(ClusterName cluster, DroneName drone, CancellationToken cancellationToken) => _engine.ReadAsync(
        s => s.Query("select inspector from drones where cluster = $1 and name = $2", static r => TextOrNull(r, 0), cluster.Value, drone.Value).SingleOrDefault(),
        cancellationToken);

    public async Task<IReadOnlyList<DroneCandidate>> ListCandidatesAsync(ClusterName cluster, CancellationToken cancellationToken) => await _engine.ReadAsync(
        s => Readable(
            s,
            $"""
            select d.name, d.pool, d.kinds, count(b.id) as live, d.max_backends, coalesce(d.claims_session = d.session, 0), {CapacityColumns}, {ReservedColumns}
            from drones d left join backends b on b.cluster = d.cluster and b.drone = d.name and b.status <> 'terminated'
            where d.cluster = $1 and d.ready = 1 and d.draining = 0 and d.heartbeat_at > $2
            group by d.cluster, d.name having live < d.max_backends order by d.name
            """,
            static r => new DroneCandidate(DroneName.Parse(r.GetString(0)), r.GetString(1), ReadKinds(r.GetString(2)), r.GetInt32(3), r.GetInt32(4), r.GetBoolean(5))
            {
                Capacity = ReadAmounts(r, 6),
                Reserved = ReadAmounts(r, 10)!,
            },
            cluster.Value,
            s.Lease - _fresh),
        cancellationToken);

    public Task<ClusterState> ReadClusterAsync(ClusterName cluster, CancellationToken cancellationToken) => _engine.ReadAsync(
        s => new ClusterState
        {
            Drones =
            [
                .. Readable(
                    s,
                    $"""
                    select d.name, d.version, d.hash, d.controller, $2 - coalesce(c.heartbeat_at, d.heartbeat_at),
                        d.ready = 1 and d.heartbeat_at > $3, d.draining, $2 - d.heartbeat_at, count(b.id), d.pool, d.max_backends, d.kinds,
                        d.unavailable_kinds, {CapacityColumns}, {ReservedColumns}
                    from drones d left join controllers c on c.id = d.controller
                    left join backends b on b.cluster = d.cluster and b.drone = d.name and b.status <> 'terminated'
                    where d.cluster = $1 group by d.cluster, d.name order by d.name
                    """,
                    static r => new DroneState
                    {
                        Node = ReadNode(r),
                        Ready = r.GetBoolean(5),
                        Draining = r.GetBoolean(6),
                        LastHeartbeatAge = r.GetInt64(7),
                        BackendCount = r.GetInt32(8),
                        Pool = r.GetString(9),
                        MaxBackends = r.GetInt32(10),
                        Kinds = ReadKinds(r.GetString(11)),
                        UnavailableKinds = ReadKinds(r.GetString(12)),
                        Capacity = ReadAmounts(r, 13),
                        Reserved = ReadAmounts(r, 17)!,
                    },
                    cluster.Value,
                    s.Lease,
                    s.Lease - _fresh),
            ],
            Proxies =
            [
                .. Readable(
                    s,
                    """
                    select p.name, p.version, p.hash, p.controller, $2 - coalesce(c.heartbeat_at, p.report_at)
                    from proxies p left join controllers c on c.id = p.controller where p.cluster = $1 and p.report_at > $3 order by p.name
                    """,
                    ReadNode,
                    cluster.Value,
                    s.Lease,
                    s.Lease - _silent),
            ],
        },
        cancellationToken);

    // By the sizes alone, so that the orders of the next pages aren't read for this one.
    private static long EndOfPage(SqliteSession s, DroneSession session, long after, int limit)
    {
        var size = 0L;
        var end = after;
        foreach (var (number, more) in s.Query(
            "select number, spawn_size from actions where cluster = $1 and drone = $2 and number > $3 order by number limit $4",
            static r => (r.GetInt64(0), r.GetInt64(1)),
            session.Cluster.Value,
            session.Drone.Value,
            after,
            limit))
        {
            end = number;
            size += more;
            if (size >= StoreText.MaxPageText)
            {
                break;
            }
        }

        return end;
    }

    // A file that went back (a restored backup) counts from a number that the drone has passed, and would never be heard again. What is queued continues behind
    // the drone's number; what of it was applied before is known there by its identity.
    private static void CountOnFrom(SqliteSession s, string cluster, string drone, long applied)
    {
        if (s.Scalar("select last_action from drone_counters where cluster = $1 and drone = $2", cluster, drone) >= applied)
        {
            return;
        }

        var last = applied;
        foreach (var number in s.Query(
            "select number from actions where cluster = $1 and drone = $2 order by number", static r => r.GetInt64(0), cluster, drone))
        {
            s.Execute("update actions set number = $4 where cluster = $1 and drone = $2 and number = $3", cluster, drone, number, ++last);
        }

        s.Execute("update drone_counters set last_action = $3 where cluster = $1 and drone = $2", cluster, drone, last);
    }

    private RegistrationReply Register(SqliteSession s, DroneRegistration registration, ControllerName controller)
    {
        var (cluster, name) = (registration.Cluster.Value, registration.Name.Value);
        if (s.Scalar(
            "select 1 from drones where cluster = $1 and name = $2 and instance_id <> $3 and heartbeat_at > $4",
            cluster,
            name,
            registration.InstanceId,
            s.Lease - _fresh) is not null)
        {
            return new RegistrationReply
            {
                Outcome = RegistrationOutcome.NameInUse,
                Message = $"another drone named {registration.Name} was heard of less than {_numbers.HeartbeatFresh.TotalSeconds:0.#} s ago",
            };
        }

        WriteDrone(s, registration, controller);
        s.Execute("insert or ignore into drone_counters (cluster, drone) values ($1, $2)", cluster, name);
        CountOnFrom(s, cluster, name, registration.LastAction);
        var session = s.Scalar("select session from drones where cluster = $1 and name = $2", cluster, name)!.Value;
        s.Log(ChangeKind.DroneAction, cluster, status: BackendStatus.Scheduled, drone: name);
        if (session > 1)
        {
            s.Log(ChangeKind.DroneAction, cluster, drone: name);
        }

        return new RegistrationReply
        {
            Outcome = RegistrationOutcome.Accepted,
            Session = new DroneSession(registration.Cluster, registration.Name, session),
            InstallationId = InstallationId,
            Numbers = _numbers,
        };
    }

    private static void WriteDrone(SqliteSession s, DroneRegistration registration, ControllerName controller)
    {
        var (cluster, name) = (registration.Cluster.Value, registration.Name.Value);

        // Draining is the operator's word about the name and stays.
        s.Execute(
            """
            insert into drones (
                cluster, name, pool, instance_id, boot_id, reading, kinds, max_backends, version, hash, ready, session, controller, heartbeat_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, (select forgotten_session + 1 from installation), $12, $13)
            on conflict (cluster, name) do update
                set pool = excluded.pool, instance_id = excluded.instance_id, boot_id = excluded.boot_id, reading = excluded.reading, kinds = excluded.kinds,
                    max_backends = excluded.max_backends, version = excluded.version, hash = excluded.hash, ready = excluded.ready,
                    session = drones.session + 1, controller = excluded.controller, heartbeat_at = excluded.heartbeat_at
            """,
            cluster,
            name,
            registration.Pool,
            registration.InstanceId,
            registration.BootId,
            registration.Reading,
            TextOf(registration.Kinds),
            registration.MaxBackends,
            registration.Version,
            registration.Hash,
            registration.Ready,
            controller.Value,
            s.Lease);

        // A drone that does not say has no bound, whatever it said under an earlier session.
        s.Execute(
            "update drones set cpu_millis = $3, memory_bytes = $4, disk_bytes = $5, gpus = $6 where cluster = $1 and name = $2",
            cluster,
            name,
            registration.Capacity?.CpuMillis,
            registration.Capacity?.MemoryBytes,
            registration.Capacity?.DiskBytes,
            registration.Capacity?.Gpus);
    }

    private static SessionState StateOf(SqliteSession s, DroneSession session) =>
        s.Scalar("select session from drones where cluster = $1 and name = $2", session.Cluster.Value, session.Drone.Value) is not { } current
            || current < session.Number ? SessionState.Unknown
        : current > session.Number ? SessionState.Replaced
        : SessionState.Current;

    private static NodeState ReadNode(SqliteDataReader row) => new()
    {
        Name = row.GetString(0),
        PlaneVersion = row.GetString(1),
        PlaneHash = row.GetString(2),
        Controller = row.GetString(3),
        ControllerHeartbeatAge = row.GetInt64(4),
    };

    private static ResourceAmounts? ReadCapacity(SqliteSession s, string cluster, string drone) => s.Single(
        $"select {CapacityColumns} from drones d where d.cluster = $1 and d.name = $2 and d.gpus is not null", static r => ReadAmounts(r, 0)!, cluster, drone);

    private static ResourceAmounts ReadReserved(SqliteSession s, string cluster, string drone, string? except) => s.Single(
        $"select {ReservedColumns} from backends b where b.cluster = $1 and b.drone = $2 and b.status <> 'terminated' and b.id is not $3",
        static r => ReadAmounts(r, 0)!,
        cluster,
        drone,
        except)!;

    private static string TextOf(ExecutorKind[] kinds) => string.Join(',', kinds.Distinct().Select(k => k.Name()));

    private static ExecutorKind[] ReadKinds(string text) => [.. text.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(EnumText.Parse<ExecutorKind>)];
}
