namespace Plane.Storage.Sqlite;

// Sweeps and clean-up, in batches, so that no other caller waits long for the thread.
internal sealed partial class SqliteStore
{
    private const int SweepBatch = 200;
    private const int CleanBatch = 500;

    /// <summary>From the few unacknowledged actions to their backends; the other way round it would read every backend that ever ended.</summary>
    internal const string DropActionsSql =
        "delete from actions where exists (select 1 from backends b where b.id = actions.backend_id and b.status = 'terminated')";

    public Task<int> SweepLostAsync(CancellationToken cancellationToken) => InBatchesAsync(
        s =>
        {
            var ids = s.Query("select backend_id from keys where expires_at < $1 limit $2", static r => r.GetString(0), s.Lease, SweepBatch);
            ids.ForEach(id => MarkLost(s, id));
            s.Execute(DropActionsSql);
            return ids.Count;
        },
        SweepBatch,
        cancellationToken);

    // Idleness counts up to the oldest last report of the cluster's live proxies: what happened since is not known yet.
    public Task<int> SweepIdleAsync(CancellationToken cancellationToken) => InBatchesAsync(
        s => !IsServed(s) ? 0 : QueueEnds(
            s,
            s.Query(
                """
                select b.id from backends b
                left join (select cluster, min(report_at) as until from proxies where report_at > $2 group by cluster) p on p.cluster = b.cluster
                where b.status = 'ready' and b.max_idle_seconds is not null and b.end_kind is null
                    and max(b.ready_at, coalesce(b.last_used_lease, b.ready_at)) + b.max_idle_seconds * 1000 <= coalesce(p.until, $1)
                limit $3
                """,
                static r => r.GetString(0),
                s.Lease,
                s.Lease - ProxySilence(s),
                SweepBatch)),
        SweepBatch,
        cancellationToken);

    public Task<int> SweepLifetimeAsync(CancellationToken cancellationToken) => InBatchesAsync(
        s => QueueEnds(
            s,
            s.Query(
                """
                select id from backends where lifetime_ends_at is not null and status <> 'terminated' and end_kind is null and lifetime_ends_at <= $1 limit $2
                """,
                static r => r.GetString(0),
                s.Lease,
                SweepBatch)),
        SweepBatch,
        cancellationToken);

    public Task<int> CleanUpAsync(TimeSpan endedBackends, TimeSpan logRows, CancellationToken cancellationToken) => InBatchesAsync(
        s =>
        {
            var count = 0;
            if (!IsServed(s))
            {
                return count;
            }

            // Tokens go soon after their backend: each connect made one. So many at a time, and the next batch takes the rest.
            var room = CleanBatch;
            foreach (var id in s.Query("select id from backends where status = 'terminated' and tokens_purged = 0 limit $1", static r => r.GetString(0), CleanBatch))
            {
                var tokens = s.Execute("delete from tokens where hash in (select hash from tokens where backend_id = $1 limit $2)", id, room);
                count += tokens;
                if ((room -= tokens) == 0)
                {
                    break;
                }

                count += s.Execute("update backends set tokens_purged = 1 where id = $1", id);
            }

            var old = s.Record - (long)endedBackends.TotalMilliseconds;
            foreach (var id in s.Query(
                "select id from backends where status = 'terminated' and status_at < $1 and tokens_purged = 1 order by status_at limit $2", static r => r.GetString(0), old, CleanBatch))
            {
                s.Execute("delete from history where backend_id = $1", id);
                count += s.Execute("delete from backends where id = $1", id);
            }

            // A prefix of the log, so that one position tells readers what is missing.
            var log = s.Query(
                "select sequence, created_at from changes order by sequence limit $1", static r => (Sequence: r.GetInt64(0), At: r.GetInt64(1)), CleanBatch);
            var gone = log.TakeWhile(c => c.At < s.Record - (long)logRows.TotalMilliseconds).Select(c => c.Sequence).LastOrDefault();
            if (gone > 0)
            {
                count += s.Execute("delete from changes where sequence <= $1", gone);
                s.Execute("update changes_cleaned set sequence = $1", gone);
            }

            count += s.Execute("delete from txt_values where expires_at < $1", s.Lease);
            count += s.Execute("delete from service_failures where failed_at < $1", s.Lease - (long)s_failuresKept.TotalMilliseconds);
            count += s.Execute("delete from requests where expires_at < $1", s.Lease);
            count += s.Execute("delete from proxies where report_at < $1", s.Lease - ProxySilence(s));
            count += ForgetDrones(s, s.Lease - (long)StoreText.ForgetsDronesAfter(endedBackends).TotalMilliseconds);
            return count + s.Execute(
                "delete from controllers where heartbeat_at < $1", s.Lease - Math.Max((long)endedBackends.TotalMilliseconds, 3_600_000));
        },
        1,
        cancellationToken);

    // Silent for long and without anything that runs: machines come and go, often under names of their own. One that comes back is new, and no longer drained.
    private static int ForgetDrones(SqliteSession s, long silentSince)
    {
        var gone = s.Query(
            """
            delete from drones where (cluster, name) in (
                select d.cluster, d.name from drones d
                where d.heartbeat_at < $1
                    and not exists (select 1 from backends b where b.cluster = d.cluster and b.drone = d.name and b.status <> 'terminated')
                    and not exists (select 1 from actions a where a.cluster = d.cluster and a.drone = d.name)
                limit $2)
            returning session
            """,
            static r => r.GetInt64(0),
            silentSince,
            CleanBatch);
        if (gone.Count > 0)
        {
            s.Execute("update installation set forgotten_session = max(forgotten_session, $1)", gone.Max());
        }

        return gone.Count;
    }

    private static int QueueEnds(SqliteSession s, List<string> ids) => ids.Count(id => QueueEnd(s, id, TerminationKind.Soft, TerminationReason.Swept));

    private async Task<int> InBatchesAsync(Func<SqliteSession, int> batch, int full, CancellationToken cancellationToken)
    {
        for (var total = 0; ;)
        {
            var count = await _engine.WriteAsync(batch, cancellationToken);
            total += count;
            if (count < full)
            {
                return total;
            }
        }
    }
}
