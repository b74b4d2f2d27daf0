namespace Plane.Storage.Sqlite;

// TXT values, the challenge lease, orders.
internal sealed partial class SqliteStore
{
    /// <summary>How long an order is kept: a day longer than the longest window.</summary>
    private const long OrderAge = 8L * 24 * 3_600_000;

    public async Task<string[]> ReadTxtAsync(ClusterName cluster, CancellationToken cancellationToken) =>
    [
        .. await _engine.ReadAsync(
            s => s.Query(
                "select distinct item from txt_values where cluster = $1 and expires_at > $2 order by item", static r => r.GetString(0), cluster.Value, s.Lease),
            cancellationToken),
    ];

    public Task<bool> SetTxtAsync(ClusterName cluster, TxtValues values, TimeSpan lifetime, CancellationToken cancellationToken) => _engine.WriteAsync(
        s =>
        {
            IEnumerable<string> items = values.Values;
            if (values.Add)
            {
                items = items.Concat(s.Query(
                    "select item from txt_values where cluster = $1 and owner = $2 and expires_at > $3",
                    static r => r.GetString(0),
                    cluster.Value,
                    values.Owner,
                    s.Lease));
            }

            string[] all = [.. items.Distinct()];
            if (all.Length > TxtValues.MaxValues)
            {
                return false;
            }

            s.Execute("delete from txt_values where cluster = $1 and owner = $2", cluster.Value, values.Owner);
            foreach (var item in all)
            {
                s.Execute(
                    "insert into txt_values (cluster, owner, item, expires_at) values ($1, $2, $3, $4)",
                    cluster.Value,
                    values.Owner,
                    item,
                    s.Lease + (long)lifetime.TotalMilliseconds);
            }

            s.Log(ChangeKind.TxtValues, cluster.Value);
            return true;
        },
        cancellationToken);

    public async Task<TxtEntry[]> ListTxtAsync(ClusterName cluster, CancellationToken cancellationToken)
    {
        var rows = await _engine.ReadAsync(
            s => s.Query(
                "select owner, item, expires_at - $2 from txt_values where cluster = $1 and expires_at > $2 order by owner, item",
                static r => (Owner: r.GetString(0), Item: r.GetString(1), Left: r.GetInt64(2)),
                cluster.Value,
                s.Lease),
            cancellationToken);
        return
        [
            .. rows.GroupBy(r => r.Owner).Select(g => new TxtEntry
            {
                Owner = g.Key,
                Values = [.. g.Select(r => r.Item)],
                ExpiresIn = TimeSpan.FromMilliseconds(g.Max(r => r.Left)),
            }),
        ];
    }

    public Task<ChallengeLease> HoldChallengeAsync(ClusterName cluster, ChallengeHold hold, CancellationToken cancellationToken) => _engine.WriteAsync(
        s =>
        {
            s.Execute(
                """
                insert into challenge_leases (cluster, owner, expires_at) values ($1, $2, $3)
                on conflict (cluster) do update set
                    owner = excluded.owner,
                    expires_at = case when owner = excluded.owner then max(expires_at, excluded.expires_at) else excluded.expires_at end
                    where owner = excluded.owner or expires_at <= $4
                """,
                cluster.Value,
                hold.Owner,
                s.Lease + Math.Max(1, (long)hold.Time.TotalMilliseconds),
                s.Lease);
            return ReadChallenge(s, cluster)!;
        },
        cancellationToken);

    public Task ReleaseChallengeAsync(ClusterName cluster, string owner, CancellationToken cancellationToken) => _engine.WriteAsync(
        s => s.Execute("delete from challenge_leases where cluster = $1 and owner = $2", cluster.Value, owner), cancellationToken);

    public Task<OrderQuota> BeginOrderAsync(ClusterName cluster, CertificateOrder order, CancellationToken cancellationToken) => _engine.WriteAsync(
        s =>
        {
            s.Execute("delete from certificate_orders where cluster = $1 and ordered_at <= $2", cluster.Value, s.Record - OrderAge);
            var known = s.Scalar("select 1 from certificate_orders where cluster = $1 and id = $2", cluster.Value, order.Id) is not null;
            var window = (long)order.Window.TotalMilliseconds;
            var counted = s.Query(
                "select ordered_at from certificate_orders where cluster = $1 and authority = $2 and ordered_at > $3 order by ordered_at",
                static r => r.GetInt64(0),
                cluster.Value,
                order.Authority,
                s.Record - window);
            if (known)
            {
                return new OrderQuota { IsAllowed = true, Counted = counted.Count };
            }

            if (counted.Count >= order.Limit)
            {
                return new OrderQuota
                {
                    IsAllowed = false,
                    Counted = counted.Count,
                    Wait = TimeSpan.FromMilliseconds(counted[0] + window - s.Record),
                };
            }

            s.Execute(
                "insert into certificate_orders (cluster, id, authority, owner, ordered_at) values ($1, $2, $3, $4, $5)",
                cluster.Value,
                order.Id,
                order.Authority,
                order.Owner,
                s.Record);
            return new OrderQuota { IsAllowed = true, Counted = counted.Count + 1 };
        },
        cancellationToken);

    public Task DropOrderAsync(ClusterName cluster, string orderId, CancellationToken cancellationToken) => _engine.WriteAsync(
        s => s.Execute("delete from certificate_orders where cluster = $1 and id = $2", cluster.Value, orderId), cancellationToken);

    private static ChallengeLease? ReadChallenge(SqliteSession s, ClusterName cluster) => s.Single(
        "select owner, expires_at - $2 from challenge_leases where cluster = $1 and expires_at > $2",
        static r => new ChallengeLease { Owner = r.GetString(0), ExpiresIn = TimeSpan.FromMilliseconds(r.GetInt64(1)) },
        cluster.Value,
        s.Lease);
}
