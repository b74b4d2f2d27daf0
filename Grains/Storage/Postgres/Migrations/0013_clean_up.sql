-- oldest: 1
-- What the clean-up takes. The change feed reads below the oldest transaction that runs, so a long one holds up every drone and proxy: none deletes more than its
-- limit of anything, however many tokens one backend had. And drones that are gone for good are forgotten.

alter table plane.installation add column forgotten_session bigint not null default 0;
comment on column plane.installation.forgotten_session is 'the greatest session of a drone that was forgotten: a new drone''s are above it';

-- The session number, or 0 where another instance holds the name.
create or replace function plane.register_drone(
    p_cluster text, p_name text, p_pool text, p_instance_id text, p_boot_id text, p_reading bigint, p_kinds smallint[], p_max_backends integer,
    p_version text, p_hash text, p_ready boolean, p_controller text, p_fresh interval, p_last_action bigint)
returns bigint language plpgsql volatile as $$
declare
    v_old plane.drones;
    v_session bigint;
    v_last bigint;
    v_moved bigint;
begin
    loop
        insert into plane.drones (
            cluster, name, pool, instance_id, boot_id, reading, kinds, max_backends, version, hash, ready, session, controller, heartbeat_at)
        values (
            p_cluster, p_name, p_pool, p_instance_id, p_boot_id, p_reading, p_kinds, p_max_backends, p_version, p_hash, p_ready, 0, p_controller,
            clock_timestamp())
        on conflict (cluster, name) do nothing;
        if found then
            -- Read once the row stands: whoever forgot the name before has committed by then.
            update plane.drones d set session = i.forgotten_session + 1 from plane.installation i where d.cluster = p_cluster and d.name = p_name
            returning d.session into v_session;
            insert into plane.drone_counters (cluster, drone, last_number) values (p_cluster, p_name, p_last_action);
            return v_session;
        end if;

        -- Not found: forgotten between the two.
        select * into v_old from plane.drones d where d.cluster = p_cluster and d.name = p_name for update;
        exit when found;
    end loop;

    if v_old.instance_id <> p_instance_id and v_old.heartbeat_at > clock_timestamp() - p_fresh then
        return 0;
    end if;

    -- Draining is the operator's word about the name and stays.
    update plane.drones d
    set pool = p_pool, instance_id = p_instance_id, boot_id = p_boot_id, reading = p_reading, kinds = p_kinds, max_backends = p_max_backends,
        version = p_version, hash = p_hash, ready = p_ready, session = d.session + 1, controller = p_controller, heartbeat_at = clock_timestamp()
    where d.cluster = p_cluster and d.name = p_name
    returning d.session into v_session;

    -- A database that went back (a restored backup) counts from a number that the drone has passed, and would never be heard again. What is queued goes on
    -- behind the drone's number; what of it was applied before is known there by its identity.
    select c.last_number into v_last from plane.drone_counters c where c.cluster = p_cluster and c.drone = p_name for update;
    if v_last < p_last_action then
        update plane.actions a set number = p_last_action + o.place
        from (
            select x.number, row_number() over (order by x.number) as place from plane.actions x where x.cluster = p_cluster and x.drone = p_name
        ) o
        where a.cluster = p_cluster and a.drone = p_name and a.number = o.number;
        get diagnostics v_moved = row_count;
        update plane.drone_counters c set last_number = p_last_action + v_moved where c.cluster = p_cluster and c.drone = p_name;
    end if;

    insert into plane.changes (kind, cluster, drone) values (3, p_cluster, p_name);
    return v_session;
end $$;

-- One batch of everything; the number of rows deleted.
create or replace function plane.clean_up(p_ended interval, p_log interval, p_silent interval, p_limit integer) returns integer language plpgsql volatile as $$
declare
    v_ids text[];
    v_total integer := 0;
    v_count integer;
    v_last record;
begin
    if not pg_try_advisory_xact_lock(1886151022, 13) then
        return 0;
    end if;

    -- Tokens go soon after their backend: each connect made one. So many at a time, and the next batch takes the rest.
    v_ids := array(select id from plane.backends where status = 70 and not tokens_purged order by id limit p_limit for update);
    delete from plane.tokens t using (select hash from plane.tokens where backend_id = any (v_ids) limit p_limit) l where t.hash = l.hash;
    get diagnostics v_count = row_count;
    v_total := v_total + v_count;
    if v_count < p_limit then
        update plane.backends set tokens_purged = true where id = any (v_ids);
        v_total := v_total + cardinality(v_ids);
    end if;

    v_ids := array(
        select id from plane.backends where status = 70 and tokens_purged and status_at < now() - p_ended order by status_at limit p_limit);
    delete from plane.history where backend_id = any (v_ids);

    -- Again: a connect that saw the holder alive may have stored its token after the purge.
    delete from plane.tokens where backend_id = any (v_ids);
    get diagnostics v_count = row_count;
    v_total := v_total + v_count;
    delete from plane.backends where id = any (v_ids);
    get diagnostics v_count = row_count;
    v_total := v_total + v_count;

    -- A prefix of the log, so that one position tells readers what is missing.
    with first as (
        select transaction_id, sequence, bool_and(created_at < now() - p_log) over (order by transaction_id, sequence) as old
        from (
            select * from plane.changes where transaction_id < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
            order by transaction_id, sequence limit p_limit
        ) c
    ), gone as (
        delete from plane.changes c using first f
        where f.old and c.transaction_id = f.transaction_id and c.sequence = f.sequence
        returning c.transaction_id, c.sequence
    )
    select transaction_id, sequence, count(*) over () as n into v_last from gone order by transaction_id desc, sequence desc limit 1;
    if found then
        update plane.changes_cleaned set transaction_id = v_last.transaction_id, sequence = v_last.sequence;
        v_total := v_total + v_last.n;
    end if;

    delete from plane.txt_values where expires_at < now();
    get diagnostics v_count = row_count;
    v_total := v_total + v_count;
    delete from plane.proxies where report_at < now() - p_silent;
    get diagnostics v_count = row_count;
    v_total := v_total + v_count;
    delete from plane.controllers where heartbeat_at < now() - greatest(p_ended, interval '1 hour');
    get diagnostics v_count = row_count;
    return v_total + v_count;
end $$;

-- A minute after they stopped counting: a claim that found one an instant before is about to read it.
create or replace function plane.drop_requests(p_limit integer) returns integer language plpgsql volatile as $$
declare
    v_count integer;
begin
    delete from plane.requests r
    using (select id from plane.requests where expires_at < now() - interval '1 minute' order by expires_at limit p_limit for update skip locked) l
    where r.id = l.id;
    get diagnostics v_count = row_count;
    return v_count;
end $$;

-- Drones that were silent for long and run nothing: machines come and go, often under names of their own. One that comes back is new, and no longer drained.
create function plane.forget_drones(p_silent interval, p_limit integer) returns integer language plpgsql volatile as $$
declare
    d record;
    v_count integer := 0;
begin
    for d in
        select x.cluster, x.name, x.session from plane.drones x
        where x.heartbeat_at < now() - p_silent
            and not exists (select 1 from plane.backends b where b.cluster = x.cluster and b.drone = x.name and b.status < 70)
            and not exists (select 1 from plane.actions a where a.cluster = x.cluster and a.drone = x.name)
        order by x.cluster, x.name limit p_limit for update of x skip locked
    loop
        update plane.installation set forgotten_session = greatest(forgotten_session, d.session);
        delete from plane.drones x where x.cluster = d.cluster and x.name = d.name;
        delete from plane.drone_counters c where c.cluster = d.cluster and c.drone = d.name;
        v_count := v_count + 1;
    end loop;
    return v_count;
end $$;
