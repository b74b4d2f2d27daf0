using Microsoft.Data.Sqlite;

namespace Plane.Storage.Sqlite;

// Services, their signing keys, labels and failed starts.
internal sealed partial class SqliteStore
{
    private const string ServiceColumns =
        """
        s.name, s.version, s.spawn_config, s.access, s.forward_auth, s.max_backends, s.warm_count, s.warm_max_age_seconds, s.warm_claim_path, s.prepull,
        s.created_at, s.updated_at
        """;

    private const string ServiceUseSql =
        $"""
        select {ServiceColumns},
            (select count(*) from backends b where b.service = s.name and b.status <> 'terminated' and b.key_namespace not like '.plane/%'),
            (select count(*) from backends b where b.service = s.name and b.service_version = s.version and b.status = 'waiting' and b.end_kind is null
                and b.key_namespace like '.plane/%' and b.warm_at is not null),
            (select count(*) from backends b where b.service = s.name and b.service_version = s.version and b.status in ('scheduled', 'loading', 'starting', 'waiting') and b.end_kind is null
                and b.key_namespace like '.plane/%' and b.warm_at is null)
        from services s
        """;

    // A start has failed where its backend ended by its own fault before it was ready, or with an error soon after. After the third in a row the next one waits.
    private const int FreeFailures = 3;
    private static readonly TimeSpan s_soon = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_longestRest = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan s_forgiven = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan s_failuresKept = TimeSpan.FromHours(1);

    public Task<ServiceWrite> PutServiceAsync(ServiceName service, ServiceConfig config, CancellationToken cancellationToken) => _engine.WriteAsync(
        s =>
        {
            var old = FindService(s, service);
            var spawn = StoreText.WriteSpawnConfig(config.SpawnConfig);
            if (old is not null && old.Config with { SpawnConfig = config.SpawnConfig } == config && StoreText.WriteSpawnConfig(old.Config.SpawnConfig) == spawn)
            {
                return new ServiceWrite(ServiceWriteOutcome.Unchanged, old);
            }

            if (s.Scalar("select 1 from services where name = $1", service.Value) is null && s.Scalar("select count(*) from services") >= ServiceLimits.MaxServices)
            {
                return new ServiceWrite(ServiceWriteOutcome.TooMany, null);
            }

            s.Execute("update service_versions set last = last + 1");
            s.Execute(
                """
                insert into services (
                    name, version, spawn_config, access, forward_auth, max_backends, warm_count, warm_max_age_seconds, warm_claim_path, prepull, created_at, updated_at)
                select $1, last, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10 from service_versions where true
                on conflict (name) do update set version = excluded.version, spawn_config = excluded.spawn_config, access = excluded.access,
                    forward_auth = excluded.forward_auth, max_backends = excluded.max_backends, warm_count = excluded.warm_count,
                    warm_max_age_seconds = excluded.warm_max_age_seconds, warm_claim_path = excluded.warm_claim_path, prepull = excluded.prepull,
                    updated_at = excluded.updated_at
                """,
                service.Value,
                spawn,
                config.Access.Kind.Name(),
                config.Access.ForwardAuth,
                config.MaxBackends,
                config.Warm?.Count,
                config.Warm?.MaxAgeSeconds,
                config.Warm?.ClaimPath,
                config.Prepull,
                s.Record);
            s.LogService(service);
            return new ServiceWrite(old is null ? ServiceWriteOutcome.Created : ServiceWriteOutcome.Changed, FindService(s, service));
        },
        cancellationToken);

    public Task<ServiceDefinition?> FindServiceAsync(ServiceName service, CancellationToken cancellationToken) =>
        _engine.ReadAsync(s => FindService(s, service), cancellationToken);

    public Task<ServiceUse?> ReadServiceAsync(ServiceName service, CancellationToken cancellationToken) =>
        _engine.ReadAsync(s => Readable(s, $"{ServiceUseSql} where s.name = $1", ReadServiceUse, service.Value).SingleOrDefault(), cancellationToken);

    public Task<IReadOnlyList<ServiceUse>> ListServicesAsync(CancellationToken cancellationToken) =>
        _engine.ReadAsync<IReadOnlyList<ServiceUse>>(s => Readable(s, $"{ServiceUseSql} order by s.name", ReadServiceUse), cancellationToken);

    public Task<bool> DeleteServiceAsync(ServiceName service, bool keepBackends, CancellationToken cancellationToken) => _engine.WriteAsync(
        s =>
        {
            if (s.Execute("delete from services where name = $1", service.Value) == 0)
            {
                return false;
            }

            foreach (var id in s.Query(
                "select id from backends where service = $1 and status <> 'terminated' and (not $2 or key_namespace like '.plane/%') order by id",
                static r => r.GetString(0),
                service.Value,
                keepBackends))
            {
                QueueEnd(s, id, TerminationKind.Soft, TerminationReason.External);
            }

            s.Execute("delete from service_keys where service = $1", service.Value);
            s.Execute("delete from service_labels where service = $1", service.Value);
            s.Execute("delete from service_failures where service = $1", service.Value);
            s.LogService(service, deleted: true);
            return true;
        },
        cancellationToken);

    public Task<ServiceRead?> ReadServiceAccessAsync(ServiceName service, CancellationToken cancellationToken) => _engine.ReadAsync(
        s => FindService(s, service) is { } found
            ? new ServiceRead(
                found,
                Readable(s, "select kid, alg, material from service_keys where service = $1 order by kid", static r => ReadSigningKey(r, 0), service.Value),
                LogEnd(s))
            : null,
        cancellationToken);

    public Task<SigningKeyOutcome> AddSigningKeyAsync(ServiceName service, SigningKey key, CancellationToken cancellationToken) => _engine.WriteAsync(
        s =>
        {
            if (s.Scalar("select 1 from services where name = $1", service.Value) is null)
            {
                return SigningKeyOutcome.NoSuchService;
            }

            if (s.Scalar(
                "select alg = $3 and material = $4 from service_keys where service = $1 and kid = $2", service.Value, key.Kid, key.Alg.Name(), key.Material) is { } same)
            {
                return same != 0 ? SigningKeyOutcome.Unchanged : SigningKeyOutcome.KidTaken;
            }

            if (s.Scalar("select count(*) from service_keys where service = $1", service.Value) >= SigningKeyRules.MaxKeys)
            {
                return SigningKeyOutcome.TooMany;
            }

            s.Execute(
                "insert into service_keys (service, kid, alg, material, created_at) values ($1, $2, $3, $4, $5)",
                service.Value,
                key.Kid,
                key.Alg.Name(),
                key.Material,
                s.Record);
            s.LogService(service);
            return SigningKeyOutcome.Added;
        },
        cancellationToken);

    public Task<IReadOnlyList<SigningKeyInfo>?> ListSigningKeysAsync(ServiceName service, CancellationToken cancellationToken) =>
        _engine.ReadAsync<IReadOnlyList<SigningKeyInfo>?>(
            s => s.Scalar("select 1 from services where name = $1", service.Value) is null
                ? null
                : Readable(
                    s,
                    "select kid, alg, created_at from service_keys where service = $1 order by kid",
                    static r => new SigningKeyInfo { Kid = r.GetString(0), Alg = EnumText.Parse<SigningAlgorithm>(r.GetString(1)), CreatedAt = Time(r.GetInt64(2)) },
                    service.Value),
            cancellationToken);

    public Task<ChangeOutcome> DeleteSigningKeyAsync(ServiceName service, string kid, CancellationToken cancellationToken) => _engine.WriteAsync(
        s =>
        {
            if (s.Execute("delete from service_keys where service = $1 and kid = $2", service.Value, kid) == 0)
            {
                return ChangeOutcome.NotFound;
            }

            s.LogService(service);
            return ChangeOutcome.Changed;
        },
        cancellationToken);

    public Task KeepLabelAsync(ServiceName service, string label, KeyConfig key, CancellationToken cancellationToken) => _engine.WriteAsync(
        s => s.Execute(
            "insert or ignore into service_labels (service, label, namespace, name) select name, $2, $3, $4 from services where name = $1",
            service.Value,
            label,
            key.Namespace,
            key.Name),
        cancellationToken);

    public Task<KeyConfig?> FindLabelAsync(ServiceName service, string label, CancellationToken cancellationToken) => _engine.ReadAsync(
        s => Readable(
            s,
            "select name, namespace from service_labels where service = $1 and label = $2",
            static r => new KeyConfig { Name = r.GetString(0), Namespace = r.GetString(1) },
            service.Value,
            label).SingleOrDefault(),
        cancellationToken);

    public Task<StartFailures?> ReadFailuresAsync(KeyConfig key, CancellationToken cancellationToken) => _engine.ReadAsync(
        s => Readable(
            s,
            """
            select f.count, f.backend_id, b.message, b.exit_code, b.output_tail
            from service_failures f left join backends b on b.id = f.backend_id
            where f.namespace = $1 and f.name = $2
            """,
            static r => new StartFailures(
                r.GetInt32(0), BackendName.Parse(r.GetString(1)), StoreText.EndOf(TextOrNull(r, 2), (int?)NumberOrNull(r, 3)), TextOrNull(r, 4)),
            key.Namespace,
            key.Name).SingleOrDefault(),
        cancellationToken);

    /// <summary>What keeps a backend from being started for a key, as far as services are concerned; null where nothing does.</summary>
    private AcquireResult? ServiceRefusal(SqliteSession s, ResolvedConnect command)
    {
        if (command.Service is not { } service)
        {
            return ServiceKeys.OwnerOf(command.Key.Namespace) is { } owner && s.Scalar("select 1 from services where name = $1", owner.Value) is not null
                ? new AcquireResult(AcquireOutcome.NamespaceOwned, null)
                : null;
        }

        if (FindService(s, service) is not { } found)
        {
            return new AcquireResult(AcquireOutcome.ServiceGone, null);
        }

        if (found.Version != command.ServiceVersion)
        {
            return new AcquireResult(AcquireOutcome.ServiceChanged, null);
        }

        if (s.Scalar(
            "select retry_at from service_failures where namespace = $1 and name = $2 and retry_at > $3", command.Key.Namespace, command.Key.Name, s.Lease) is { } retry)
        {
            return new AcquireResult(AcquireOutcome.CrashLoop, null) { HeldFor = TimeSpan.FromMilliseconds(retry - s.Lease) };
        }

        // An expired holder of this key is replaced, not added to.
        return found.Config.MaxBackends is { } most
            && !ServiceKeys.IsReserved(command.Key.Namespace)
            && s.Scalar(
                """
                select count(*) from backends
                where service = $1 and status <> 'terminated' and key_namespace not like '.plane/%' and not (key_namespace = $2 and key_name = $3)
                """,
                service.Value,
                command.Key.Namespace,
                command.Key.Name) >= most
                ? new AcquireResult(AcquireOutcome.ServiceFull, null)
                : null;
    }

    /// <summary>Counts a backend of a service that has ended among the failed starts of its key, or ends the count.</summary>
    private static void NoteEnd(SqliteSession s, string id)
    {
        var ended = s.Single(
            """
            select key_namespace, key_name, service, ready_at, (termination_reason is null or termination_reason in ('startup_timeout', 'internal_error')),
                (termination_reason is not null or coalesce(exit_code, 0) <> 0)
            from backends where id = $1 and service is not null and key_namespace not like '.plane/%'
            """,
            static r => Tuple.Create(r.GetString(0), r.GetString(1), r.GetString(2), NumberOrNull(r, 3), r.GetBoolean(4), r.GetBoolean(5)),
            id);
        if (ended is not var (keyNamespace, keyName, service, ready, isOwnFault, isError))
        {
            return;
        }

        if (!isOwnFault || (ready is { } since && (!isError || s.Lease >= since + (long)s_soon.TotalMilliseconds)))
        {
            if (ready is not null)
            {
                s.Execute("delete from service_failures where namespace = $1 and name = $2", keyNamespace, keyName);
            }

            return;
        }

        NoteFailure(s, keyNamespace, keyName, service, id);
    }

    /// <summary>Counts a failed start of a key, or of the warm backends of a service's version, for which there is one key.</summary>
    private static void NoteFailure(SqliteSession s, string keyNamespace, string keyName, string service, string id)
    {
        var before = s.Scalar(
            "select count from service_failures where namespace = $1 and name = $2 and failed_at >= $3",
            keyNamespace,
            keyName,
            s.Lease - (long)s_forgiven.TotalMilliseconds) ?? 0;
        var rest = before + 1 < FreeFailures ? 0 : Math.Min((long)s_longestRest.TotalMilliseconds, 1000L << (int)Math.Min(before + 1 - FreeFailures, 6));
        s.Execute(
            """
            insert or replace into service_failures (namespace, name, service, count, backend_id, failed_at, retry_at) values ($1, $2, $3, $4, $5, $6, $7)
            """,
            keyNamespace,
            keyName,
            service,
            before + 1,
            id,
            s.Lease,
            s.Lease + rest);
    }

    private ServiceDefinition? FindService(SqliteSession s, ServiceName service) =>
        Readable(s, $"select {ServiceColumns} from services s where s.name = $1", ReadService, service.Value).SingleOrDefault();

    private static ServiceUse ReadServiceUse(SqliteDataReader r) => new(ReadService(r), r.GetInt32(12), r.GetInt32(13), r.GetInt32(14));

    private static ServiceDefinition ReadService(SqliteDataReader r) => new()
    {
        Name = ServiceName.Parse(r.GetString(0)),
        Version = r.GetInt64(1),
        Config = new ServiceConfig
        {
            SpawnConfig = StoreText.ReadSpawnConfig(r.GetString(2)),
            Access = new ServiceAccess { Kind = EnumText.Parse<ServiceAccessKind>(r.GetString(3)), ForwardAuth = TextOrNull(r, 4) },
            MaxBackends = (int?)NumberOrNull(r, 5),
            Warm = NumberOrNull(r, 6) is { } count
                ? new WarmConfig { Count = (int)count, MaxAgeSeconds = (int?)NumberOrNull(r, 7), ClaimPath = TextOrNull(r, 8) }
                : null,
            Prepull = r.GetBoolean(9),
        },
        CreatedAt = Time(r.GetInt64(10)),
        UpdatedAt = Time(r.GetInt64(11)),
    };
}
