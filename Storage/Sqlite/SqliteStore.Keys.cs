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
        var acquisition = new Acquisition(
            request,
            request.Command.Spawn ?? throw new ArgumentException("an acquisition needs a spawn config", nameof(request)),
            StoreText.StaticTokenOf(request.Command),
            StoreText.WriteSpawn(request.Command));
        return _engine.WriteAsync(s => AcquireOnce(s, acquisition), cancellationToken);
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

    private static void StoreToken(SqliteSession s, ResolvedConnect command) =>
        StoreToken(s, command.Token.Hash(), command.BackendId.Value, command.User, command.Auth?.Text, command.SecretToken);

    private HolderInfo? Holder(SqliteSession s, string id) => Readable(s, HolderSql, static r => ReadHolder(r, 0), id).SingleOrDefault();

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
            NoteEnd(s, id);
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
