using Npgsql;

namespace Plane.Storage.Postgres;

// Warm backends: the claim, and what a pool has.
internal sealed partial class PostgresStore
{
    private const string ClaimSql = $"select outcome::text, {HolderColumns}, changed, held_for from plane.claim_once($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";

    public async Task<AcquireResult> ClaimAsync(ClaimRequest request, CancellationToken cancellationToken)
    {
        var command = request.Command;
        var claim = StoreText.WriteClaim(request);
        try
        {
            var rows = await QueryAsync(
                ClaimSql,
                r => (
                    Result: new AcquireResult(EnumText.Parse<AcquireOutcome>(r.GetString(0)), HolderOrNull(r, 1)) { HeldFor = ValueOrNull<TimeSpan>(r, 10) ?? default },
                    Changed: ValueOrNull<bool>(r, 9) ?? false),
                cancellationToken,
                Sql.Text(command.Service!.Value.Value),
                Sql.Big(command.ServiceVersion),
                Sql.Text(request.Cluster.Value),
                Sql.Text(command.Key.Namespace),
                Sql.Text(command.Key.Name),
                Sql.Text(command.Key.Tag),
                Sql.Text(command.Token.Hash()),
                Sql.Text(command.SecretToken),
                Sql.Text(command.User),
                Sql.Text(command.Auth?.Text),
                Sql.Int(command.Spawn?.LifetimeLimitSeconds),
                Sql.Text(claim),
                Sql.Span(_numbers.Expiry),
                Sql.Span(_numbers.HeartbeatFresh),
                Sql.Span(StoreText.LeftToClaim(_numbers)));
            return Noted(rows[0].Result, rows[0].Changed);
        }
        catch (PostgresException e) when (e.SqlState == "PLN03")
        {
            return new AcquireResult(AcquireOutcome.ServiceFull, null);
        }
    }

    public async Task<IReadOnlyList<WarmBackend>> ListWarmAsync(CancellationToken cancellationToken) => await QueryAsync(
        """
        select b.id, b.fencing_token, b.service, b.service_version, b.cluster, b.drone, b.key_name, b.status = 'waiting' and b.warm_at is not null,
            b.status > 'waiting' or b.end_kind is not null or not b.allow_renew or coalesce(d.draining, true), now() - b.created_at
        from plane.backends b left join plane.drones d on d.cluster = b.cluster and d.name = b.drone
        where b.key_namespace like '.plane/warm/%' and b.status < 'terminated' and b.service is not null
        """,
        ReadWarm,
        cancellationToken);

    public Task<TimeSpan?> ReadWarmDelayAsync(ServiceName service, long version, CancellationToken cancellationToken) => ScalarAsync<TimeSpan?>(
        "select greatest(retry_at - now(), interval '0') from plane.service_failures where namespace = $1 and name = $2",
        cancellationToken,
        Sql.Text(PoolKey.Prefix + service.Value),
        Sql.Text(version.ToString(System.Globalization.CultureInfo.InvariantCulture)));

    public async Task<int> EndWarmAsync(IReadOnlyList<BackendIdentity> backends, CancellationToken cancellationToken)
    {
        var count = backends.Count == 0
            ? 0
            : await ScalarAsync<int>(
                "select plane.end_warm($1, $2)",
                cancellationToken,
                Sql.Texts([.. backends.Select(b => b.Backend.Value)]),
                Sql.Bigs([.. backends.Select(b => b.Token.Value)]));
        if (count > 0)
        {
            _feed.Committed();
        }

        return count;
    }

    private static WarmBackend ReadWarm(NpgsqlDataReader r) => new(
        ReadIdentity(r, 0),
        ServiceName.Parse(r.GetString(2)),
        r.GetInt64(3),
        ClusterName.Parse(r.GetString(4)),
        DroneName.Parse(r.GetString(5)),
        PoolKey.PlaceOf(r.GetString(6)),
        r.GetBoolean(7),
        r.GetBoolean(8),
        r.GetFieldValue<TimeSpan>(9));
}
