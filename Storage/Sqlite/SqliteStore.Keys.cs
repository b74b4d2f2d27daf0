using Microsoft.Data.Sqlite;

namespace Plane.Storage.Sqlite;

// Keys: connect, acquire, renew.
internal sealed partial class SqliteStore
{
    private const string HolderColumns = "b.id, b.fencing_token, b.key_tag, b.cluster, b.drone, b.status, b.subdomain, b.static_token";
    private const string HolderSql = $"select {HolderColumns} from backends b where b.id = $1";
    private const string LiveHolderSql =
        $"""
        select {HolderColumns}, b.uses_static_token from keys k join backends b on b.id = k.backend_id and b.status <> 'terminated'
        where k.namespace = $1 and k.name = $2 and k.expires_at > $3
        """;

    public async Task<IReadOnlyList<TokenResult>> IssueTokensAsync(IReadOnlyList<TokenRequest> requests, CancellationToken cancellationToken) =>
        requests.Count == 0 ? [] : await _engine.WriteAsync<TokenResult[]>(s => [.. requests.Select(r => Issue(s, r))], cancellationToken);

    public Task<AcquireResult> AcquireAsync(AcquireRequest request, CancellationToken cancellationToken)
    {
        var spawn = request.Command.Spawn ?? throw new ArgumentException("an acquisition needs a spawn config", nameof(request));
        var staticToken = StoreText.StaticTokenOf(request.Command);
        var order = StoreText.WriteSpawn(request.Command);
        return _engine.WriteAsync(s => AcquireOnce(s, request, spawn, staticToken, order), cancellationToken);
    }

    public Task<IReadOnlyList<RenewalOutcome>> RenewAsync(IReadOnlyList<BackendIdentity> holders, CancellationToken cancellationToken) =>
        _engine.WriteAsync<IReadOnlyList<RenewalOutcome>>(s => [.. holders.Select(h => Renew(s, h))], cancellationToken);

    public Task<ChangeOutcome> PreventRenewalAsync(BackendName backend, CancellationToken cancellationToken) => _engine.WriteAsync(
        s =>
        {
            if (s.Execute("update backends set allow_renew = 0 where id = $1 and status <> 'terminated' and allow_renew = 1", backend.Value) == 0)
            {
                return s.Scalar("select 1 from backends where id = $1", backend.Value) is null ? ChangeOutcome.NotFound : ChangeOutcome.Unchanged;
            }

            s.Execute("update keys set allow_renew = 0 where backend_id = $1", backend.Value);
            return ChangeOutcome.Changed;
        },
        cancellationToken);

    private TokenResult Issue(SqliteSession s, TokenRequest request)
    {
        var found = Readable(
            s, LiveHolderSql, static r => Tuple.Create(ReadHolder(r, 0), r.GetBoolean(8)), request.Key.Namespace, request.Key.Name, s.Lease).SingleOrDefault();
        if (found is not var (holder, isStatic))
        {
            return new TokenResult(TokenOutcome.NotHeld, null);
        }

        if (holder.Tag != request.Key.Tag)
        {
            return new TokenResult(TokenOutcome.TagDiffers, holder);
        }

        if (!isStatic)
        {
            StoreToken(s, request.TokenHash, holder.Identity.Backend.Value, request.User, request.Auth?.Text, request.SecretToken);
        }
        else if (holder.StaticToken is null)
        {
            // The one it had was revoked.
            var fresh = BearerToken.NewStatic();
            s.Execute(
                "update backends set static_token = $2, static_token_hash = $3 where id = $1", holder.Identity.Backend.Value, fresh.Value, fresh.Hash());
            StoreToken(s, fresh.Hash(), holder.Identity.Backend.Value, null, null, null);
            holder = holder with { StaticToken = fresh };
        }

        return new TokenResult(TokenOutcome.Issued, holder);
    }

    // A token belongs to the backend of its last answer; a revoked one stays revoked.
    private static void StoreToken(SqliteSession s, string hash, string backend, string? user, string? auth, string? secret) => s.Execute(
        """
        insert into tokens (hash, backend_id, user_name, auth, secret) values ($1, $2, $3, $4, $5)
        on conflict (hash) do update
            set backend_id = excluded.backend_id, user_name = excluded.user_name, auth = excluded.auth, secret = excluded.secret
            where tokens.backend_id <> excluded.backend_id and tokens.revoked = 0
        """,
        hash,
        backend,
        user,
        auth,
        secret);

    private AcquireResult Acquire(SqliteSession s, AcquireRequest request, SpawnConfig spawn, BearerToken? staticToken, string order)
    {
        var command = request.Command;
        var (id, key, cluster, drone) = (command.BackendId.Value, command.Key, request.Cluster.Value, request.Drone.Value);
        var tokenHash = command.Token.Hash();

        // A repeat of the request that started this backend is answered as it was then.
        if (s.Scalar("select 1 from backends where id = $1", id) is not null)
        {
            return Holder(s, id) is { } old ? AcquireAgain(s, command, old, tokenHash) : new AcquireResult(AcquireOutcome.BackendIdTaken, null);
        }

        // In its last millisecond a lease is neither renewed nor taken.
        if (s.ScalarText(
            "select b.id from keys k join backends b on b.id = k.backend_id and b.status <> 'terminated' where k.namespace = $1 and k.name = $2 and k.expires_at > $3",
            key.Namespace,
            key.Name,
            s.Lease - 1) is { } holder)
        {
            return new AcquireResult(AcquireOutcome.Held, Holder(s, holder));
        }

        if (ServiceRefusal(s, command) is { } refusal)
        {
            return refusal;
        }

        // 1. The drone, checked again.
        var fit = s.Single(
            $"""
            select instance_id, boot_id, reading, kinds from drones d
            where cluster = $1 and name = $2 and ready = 1 and draining = 0 and heartbeat_at > $3 and pool = $4 and max_backends > {LiveCount}
            """,
            static r => Tuple.Create(r.GetString(0), r.GetString(1), r.GetInt64(2), ReadKinds(r.GetString(3))),
            cluster,
            drone,
            s.Lease - _fresh,
            spawn.Pool);
        if (fit is not var (instanceId, bootId, reading, kinds) || !kinds.Contains(spawn.Executable.Kind))
        {
            return new AcquireResult(AcquireOutcome.DroneUnfit, null);
        }

        var expired = s.ScalarText("select backend_id from keys where namespace = $1 and name = $2", key.Namespace, key.Name);
        var reserves = ResourceAmounts.Of(spawn.Executable);
        var capacity = reserves == ResourceAmounts.None ? null : ReadCapacity(s, cluster, drone);
        if (capacity is not null && reserves.ShortOn(capacity, ReadReserved(s, cluster, drone, except: expired)).Any())
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
        s.Execute(
            "insert into keys (namespace, name, tag, backend_id, fencing_token, expires_at) values ($1, $2, $3, $4, $5, $6)",
            key.Namespace,
            key.Name,
            key.Tag,
            id,
            token,
            s.Lease + _expiry);
        s.Execute(
            """
            insert into backends (
                id, cluster, drone, pool, key_namespace, key_name, key_tag, fencing_token, acquired_by, status, status_at, created_at,
                lifetime_ends_at, max_idle_seconds, subdomain, uses_static_token, static_token, static_token_hash, executor, image, web, service, service_version)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'scheduled', $10, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
            """,
            id,
            cluster,
            drone,
            spawn.Pool,
            key.Namespace,
            key.Name,
            key.Tag,
            token,
            tokenHash,
            s.Record,
            spawn.LifetimeLimitSeconds is { } lifetime ? s.Lease + (lifetime * 1000L) : null,
            spawn.MaxIdleSeconds,
            spawn.Subdomain,
            staticToken is not null,
            staticToken?.Value,
            staticToken?.Hash(),
            spawn.Executable.Kind.Name(),
            spawn.Executable.Image,
            StoreText.WriteWeb(spawn),
            command.Service?.Value,
            command.ServiceVersion);
        if (reserves != ResourceAmounts.None)
        {
            s.Execute(
                "update backends set cpu_millis = $2, memory_bytes = $3, disk_bytes = $4, gpus = $5 where id = $1",
                id,
                reserves.CpuMillis,
                reserves.MemoryBytes,
                reserves.DiskBytes,
                capacity is null ? Math.Max(0, reserves.Gpus) : reserves.NeededOn(capacity, Resource.Gpus));
        }

        // 5. Connection token, history, change log, spawn action.
        if (staticToken is { } shared)
        {
            StoreToken(s, shared.Hash(), id, null, null, null);
        }
        else
        {
            StoreToken(s, tokenHash, id, command.User, command.Auth?.Text, command.SecretToken);
        }

        s.Execute("insert into history (backend_id, status, at) values ($1, 'scheduled', $2)", id, s.Record);
        s.Log(ChangeKind.BackendState, cluster, id, token, BackendStatus.Scheduled);
        s.Execute(
            """
            insert into actions (cluster, drone, number, backend_id, fencing_token, kind, spawn, instance_id, boot_id, renew_at, soft_at, hard_at)
            values ($1, $2, $3, $4, $5, 'spawn', $6, $7, $8, $9, $10, $11)
            """,
            cluster,
            drone,
            NextAction(s, cluster, drone),
            id,
            token,
            order,
            instanceId,
            bootId,
            reading + (long)_numbers.RenewAfter.TotalMilliseconds,
            reading + (long)_numbers.Soft.TotalMilliseconds,
            reading + (long)_numbers.Hard.TotalMilliseconds);
        return new AcquireResult(AcquireOutcome.Acquired, Holder(s, id));
    }

    private HolderInfo? Holder(SqliteSession s, string id) => Readable(s, HolderSql, static r => ReadHolder(r, 0), id).SingleOrDefault();

    private static AcquireResult AcquireAgain(SqliteSession s, ResolvedConnect command, HolderInfo old, string tokenHash)
    {
        var id = command.BackendId.Value;
        var same = s.Scalar(
            "select 1 from backends where id = $1 and key_namespace = $2 and key_name = $3 and key_tag = $4 and ($5 or acquired_by = $6)",
            id,
            command.Key.Namespace,
            command.Key.Name,
            command.Key.Tag,
            !command.BackendIdIsChosen,
            tokenHash) is not null;
        if (same)
        {
            if (old.Status < BackendStatus.Terminated && s.Scalar("select 1 from backends where id = $1 and uses_static_token = 0", id) is not null)
            {
                StoreToken(s, tokenHash, id, command.User, command.Auth?.Text, command.SecretToken);
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

    private RenewalOutcome Renew(SqliteSession s, BackendIdentity holder)
    {
        var renewed = s.Execute(
            """
            update keys set expires_at = max(expires_at, $3)
            where backend_id = $1 and $2 in (fencing_token, start_token) and allow_renew = 1 and expires_at > $4
            """,
            holder.Backend.Value,
            holder.Token.Value,
            s.Lease + _expiry,
            s.Lease);
        return renewed > 0
            ? RenewalOutcome.Renewed
            : s.Scalar(
                "select expires_at > $3 from keys where backend_id = $1 and $2 in (fencing_token, start_token)", holder.Backend.Value, holder.Token.Value, s.Lease) switch
            {
                null => RenewalOutcome.Unknown,
                0 => RenewalOutcome.Expired,
                _ => RenewalOutcome.Prevented,
            };
    }

    // terminated/lost, with everything that goes with it.
    private static void MarkLost(SqliteSession s, string id)
    {
        s.Execute("delete from keys where backend_id = $1", id);
        var lost = s.Query(
            """
            update backends set status = 'terminated', status_at = max(status_at, $2), termination_reason = 'lost', static_token = null
            where id = $1 and status <> 'terminated' returning cluster, fencing_token, status_at
            """,
            static r => (Cluster: r.GetString(0), Token: r.GetInt64(1), At: r.GetInt64(2)),
            id,
            s.Record);
        foreach (var (cluster, token, at) in lost)
        {
            s.Execute("insert into history (backend_id, status, at, termination_reason) values ($1, 'terminated', $2, 'lost')", id, at);
            s.Log(ChangeKind.BackendState, cluster, id, token, BackendStatus.Terminated);
        }

        s.Execute("delete from actions where backend_id = $1", id);
    }

    // Strictly greater than every one before, and not behind the record clock.
    private static long NextFencingToken(SqliteSession s)
    {
        s.Execute("update fencing_tokens set last = max(last + 1, $1)", s.Record);
        return s.Scalar("select last from fencing_tokens")!.Value;
    }

    private static long NextAction(SqliteSession s, string cluster, string drone)
    {
        s.Execute("update drone_counters set last_action = last_action + 1 where cluster = $1 and drone = $2", cluster, drone);
        s.Log(ChangeKind.DroneAction, cluster, drone: drone);
        return s.Scalar("select last_action from drone_counters where cluster = $1 and drone = $2", cluster, drone)!.Value;
    }

    private static long? NumberOrNull(SqliteDataReader row, int at) => row.IsDBNull(at) ? null : row.GetInt64(at);
}
