using Npgsql;

namespace Plane.Storage.Postgres;

// Keys: connect, acquire, renew.
internal sealed partial class PostgresStore
{
    private const string IssueSql =
        """
        with r as (
            select * from unnest($1, $2, $3, $4, $5, $6, $7) with ordinality as t (namespace, name, tag, hash, secret, user_name, auth, pos)
        ), h as (
            select r.pos, r.tag, r.hash, r.secret, r.user_name, r.auth, b.id, b.fencing_token, b.key_tag, b.cluster, b.drone, b.status, b.subdomain,
                b.static_token, b.uses_static_token
            from r
            join plane.keys k on k.namespace = r.namespace and k.name = r.name and k.expires_at > now()
            join plane.backends b on b.id = k.backend_id and b.status < 'terminated'
        ), i as (
            insert into plane.tokens (hash, backend_id, user_name, auth, secret)
            select distinct on (hash) hash, id, user_name, auth, secret from h where key_tag = tag and not uses_static_token order by hash
            on conflict (hash) do update
                set backend_id = excluded.backend_id, user_name = excluded.user_name, auth = excluded.auth, secret = excluded.secret
                where plane.tokens.backend_id <> excluded.backend_id and not plane.tokens.revoked
        )
        select id, fencing_token, key_tag, cluster, drone, status::text, subdomain, static_token, pos, key_tag = tag, uses_static_token from h
        """;

    private const string RenewSql =
        """
        with l as materialized (
            select k.backend_id, i.pos, k.allow_renew, k.expires_at > now() as lives
            from plane.keys k
            join unnest($1, $2) with ordinality as i (id, token, pos) on k.backend_id = i.id and i.token in (k.fencing_token, k.start_token)
            order by k.backend_id
            for update of k
        ), u as (
            update plane.keys k set expires_at = greatest(k.expires_at, now() + $3) from l where k.backend_id = l.backend_id and l.allow_renew and l.lives
        )
        select pos, allow_renew, lives from l
        """;

    // What plane.holder has.
    private const string HolderColumns = "h_id, h_token, h_tag, h_cluster, h_drone, h_status::text, h_subdomain, h_static_token";

    private const string AcquireColumns = $"outcome::text, {HolderColumns}, spawned, sealed, changed, held_for";

    private const string AcquireCall =
        """
        plane.acquire_once(
            $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::plane.executor_kind, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30,
            $31, $32) a
        """;

    private const string AcquireSql = $"select {AcquireColumns} from {AcquireCall}";

    // Once it has acquired: a backend that reserves nothing is not compared with anything.
    private const string AcquireReservingSql = $"select {AcquireColumns}, plane.reserve(a.outcome, a.h_id, $33, $34, $35, $36) from {AcquireCall}";

    public async Task<IReadOnlyList<TokenResult>> IssueTokensAsync(IReadOnlyList<TokenRequest> requests, CancellationToken cancellationToken)
    {
        if (requests.Count == 0)
        {
            return [];
        }

        var rows = await QueryAsync(
            IssueSql,
            static r => (Holder: ReadHolder(r, 0), Position: r.GetInt64(8), SameTag: r.GetBoolean(9), IsStatic: r.GetBoolean(10)),
            cancellationToken,
            Sql.Texts([.. requests.Select(r => r.Key.Namespace)]),
            Sql.Texts([.. requests.Select(r => r.Key.Name)]),
            Sql.Texts([.. requests.Select(r => r.Key.Tag)]),
            Sql.Texts([.. requests.Select(r => r.TokenHash)]),
            Sql.Texts([.. requests.Select(r => r.SecretToken)]),
            Sql.Texts([.. requests.Select(r => r.User)]),
            Sql.Texts([.. requests.Select(r => r.Auth?.Text)]));

        var results = new TokenResult[requests.Count];
        Array.Fill(results, new TokenResult(TokenOutcome.NotHeld, null));
        foreach (var (holder, position, sameTag, isStatic) in rows)
        {
            var issued = holder;
            if (sameTag && isStatic && holder.StaticToken is null)
            {
                issued = await IssueStaticAsync(holder, cancellationToken);
                if (issued is null)
                {
                    continue;
                }
            }

            results[position - 1] = new TokenResult(sameTag ? TokenOutcome.Issued : TokenOutcome.TagDiffers, issued);
        }

        return results;
    }

    public async Task<TokenResult> IssueOnceAsync(TokenRequest request, IdempotencyKey mark, bool waitsForEnd, CancellationToken cancellationToken)
    {
        var fresh = BearerToken.NewStatic();
        var rows = await QueryAsync(
            $"select outcome::text, {HolderColumns}, spawned, sealed from plane.issue_once($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
            r => new TokenResult(EnumText.Parse<TokenOutcome>(r.GetString(0)), HolderOrNull(r, 1)) { Kept = ReadKept(r, 9) },
            cancellationToken,
            Sql.Text(mark.IdHash),
            Sql.Text(mark.Digest),
            Sql.Bytes(mark.Sealed),
            Sql.Span(RequestIdentity.Kept),
            Sql.Bool(waitsForEnd),
            Sql.Text(request.Key.Namespace),
            Sql.Text(request.Key.Name),
            Sql.Text(request.Key.Tag),
            Sql.Text(request.TokenHash),
            Sql.Text(request.SecretToken),
            Sql.Text(request.User),
            Sql.Text(request.Auth?.Text),
            Sql.Text(fresh.Value),
            Sql.Text(fresh.Hash()));
        return rows[0];
    }

    public async Task<AcquireResult> AcquireAsync(AcquireRequest request, CancellationToken cancellationToken)
    {
        var spawn = request.Command.Spawn ?? throw new ArgumentException("an acquisition needs a spawn config", nameof(request));
        var reserves = ResourceAmounts.Of(spawn.Executable);
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                var rows = await QueryAsync(
                    reserves == ResourceAmounts.None ? AcquireSql : AcquireReservingSql,
                    r => (
                        Result: new AcquireResult(EnumText.Parse<AcquireOutcome>(r.GetString(0)), HolderOrNull(r, 1))
                        {
                            Kept = EnumText.Parse<AcquireOutcome>(r.GetString(0)) == AcquireOutcome.Repeated ? ReadKept(r, 9) : null,
                            HeldFor = ValueOrNull<TimeSpan>(r, 12) ?? default,
                        },
                        Changed: ValueOrNull<bool>(r, 11) ?? false),
                    cancellationToken,
                    AcquireParameters(request, spawn, reserves));
                return Noted(rows[0].Result, rows[0].Changed);
            }
            catch (PostgresException e) when (e.SqlState is "PLN02" or "PLN04")
            {
                return new AcquireResult(AcquireOutcome.DroneUnfit, null);
            }
            catch (PostgresException e) when (e.SqlState == "PLN03")
            {
                return new AcquireResult(AcquireOutcome.ServiceFull, null);
            }
            catch (PostgresException e) when (e.SqlState == "PLN01" && attempt < 3)
            {
                // The id was stored by another transaction meanwhile: called again, the function tells a repeat of this request from another one.
                LogRetry(e.SqlState, attempt);
            }
            catch (PostgresException e) when (e.SqlState == "PLN01")
            {
                return new AcquireResult(AcquireOutcome.BackendIdTaken, null);
            }
        }
    }

    private NpgsqlParameter[] AcquireParameters(AcquireRequest request, SpawnConfig spawn, ResourceAmounts reserves)
    {
        var command = request.Command;
        var staticToken = StoreText.StaticTokenOf(command);
        return
        [
            Sql.Text(request.Mark?.IdHash),
            Sql.Text(request.Mark?.Digest),
            Sql.Bytes(request.Mark?.Sealed),
            Sql.Span(RequestIdentity.Kept),
            Sql.Text(command.BackendId.Value),
            Sql.Bool(command.BackendIdIsChosen),
            Sql.Text(command.Key.Namespace),
            Sql.Text(command.Key.Name),
            Sql.Text(command.Key.Tag),
            Sql.Text(request.Cluster.Value),
            Sql.Text(request.Drone.Value),
            Sql.Text(spawn.Pool),
            Sql.Text(spawn.Executable.Kind.Name()),
            Sql.Text(spawn.Executable.Image),
            Sql.Int(spawn.LifetimeLimitSeconds),
            Sql.Int(spawn.MaxIdleSeconds),
            Sql.Text(spawn.Subdomain),
            Sql.Text(command.Token.Hash()),
            Sql.Text(command.SecretToken),
            Sql.Text(command.User),
            Sql.Text(command.Auth?.Text),
            Sql.Text(staticToken?.Value),
            Sql.Text(staticToken?.Hash()),
            Sql.Text(StoreText.WriteSpawn(command)),
            Sql.Span(_numbers.Expiry),
            Sql.Span(_numbers.HeartbeatFresh),
            Sql.Big((long)_numbers.RenewAfter.TotalMilliseconds),
            Sql.Big((long)_numbers.Soft.TotalMilliseconds),
            Sql.Big((long)_numbers.Hard.TotalMilliseconds),
            Sql.Text(StoreText.WriteWeb(spawn)),
            Sql.Text(command.Service?.Value),
            Sql.Big(command.ServiceVersion),
            .. reserves == ResourceAmounts.None ? [] : Amounts(reserves),
        ];
    }

    public async Task<IReadOnlyList<RenewalOutcome>> RenewAsync(IReadOnlyList<BackendIdentity> holders, CancellationToken cancellationToken)
    {
        if (holders.Count == 0)
        {
            return [];
        }

        // One row per holder, however often it is named.
        var unique = new Dictionary<BackendIdentity, int>(holders.Count);
        foreach (var holder in holders)
        {
            unique.TryAdd(holder, unique.Count);
        }

        var rows = await QueryAsync(
            RenewSql,
            static r => (Position: r.GetInt64(0), Allowed: r.GetBoolean(1), Lives: r.GetBoolean(2)),
            cancellationToken,
            Sql.Texts([.. unique.Keys.Select(h => h.Backend.Value)]),
            Sql.Bigs([.. unique.Keys.Select(h => h.Token.Value)]),
            Sql.Span(_numbers.Expiry));
        var outcomes = new RenewalOutcome[unique.Count];
        Array.Fill(outcomes, RenewalOutcome.Unknown);
        foreach (var (position, allowed, lives) in rows)
        {
            outcomes[position - 1] = !lives ? RenewalOutcome.Expired : allowed ? RenewalOutcome.Renewed : RenewalOutcome.Prevented;
        }

        return [.. holders.Select(h => outcomes[unique[h]])];
    }

    public async Task<ChangeOutcome> PreventRenewalAsync(BackendName backend, CancellationToken cancellationToken)
    {
        var outcome = await ScalarAsync<string>(
            """
            with b as (
                update plane.backends set allow_renew = false where id = $1 and status < 'terminated' and allow_renew returning id
            ), k as (
                update plane.keys set allow_renew = false where backend_id in (select id from b)
            )
            select case when exists (select 1 from b) then 'changed' when exists (select 1 from plane.backends where id = $1) then 'unchanged' else 'not_found' end
            """,
            cancellationToken,
            Sql.Text(backend.Value));
        return EnumText.Parse<ChangeOutcome>(outcome);
    }

    /// <summary>A fresh static token in place of one that was revoked; null where the holder ended meanwhile. The first of several at once wins.</summary>
    private async Task<HolderInfo?> IssueStaticAsync(HolderInfo holder, CancellationToken cancellationToken)
    {
        var fresh = BearerToken.NewStatic();
        await ExecuteAsync(
            """
            with b as (
                update plane.backends b set static_token = $3, static_token_hash = $4
                where b.id = $1 and b.fencing_token = $2 and b.uses_static_token and b.static_token is null and b.status < 'terminated'
                    and exists (select 1 from plane.keys k where k.backend_id = b.id and k.expires_at > now())
                returning b.id
            )
            insert into plane.tokens (hash, backend_id) select $4, id from b
            """,
            cancellationToken,
            Sql.Text(holder.Identity.Backend.Value),
            Sql.Big(holder.Identity.Token.Value),
            Sql.Text(fresh.Value),
            Sql.Text(fresh.Hash()));
        var rows = await QueryAsync(
            $"select {HolderColumns} from plane.holder($1) h where h.h_token = $2 and h.h_static_token is not null",
            static r => ReadHolder(r, 0),
            cancellationToken,
            Sql.Text(holder.Identity.Backend.Value),
            Sql.Big(holder.Identity.Token.Value));
        return rows.Count == 0 ? null : rows[0];
    }

    /// <summary>Wakes those that wait for a commit, and logs that the server is another one.</summary>
    private AcquireResult Noted(AcquireResult result, bool isOtherServer)
    {
        if (result.Outcome == AcquireOutcome.Acquired)
        {
            _feed.Committed();
        }

        if (isOtherServer)
        {
            LogOtherServer(result.HeldFor);
        }

        return result;
    }

    private HolderInfo? HolderOrNull(NpgsqlDataReader row, int at) =>
        !row.IsDBNull(at + 1) && _unreadable.TryRead(row, r => ReadHolder(r, at), out var holder, key: at) ? holder : null;

    private static StoredResponse? ReadKept(NpgsqlDataReader row, int at) =>
        row.IsDBNull(at + 1) ? null : new StoredResponse(row.GetBoolean(at), row.GetFieldValue<byte[]>(at + 1));

    private static T? ValueOrNull<T>(NpgsqlDataReader row, int at)
        where T : struct => row.IsDBNull(at) ? null : row.GetFieldValue<T>(at);
}
