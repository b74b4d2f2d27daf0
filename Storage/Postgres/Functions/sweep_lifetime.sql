-- Queues the end of backends over their lifetime. Null where another controller sweeps.
create or replace function plane.sweep_lifetime(p_limit integer) returns integer language plpgsql volatile as $$
begin
    if not pg_try_advisory_xact_lock(plane.lock_id('sweep_lifetime')) then
        return null;
    end if;
    return plane.queue_ends(
        array(
            select id from plane.backends
            where lifetime_ends_at is not null and status < 'terminated' and end_kind is null and lifetime_ends_at <= now()
            order by lifetime_ends_at limit p_limit),
        'soft', 'swept');
end $$;
