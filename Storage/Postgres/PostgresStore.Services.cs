using Npgsql;

namespace Plane.Storage.Postgres;

// Services, their signing keys, labels and failed starts.
internal sealed partial class PostgresStore
{
    private const string ServiceColumns =
        """
        s.name, s.version, s.spawn_config, s.access::text, s.forward_auth, s.max_backends, s.warm_count, s.warm_max_age_seconds, s.warm_claim_path, s.prepull,
        s.created_at, s.updated_at
        """;

    private const string ServiceUseSql =
        $"""
        select {ServiceColumns}, u.backends, u.ready, u.starting
        from plane.services s
        cross join lateral (
            select count(*) filter (where b.key_namespace not like '.plane/%') as backends,
                count(*) filter (where b.key_namespace like '.plane/%' and b.service_version = s.version and b.status = 'waiting' and b.end_kind is null and b.warm_at is not null) as ready,
                count(*) filter (where b.key_namespace like '.plane/%' and b.service_version = s.version and b.status <= 'waiting' and b.end_kind is null and b.warm_at is null) as starting
            from plane.backends b where b.service = s.name and b.status < 'terminated'
        ) u
        """;

    public async Task<ServiceWrite> PutServiceAsync(ServiceName service, ServiceConfig config, CancellationToken cancellationToken)
    {
        var rows = await QueryAsync(
            "select outcome::text, version, created_at, updated_at from plane.put_service($1, $2, $3::plane.access_kind, $4, $5, $6, $7, $8, $9, $10)",
            r => EnumText.Parse<ServiceWriteOutcome>(r.GetString(0)) is var outcome && outcome == ServiceWriteOutcome.TooMany
                ? new ServiceWrite(outcome, null)
                : new ServiceWrite(
                    outcome,
                    new ServiceDefinition { Name = service, Version = r.GetInt64(1), Config = config, CreatedAt = ReadTime(r, 2), UpdatedAt = ReadTime(r, 3) }),
            cancellationToken,
            Sql.Text(service.Value),
            Sql.Text(StoreText.WriteSpawnConfig(config.SpawnConfig)),
            Sql.Text(config.Access.Kind.Name()),
            Sql.Text(config.Access.ForwardAuth),
            Sql.Int(config.MaxBackends),
            Sql.Int(config.Warm?.Count),
            Sql.Int(config.Warm?.MaxAgeSeconds),
            Sql.Text(config.Warm?.ClaimPath),
            Sql.Bool(config.Prepull),
            Sql.Int(ServiceLimits.MaxServices));
        if (rows[0].Outcome is ServiceWriteOutcome.Created or ServiceWriteOutcome.Changed)
        {
            _feed.Committed();
        }

        return rows[0];
    }

    public async Task<ServiceDefinition?> FindServiceAsync(ServiceName service, CancellationToken cancellationToken) =>
        (await QueryAsync($"select {ServiceColumns} from plane.services s where s.name = $1", ReadService, cancellationToken, Sql.Text(service.Value))).SingleOrDefault();

    public async Task<ServiceUse?> ReadServiceAsync(ServiceName service, CancellationToken cancellationToken) =>
        (await QueryAsync($"{ServiceUseSql} where s.name = $1", ReadServiceUse, cancellationToken, Sql.Text(service.Value))).SingleOrDefault();

    public async Task<IReadOnlyList<ServiceUse>> ListServicesAsync(CancellationToken cancellationToken) =>
        await QueryAsync($"{ServiceUseSql} order by s.name", ReadServiceUse, cancellationToken);

    public async Task<bool> DeleteServiceAsync(ServiceName service, bool keepBackends, CancellationToken cancellationToken)
    {
        var deleted = await ScalarAsync<bool>("select plane.delete_service($1, $2)", cancellationToken, Sql.Text(service.Value), Sql.Bool(keepBackends));
        if (deleted)
        {
            _feed.Committed();
        }

        return deleted;
    }

    public async Task<ServiceRead?> ReadServiceAccessAsync(ServiceName service, CancellationToken cancellationToken)
    {
        var rows = await QueryAsync(
            $"""
            select {ServiceColumns}, {LogEnd}, k.kid, k.alg::text, k.material
            from plane.services s left join plane.service_keys k on k.service = s.name
            where s.name = $1 order by k.kid
            """,
            r => (
                Service: ReadService(r),
                ReadAt: new LogPosition(r.GetInt64(12), long.MaxValue),
                Key: !r.IsDBNull(13) && _unreadable.TryRead(r, static row => ReadSigningKey(row, 13), out var key, key: 13) ? key : null),
            cancellationToken,
            Sql.Text(service.Value));
        return rows.Count == 0 ? null : new ServiceRead(rows[0].Service, [.. rows.Select(r => r.Key).OfType<SigningKey>()], rows[0].ReadAt);
    }

    public async Task<SigningKeyOutcome> AddSigningKeyAsync(ServiceName service, SigningKey key, CancellationToken cancellationToken)
    {
        var outcome = EnumText.Parse<SigningKeyOutcome>(await ScalarAsync<string>(
            "select plane.add_service_key($1, $2, $3::plane.signing_algorithm, $4, $5)::text",
            cancellationToken,
            Sql.Text(service.Value),
            Sql.Text(key.Kid),
            Sql.Text(key.Alg.Name()),
            Sql.Text(key.Material),
            Sql.Int(SigningKeyRules.MaxKeys)));
        if (outcome == SigningKeyOutcome.Added)
        {
            _feed.Committed();
        }

        return outcome;
    }

    public async Task<IReadOnlyList<SigningKeyInfo>?> ListSigningKeysAsync(ServiceName service, CancellationToken cancellationToken)
    {
        var rows = await QueryAsync(
            "select k.kid, k.alg::text, k.created_at from plane.services s left join plane.service_keys k on k.service = s.name where s.name = $1 order by k.kid",
            static r => r.IsDBNull(0)
                ? null
                : new SigningKeyInfo { Kid = r.GetString(0), Alg = EnumText.Parse<SigningAlgorithm>(r.GetString(1)), CreatedAt = ReadTime(r, 2) },
            cancellationToken,
            Sql.Text(service.Value));
        return rows.Count == 0 ? null : [.. rows.OfType<SigningKeyInfo>()];
    }

    public async Task<ChangeOutcome> DeleteSigningKeyAsync(ServiceName service, string kid, CancellationToken cancellationToken)
    {
        var deleted = await ScalarAsync<bool>(
            """
            with k as (
                delete from plane.service_keys where service = $1 and kid = $2 returning service
            ), c as (
                insert into plane.changes (kind, service) select 'service', service from k
            )
            select exists (select 1 from k)
            """,
            cancellationToken,
            Sql.Text(service.Value),
            Sql.Text(kid));
        if (deleted)
        {
            _feed.Committed();
        }

        return deleted ? ChangeOutcome.Changed : ChangeOutcome.NotFound;
    }

    public Task KeepLabelAsync(ServiceName service, string label, KeyConfig key, CancellationToken cancellationToken) => ExecuteAsync(
        """
        insert into plane.service_labels (service, label, namespace, name)
        select s.name, $2, $3, $4 from plane.services s where s.name = $1 for key share
        on conflict do nothing
        """,
        cancellationToken,
        Sql.Text(service.Value),
        Sql.Text(label),
        Sql.Text(key.Namespace),
        Sql.Text(key.Name));

    public async Task<KeyConfig?> FindLabelAsync(ServiceName service, string label, CancellationToken cancellationToken) =>
        (await QueryAsync(
            "select name, namespace from plane.service_labels where service = $1 and label = $2",
            static r => new KeyConfig { Name = r.GetString(0), Namespace = r.GetString(1) },
            cancellationToken,
            Sql.Text(service.Value),
            Sql.Text(label))).SingleOrDefault();

    public async Task<StartFailures?> ReadFailuresAsync(KeyConfig key, CancellationToken cancellationToken) =>
        (await QueryAsync(
            """
            select f.count, f.backend_id, b.message, b.exit_code, b.output_tail
            from plane.service_failures f left join plane.backends b on b.id = f.backend_id
            where f.namespace = $1 and f.name = $2
            """,
            static r => new StartFailures(
                r.GetInt32(0), BackendName.Parse(r.GetString(1)), StoreText.EndOf(TextOrNull(r, 2), ValueOrNull<int>(r, 3)), TextOrNull(r, 4)),
            cancellationToken,
            Sql.Text(key.Namespace),
            Sql.Text(key.Name))).SingleOrDefault();

    private static ServiceUse ReadServiceUse(NpgsqlDataReader r) => new(ReadService(r), (int)r.GetInt64(12), (int)r.GetInt64(13), (int)r.GetInt64(14));

    private static ServiceDefinition ReadService(NpgsqlDataReader r) => new()
    {
        Name = ServiceName.Parse(r.GetString(0)),
        Version = r.GetInt64(1),
        Config = new ServiceConfig
        {
            SpawnConfig = StoreText.ReadSpawnConfig(r.GetString(2)),
            Access = new ServiceAccess { Kind = EnumText.Parse<ServiceAccessKind>(r.GetString(3)), ForwardAuth = TextOrNull(r, 4) },
            MaxBackends = ValueOrNull<int>(r, 5),
            Warm = ValueOrNull<int>(r, 6) is { } count
                ? new WarmConfig { Count = count, MaxAgeSeconds = ValueOrNull<int>(r, 7), ClaimPath = TextOrNull(r, 8) }
                : null,
            Prepull = r.GetBoolean(9),
        },
        CreatedAt = ReadTime(r, 10),
        UpdatedAt = ReadTime(r, 11),
    };
}
