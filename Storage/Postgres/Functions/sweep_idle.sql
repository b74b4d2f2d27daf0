-- Queues the end of backends that were not used for their max_idle_seconds. Counted up to the oldest last report of the cluster's live proxies: what happened since is not known yet.
-- Null where another controller sweeps.
create or replace function plane.sweep_idle(p_silent interval, p_limit integer) returns integer language plpgsql volatile as $$
begin
    if not pg_try_advisory_xact_lock(plane.lock_id('sweep_idle')) then
        return null;
    end if;
    return plane.queue_ends(
        array(
            select b.id
            from plane.backends b
            left join (
                select cluster, min(report_at) as until from plane.proxies where report_at > now() - p_silent group by cluster
            ) p on p.cluster = b.cluster
            where b.status = 'ready' and b.max_idle_seconds is not null and b.end_kind is null
                and greatest(b.ready_at, b.last_used_at) + make_interval(secs => b.max_idle_seconds) <= coalesce(p.until, now())
            order by b.id limit p_limit for update of b),
        'soft', 'swept');
end $$;
