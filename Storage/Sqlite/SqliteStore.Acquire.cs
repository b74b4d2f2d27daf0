namespace Plane.Storage.Sqlite;

// The transaction that takes a key and orders its backend.
internal sealed partial class SqliteStore
{
    /// <summary>An acquisition with what is drawn and written out before its transaction.</summary>
    /// <param name="Request">What is asked.</param>
    /// <param name="Spawn">What is to run.</param>
    /// <param name="StaticToken">The token that all its visitors share, where they do.</param>
    /// <param name="Order">The spawn config as its drone gets it.</param>
    private sealed record Acquisition(AcquireRequest Request, SpawnConfig Spawn, BearerToken? StaticToken, string Order)
    {
        public ResolvedConnect Command => Request.Command;

        public string Backend => Command.BackendId.Value;

        public string Cluster => Request.Cluster.Value;

        public string Drone => Request.Drone.Value;
    }

    /// <summary>A drone that takes the backend, with its clock: what the first lease is counted from.</summary>
    private sealed record FitDrone(string InstanceId, string BootId, long Reading, ResourceAmounts? Capacity);

    // By the numbers of plane.acquire on PostgreSQL.
    private AcquireResult Acquire(SqliteSession s, Acquisition a)
    {
        // A repeat of the request that started this backend is answered as it was then.
        if (s.Scalar("select 1 from backends where id = $1", a.Backend) is not null)
        {
            return Holder(s, a.Backend) is { } old ? AcquireAgain(s, a.Command, old) : new AcquireResult(AcquireOutcome.BackendIdTaken, null);
        }

        if (HeldBy(s, a.Command.Key) is { } held)
        {
            return held;
        }

        if (ServiceRefusal(s, a.Command) is { } refusal)
        {
            return refusal;
        }

        // 1. The drone, checked again.
        var expired = s.ScalarText("select backend_id from keys where namespace = $1 and name = $2", a.Command.Key.Namespace, a.Command.Key.Name);
        if (FindFitDrone(s, a, expired) is not { } drone)
        {
            return new AcquireResult(AcquireOutcome.DroneUnfit, null);
        }

        // 2. An expired holder goes, its backend is lost.
        if (expired is not null)
        {
            MarkLost(s, expired);
        }

        // 3. and 4. Key and backend, with a fencing token greater than every one before.
        var token = NextFencingToken(s);
        InsertKey(s, a, token);
        InsertBackend(s, a, token);
        Reserve(s, a, drone);

        // 5. Connection token, history, change log, spawn action.
        if (a.StaticToken is { } shared)
        {
            StoreToken(s, shared.Hash(), a.Backend, null, null, null);
        }
        else
        {
            StoreToken(s, a.Command);
        }

        s.Execute("insert into history (backend_id, status, at) values ($1, 'scheduled', $2)", a.Backend, s.Record);
        s.Log(ChangeKind.BackendState, a.Cluster, a.Backend, token, BackendStatus.Scheduled);
        OrderSpawn(s, a, token, drone);
        return new AcquireResult(AcquireOutcome.Acquired, Holder(s, a.Backend));
    }

    // In its last millisecond a lease is neither renewed nor taken.
    private AcquireResult? HeldBy(SqliteSession s, KeyConfig key) => s.ScalarText(
        "select b.id from keys k join backends b on b.id = k.backend_id and b.status <> 'terminated' where k.namespace = $1 and k.name = $2 and k.expires_at > $3",
        key.Namespace,
        key.Name,
        s.Lease - 1) is { } holder
            ? new AcquireResult(AcquireOutcome.Held, Holder(s, holder))
            : null;

    private FitDrone? FindFitDrone(SqliteSession s, Acquisition a, string? expired)
    {
        var found = s.Single(
            $"""
            select instance_id, boot_id, reading, kinds from drones d
            where cluster = $1 and name = $2 and ready = 1 and draining = 0 and heartbeat_at > $3 and pool = $4 and max_backends > {LiveCount}
            """,
            static r => Tuple.Create(r.GetString(0), r.GetString(1), r.GetInt64(2), ReadKinds(r.GetString(3))),
            a.Cluster,
            a.Drone,
            s.Lease - _fresh,
            a.Spawn.Pool);
        if (found is not var (instanceId, bootId, reading, kinds) || !kinds.Contains(a.Spawn.Executable.Kind))
        {
            return null;
        }

        var needs = ResourceAmounts.Of(a.Spawn.Executable);
        var capacity = needs == ResourceAmounts.None ? null : ReadCapacity(s, a.Cluster, a.Drone);
        return capacity is not null && needs.ShortOn(capacity, ReadReserved(s, a.Cluster, a.Drone, except: expired)).Any()
            ? null
            : new FitDrone(instanceId, bootId, reading, capacity);
    }

    private void InsertKey(SqliteSession s, Acquisition a, long token) => s.Execute(
        "insert into keys (namespace, name, tag, backend_id, fencing_token, expires_at) values ($1, $2, $3, $4, $5, $6)",
        a.Command.Key.Namespace,
        a.Command.Key.Name,
        a.Command.Key.Tag,
        a.Backend,
        token,
        s.Lease + _expiry);

    private static void InsertBackend(SqliteSession s, Acquisition a, long token) => s.Execute(
        """
        insert into backends (
            id, cluster, drone, pool, key_namespace, key_name, key_tag, fencing_token, acquired_by, status, status_at, created_at,
            lifetime_ends_at, max_idle_seconds, subdomain, uses_static_token, static_token, static_token_hash, executor, image, web, service, service_version)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'scheduled', $10, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
        """,
        a.Backend,
        a.Cluster,
        a.Drone,
        a.Spawn.Pool,
        a.Command.Key.Namespace,
        a.Command.Key.Name,
        a.Command.Key.Tag,
        token,
        a.Command.Token.Hash(),
        s.Record,
        LifetimeEnd(s, a.Spawn),
        a.Spawn.MaxIdleSeconds,
        a.Spawn.Subdomain,
        a.StaticToken is not null,
        a.StaticToken?.Value,
        a.StaticToken?.Hash(),
        a.Spawn.Executable.Kind.Name(),
        a.Spawn.Executable.Image,
        StoreText.WriteWeb(a.Spawn),
        a.Command.Service?.Value,
        a.Command.ServiceVersion);

    private static void Reserve(SqliteSession s, Acquisition a, FitDrone drone)
    {
        var needs = ResourceAmounts.Of(a.Spawn.Executable);
        if (needs != ResourceAmounts.None)
        {
            s.Execute(
                "update backends set cpu_millis = $2, memory_bytes = $3, disk_bytes = $4, gpus = $5 where id = $1",
                a.Backend,
                needs.CpuMillis,
                needs.MemoryBytes,
                needs.DiskBytes,
                drone.Capacity is null ? Math.Max(0, needs.Gpus) : needs.NeededOn(drone.Capacity, Resource.Gpus));
        }
    }

    private void OrderSpawn(SqliteSession s, Acquisition a, long token, FitDrone drone) => s.Execute(
        """
        insert into actions (cluster, drone, number, backend_id, fencing_token, kind, spawn, instance_id, boot_id, renew_at, soft_at, hard_at)
        values ($1, $2, $3, $4, $5, 'spawn', $6, $7, $8, $9, $10, $11)
        """,
        a.Cluster,
        a.Drone,
        NextAction(s, a.Cluster, a.Drone),
        a.Backend,
        token,
        a.Order,
        drone.InstanceId,
        drone.BootId,
        drone.Reading + (long)_numbers.RenewAfter.TotalMilliseconds,
        drone.Reading + (long)_numbers.Soft.TotalMilliseconds,
        drone.Reading + (long)_numbers.Hard.TotalMilliseconds);

    private static long? LifetimeEnd(SqliteSession s, SpawnConfig? spawn) => spawn?.LifetimeLimitSeconds is { } lifetime ? s.Lease + (lifetime * 1000L) : null;

    private static AcquireResult AcquireAgain(SqliteSession s, ResolvedConnect command, HolderInfo old)
    {
        var id = command.BackendId.Value;
        var same = s.Scalar(
            "select 1 from backends where id = $1 and key_namespace = $2 and key_name = $3 and key_tag = $4 and ($5 or acquired_by = $6)",
            id,
            command.Key.Namespace,
            command.Key.Name,
            command.Key.Tag,
            !command.BackendIdIsChosen,
            command.Token.Hash()) is not null;
        if (same)
        {
            if (old.Status < BackendStatus.Terminated && s.Scalar("select 1 from backends where id = $1 and uses_static_token = 0", id) is not null)
            {
                StoreToken(s, command);
            }

            return new AcquireResult(AcquireOutcome.Acquired, old);
        }

        var holds = s.Scalar(
            "select 1 from keys where namespace = $1 and name = $2 and backend_id = $3 and expires_at > $4",
            command.Key.Namespace,
            command.Key.Name,
            id,
            s.Lease - 1) is not null;
        return holds ? new AcquireResult(AcquireOutcome.Held, old) : new AcquireResult(AcquireOutcome.BackendIdTaken, null);
    }
}
