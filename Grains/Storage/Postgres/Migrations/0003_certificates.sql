-- oldest: 1
-- The challenge lease and the orders of certificates. clock_timestamp() where a row was waited for: now() would be the moment before the wait.

create table plane.challenge_leases (
    cluster text collate "C" primary key,
    owner text collate "C" not null,
    expires_at timestamptz not null
);

-- Who holds the lease after this: the asker, where it was free, its own, or expired.
create function plane.hold_challenge(p_cluster text, p_owner text, p_time interval)
returns table (owner text, expires_in interval) language plpgsql volatile as $$
begin
    insert into plane.challenge_leases as l (cluster, owner, expires_at) values (p_cluster, p_owner, clock_timestamp() + p_time)
    on conflict (cluster) do update set
        owner = excluded.owner,
        expires_at = case when l.owner = excluded.owner then greatest(l.expires_at, clock_timestamp() + p_time) else clock_timestamp() + p_time end
        where l.owner = excluded.owner or l.expires_at <= clock_timestamp();

    -- A statement of its own, so it sees the row that won: the one above holds its lock.
    return query select l.owner, l.expires_at - clock_timestamp() from plane.challenge_leases l where l.cluster = p_cluster;
end $$;

create table plane.certificate_orders (
    cluster text collate "C" not null,
    id text collate "C" not null,
    authority text collate "C" not null,
    owner text collate "C" not null,
    ordered_at timestamptz not null,
    primary key (cluster, id)
);

create function plane.begin_order(p_cluster text, p_id text, p_authority text, p_owner text, p_limit integer, p_window interval)
returns table (allowed boolean, counted integer, wait interval) language plpgsql volatile as $$
declare
    v_count integer;
    v_oldest timestamptz;
    v_now timestamptz;
begin
    -- Count and insert are one step.
    perform pg_advisory_xact_lock(1886151023, hashtext(p_cluster));
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
