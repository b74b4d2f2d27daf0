-- Counts an order of a certificate within its limit; one of the same id counts once. clock_timestamp(), because the lock is waited for: now() would be the moment before the wait.
create or replace function plane.begin_order(p_cluster text, p_id text, p_authority text, p_owner text, p_limit integer, p_window interval)
returns table (allowed boolean, counted integer, wait interval) language plpgsql volatile as $$
declare
    v_count integer;
    v_oldest timestamptz;
    v_now timestamptz;
begin
    -- Count and insert are one step.
    perform pg_advisory_xact_lock(plane.lock_id('certificate_orders', p_cluster));
    v_now := clock_timestamp();
    delete from plane.certificate_orders o where o.cluster = p_cluster and o.ordered_at <= v_now - interval '8 days';
    insert into plane.certificate_orders (cluster, id, authority, owner, ordered_at)
        select p_cluster, p_id, p_authority, p_owner, v_now
        where (
            select count(*) from plane.certificate_orders o
            where o.cluster = p_cluster and o.authority = p_authority and o.ordered_at > v_now - p_window
        ) < p_limit
        on conflict (cluster, id) do nothing;
    select count(*), min(o.ordered_at) into v_count, v_oldest from plane.certificate_orders o
        where o.cluster = p_cluster and o.authority = p_authority and o.ordered_at > v_now - p_window;
    allowed := exists (select 1 from plane.certificate_orders o where o.cluster = p_cluster and o.id = p_id);
    counted := v_count;
    wait := case when allowed then interval '0' else v_oldest + p_window - v_now end;
    return next;
end $$;
