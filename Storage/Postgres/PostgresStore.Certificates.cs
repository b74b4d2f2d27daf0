namespace Plane.Storage.Postgres;

// TXT values, the challenge lease, orders.
internal sealed partial class PostgresStore
{
    public async Task<string[]> ReadTxtAsync(ClusterName cluster, CancellationToken cancellationToken) =>
    [
        .. await QueryAsync(
            """
            select distinct i collate "C" as item from plane.txt_values t, unnest(t.items) i where t.cluster = $1 and t.expires_at > now() order by 1
            """,
            static r => r.GetString(0),
            cancellationToken,
            Sql.Text(cluster.Value)),
    ];

    public async Task<bool> SetTxtAsync(ClusterName cluster, TxtValues values, TimeSpan lifetime, CancellationToken cancellationToken)
    {
        // Added to what is set, the row is locked by the conflict, so two that add at once both succeed.
        var rows = await QueryAsync(
            """
            with s as (
                insert into plane.txt_values as t (cluster, owner, items, expires_at) values ($1, $2, $3, now() + $4)
                on conflict (cluster, owner) do update
                    set items = case when $5 and t.expires_at > now() then array(select distinct unnest(t.items || excluded.items)) else excluded.items end,
                        expires_at = excluded.expires_at
                    where not $5 or t.expires_at <= now() or (select count(distinct i) from unnest(t.items || excluded.items) i) <= $6
                returning 1
            ), c as (
                insert into plane.changes (kind, cluster) select 'txt_values', $1 from s
            )
            select exists (select 1 from s)
            """,
            static r => r.GetBoolean(0),
            cancellationToken,
            Sql.Text(cluster.Value),
            Sql.Text(values.Owner),
            Sql.Texts([.. values.Values.Distinct()]),
            Sql.Span(lifetime),
            Sql.Bool(values.Add),
            Sql.Int(TxtValues.MaxValues));
        if (rows[0])
        {
            _feed.Committed();
        }

        return rows[0];
    }

    public async Task<TxtEntry[]> ListTxtAsync(ClusterName cluster, CancellationToken cancellationToken) =>
    [
        .. await QueryAsync(
            """
            select t.owner, array(select distinct i collate "C" from unnest(t.items) i order by 1), t.expires_at - now()
            from plane.txt_values t where t.cluster = $1 and t.expires_at > now() and cardinality(t.items) > 0 order by t.owner
            """,
            static r => new TxtEntry { Owner = r.GetString(0), Values = r.GetFieldValue<string[]>(1), ExpiresIn = r.GetTimeSpan(2) },
            cancellationToken,
            Sql.Text(cluster.Value)),
    ];

    public async Task<ChallengeLease> HoldChallengeAsync(ClusterName cluster, ChallengeHold hold, CancellationToken cancellationToken) => (await QueryAsync(
        "select owner, expires_in from plane.hold_challenge($1, $2, $3)",
        static r => new ChallengeLease { Owner = r.GetString(0), ExpiresIn = r.GetTimeSpan(1) },
        cancellationToken,
        Sql.Text(cluster.Value),
        Sql.Text(hold.Owner),
        Sql.Span(hold.Time)))[0];

    public Task ReleaseChallengeAsync(ClusterName cluster, string owner, CancellationToken cancellationToken) => ExecuteAsync(
        "delete from plane.challenge_leases where cluster = $1 and owner = $2", cancellationToken, Sql.Text(cluster.Value), Sql.Text(owner));

    public async Task<OrderQuota> BeginOrderAsync(ClusterName cluster, CertificateOrder order, CancellationToken cancellationToken) => (await QueryAsync(
        "select allowed, counted, extract(epoch from wait)::float8 from plane.begin_order($1, $2, $3, $4, $5, $6)",
        static r => new OrderQuota { IsAllowed = r.GetBoolean(0), Counted = r.GetInt32(1), Wait = TimeSpan.FromSeconds(r.GetDouble(2)) },
        cancellationToken,
        Sql.Text(cluster.Value),
        Sql.Text(order.Id),
        Sql.Text(order.Authority),
        Sql.Text(order.Owner),
        Sql.Int(order.Limit),
        Sql.Span(order.Window)))[0];

    public Task DropOrderAsync(ClusterName cluster, string orderId, CancellationToken cancellationToken) => ExecuteAsync(
        "delete from plane.certificate_orders where cluster = $1 and id = $2", cancellationToken, Sql.Text(cluster.Value), Sql.Text(orderId));
}
