-- oldest: 1
-- The transactions that pay for being one round trip. now() is the start of the transaction: it can only be early, which errs on the safe side wherever an
-- expiry is compared. Where a lease is made, clock_timestamp() is read after the drone's row is held: never before the reading that its deadlines count from.

-- Strictly greater than every token drawn before, for whatever key, and the clock in milliseconds where that is greater. A sequence is not transactional, so
-- nothing is drawn twice; the lock makes "take the greater and set" one step. It is a session lock because it must not be held until the commit.
create function plane.next_fencing_token() returns bigint language plpgsql volatile as $$
declare
    drawn bigint;
begin
    -- Taken and released inside the block: a cancellation at any point between must not leave it with a pooled session. Released once too often, it only warns.
    begin
        perform pg_advisory_lock(1886151022, 1);
        drawn := greatest(nextval('plane.fencing_tokens'), (extract(epoch from clock_timestamp()) * 1000)::bigint);
        perform setval('plane.fencing_tokens', drawn);
        perform pg_advisory_unlock(1886151022, 1);
    exception when query_canceled or others then
        perform pg_advisory_unlock(1886151022, 1);
        raise;
    end;
    return drawn;
end $$;

create function plane.drop_actions(p_ids text[]) returns void language sql volatile as $$
    delete from plane.actions a
    using (
        select cluster, drone, number from plane.actions where backend_id = any (p_ids)
        order by cluster, drone, number for update
    ) l
    where a.cluster = l.cluster and a.drone = l.drone and a.number = l.number
$$;

-- Makes backends terminated/lost. The caller holds their rows and has deleted their keys.
create function plane.mark_lost(p_ids text[]) returns integer language plpgsql volatile as $$
declare
    ended integer;
begin
    with b as (
        update plane.backends
        set status = 70, status_at = greatest(status_at, now()), termination_reason = 4, static_token = null
        where id = any (p_ids) and status < 70
        returning id, cluster, fencing_token, status_at
    ), h as (
        insert into plane.history (backend_id, status, at, termination_reason) select id, 70, status_at, 4 from b
    ), c as (
        insert into plane.changes (kind, cluster, backend_id, fencing_token, status) select 1, cluster, id, fencing_token, 70 from b
    )
    select count(*) into ended from b;
    perform plane.drop_actions(p_ids);
    return ended;
end $$;

-- outcome: 0 acquired, 1 held, 2 drone unfit, 3 backend id taken. Errors: PLN01 the backend id was taken meanwhile, PLN02 the drone was filled meanwhile;
-- raised, not returned, because what was written must go.
create function plane.acquire(
    p_id text, p_chosen boolean, p_namespace text, p_name text, p_tag text, p_cluster text, p_drone text, p_pool text, p_executor smallint, p_image text,
    p_lifetime integer, p_max_idle integer, p_subdomain text, p_token_hash text, p_secret text, p_user text, p_auth text,
    p_static_token text, p_static_token_hash text, p_spawn text,
    p_expiry interval, p_fresh interval, p_renew_ms bigint, p_soft_ms bigint, p_hard_ms bigint)
returns table (
    outcome smallint, h_id text, h_token bigint, h_tag text, h_cluster text, h_drone text, h_status smallint, h_subdomain text, h_static_token text)
language plpgsql volatile as $$
#variable_conflict use_column
declare
    v_old plane.backends;
    v_drone plane.drones;
    v_holder text;
    v_expired boolean;
    v_inserted boolean := false;
    v_token bigint;
    v_number bigint;
    v_now timestamptz;
begin
    for attempt in 1 .. 3 loop
        -- A repeat of the request that started this backend is answered as it was then.
        select * into v_old from plane.backends b where b.id = p_id;
        if found then
            if v_old.key_namespace = p_namespace and v_old.key_name = p_name and v_old.key_tag = p_tag
                and (not p_chosen or v_old.acquired_by = p_token_hash) then
                if not v_old.uses_static_token and v_old.status < 70 then
                    insert into plane.tokens (hash, backend_id, user_name, auth, secret) values (p_token_hash, p_id, p_user, p_auth, p_secret)
                    on conflict (hash) do nothing;
                end if;
                return query select 0::smallint, * from plane.holder(p_id);
            elsif exists (
                select 1 from plane.keys k
                where k.namespace = p_namespace and k.name = p_name and k.backend_id = p_id and k.expires_at >= now()) then
                return query select 1::smallint, * from plane.holder(p_id);
            else
                return query select 3::smallint, v_old.id, null::bigint, null::text, null::text, null::text, null::smallint, null::text, null::text;
            end if;
            return;
        end if;

        select k.backend_id, k.expires_at < now() or coalesce(b.status = 70, true) into v_holder, v_expired
        from plane.keys k left join plane.backends b on b.id = k.backend_id
        where k.namespace = p_namespace and k.name = p_name;
        if found and not v_expired then
            -- Stored between the two readings, by a twin of this request or one with the same chosen id: look again which.
            continue when v_holder = p_id;
            return query select 1::smallint, * from plane.holder(v_holder);
            return;
        end if;

        -- 1. The drone, held for share and checked again.
        select * into v_drone from plane.drones d where d.cluster = p_cluster and d.name = p_drone for share;
        v_now := clock_timestamp();
        if not found or not v_drone.ready or v_drone.draining or v_drone.heartbeat_at <= v_now - p_fresh
            or v_drone.pool <> p_pool or not (p_executor = any (v_drone.kinds))
            or (select count(*) from plane.backends b where b.cluster = p_cluster and b.drone = p_drone and b.status < 70) >= v_drone.max_backends then
            return query select 2::smallint, null::text, null::bigint, null::text, null::text, null::text, null::smallint, null::text, null::text;
            return;
        end if;

        -- 2. An expired holder goes, its backend is lost.
        if v_holder is not null then
            perform 1 from plane.backends b where b.id = v_holder for update;
            delete from plane.keys k
            where k.backend_id = v_holder
                and (k.expires_at < now() or not exists (select 1 from plane.backends b where b.id = v_holder and b.status < 70));
            if found then
                perform plane.mark_lost(array[v_holder]);
            end if;
        end if;

        -- 3. The unique index decides.
        insert into plane.keys (namespace, name, tag, backend_id, fencing_token, expires_at)
        values (p_namespace, p_name, p_tag, p_id, 0, 'infinity')
        on conflict do nothing;
        v_inserted := found;
        exit when v_inserted;
    end loop;

    if not v_inserted then
        return query
            select 1::smallint, h.*
            from (select 1) one
            left join plane.keys k on k.namespace = p_namespace and k.name = p_name
            left join lateral plane.holder(k.backend_id) h on true;
        return;
    end if;

    -- 4. The fencing token, drawn while the key's row is held.
    update plane.keys k set fencing_token = plane.next_fencing_token(), expires_at = clock_timestamp() + p_expiry
    where k.namespace = p_namespace and k.name = p_name
    returning k.fencing_token into v_token;

    insert into plane.backends (
        id, cluster, drone, pool, key_namespace, key_name, key_tag, fencing_token, acquired_by, status, status_at, created_at, lifetime_ends_at,
        max_idle_seconds, subdomain, uses_static_token, static_token, static_token_hash, executor, image)
    values (
        p_id, p_cluster, p_drone, p_pool, p_namespace, p_name, p_tag, v_token, p_token_hash, 10, v_now, v_now, v_now + make_interval(secs => p_lifetime),
        p_max_idle, p_subdomain, p_static_token is not null, p_static_token, p_static_token_hash, p_executor, p_image)
    on conflict (id) do nothing;
    if not found then
        raise exception 'backend id taken' using errcode = 'PLN01';
    end if;

    -- 5. Connection token, history, change log, and last, under the drone's counter, the spawn action.
    insert into plane.tokens (hash, backend_id, user_name, auth, secret)
    values (
        coalesce(p_static_token_hash, p_token_hash), p_id,
        case when p_static_token is null then p_user end, case when p_static_token is null then p_auth end,
        case when p_static_token is null then p_secret end)
    on conflict (hash) do update
        set backend_id = excluded.backend_id, user_name = excluded.user_name, auth = excluded.auth, secret = excluded.secret
        where not plane.tokens.revoked;
    insert into plane.history (backend_id, status, at) values (p_id, 10, v_now);
    insert into plane.changes (kind, cluster, backend_id, fencing_token, status, drone)
    values (1, p_cluster, p_id, v_token, 10, null), (3, p_cluster, null, null, null, p_drone);

    update plane.drone_counters c set last_number = c.last_number + 1 where c.cluster = p_cluster and c.drone = p_drone
    returning c.last_number into v_number;
    insert into plane.actions (
        cluster, drone, number, backend_id, fencing_token, kind, spawn, instance_id, boot_id, renew_at, soft_at, hard_at)
    values (
        p_cluster, p_drone, v_number, p_id, v_token, 0, p_spawn, v_drone.instance_id, v_drone.boot_id,
        v_drone.reading + p_renew_ms, v_drone.reading + p_soft_ms, v_drone.reading + p_hard_ms);

    -- Acquisitions on one drone have come in line at the counter: now the count is exact.
    if (select count(*) from plane.backends b where b.cluster = p_cluster and b.drone = p_drone and b.status < 70) > v_drone.max_backends then
        raise exception 'drone full' using errcode = 'PLN02';
    end if;

    return query select 0::smallint, * from plane.holder(p_id);
end $$;

create function plane.holder(p_id text)
returns table (
    h_id text, h_token bigint, h_tag text, h_cluster text, h_drone text, h_status smallint, h_subdomain text, h_static_token text)
language sql stable as $$
    select id, fencing_token, key_tag, cluster, drone, status, subdomain, static_token from plane.backends where id = p_id
$$;

-- Queues the end of backends for their drones, where nothing as hard is queued. Returns how many.
create function plane.queue_ends(p_ids text[], p_kind smallint, p_reason smallint) returns integer language plpgsql volatile as $$
declare
    d record;
    v_last bigint;
    v_count integer := 0;
begin
    for d in
        with l as (
            select id from plane.backends where id = any (p_ids) and status < 70 and end_kind < p_kind order by id for update
        ), u as (
            update plane.backends b set end_kind = p_kind from l where b.id = l.id returning b.id, b.cluster, b.drone, b.fencing_token
        )
        select cluster, drone, array_agg(id order by id) as ids, array_agg(fencing_token order by id) as tokens
        from u group by cluster, drone order by cluster, drone
    loop
        update plane.drone_counters c set last_number = c.last_number + cardinality(d.ids)
        where c.cluster = d.cluster and c.drone = d.drone returning c.last_number into v_last;
        insert into plane.actions (cluster, drone, number, backend_id, fencing_token, kind, end_kind, end_reason)
        select d.cluster, d.drone, v_last - cardinality(d.ids) + i.pos, i.id, i.token, 1, p_kind, p_reason
        from unnest(d.ids, d.tokens) with ordinality as i (id, token, pos);
        insert into plane.changes (kind, cluster, drone) values (3, d.cluster, d.drone);
        v_count := v_count + cardinality(d.ids);
    end loop;
    return v_count;
end $$;

-- outcome: -1 no such backend, else the number of ends queued.
create function plane.terminate(p_id text, p_cluster text, p_kind smallint, p_reason smallint) returns integer language plpgsql volatile as $$
begin
    if not exists (select 1 from plane.backends where id = p_id and (p_cluster is null or cluster = p_cluster)) then
        return -1;
    end if;
    return plane.queue_ends(array[p_id], p_kind, p_reason);
end $$;

-- outcome: -1 no such drone, 0 it was so, 1 changed.
create function plane.set_draining(p_cluster text, p_name text, p_draining boolean, p_terminate boolean) returns integer language plpgsql volatile as $$
declare
    v_before boolean;
    v_queued integer := 0;
begin
    select d.draining into v_before from plane.drones d where d.cluster = p_cluster and d.name = p_name for update;
    if not found then
        return -1;
    end if;
    if v_before <> p_draining then
        update plane.drones d set draining = p_draining where d.cluster = p_cluster and d.name = p_name;
    end if;
    if p_terminate then
        v_queued := plane.queue_ends(
            array(select b.id from plane.backends b where b.cluster = p_cluster and b.drone = p_name and b.status < 70), 1::smallint, 2::smallint);
    end if;
    return case when v_before <> p_draining or v_queued > 0 then 1 else 0 end;
end $$;

-- The session number, or 0 where another instance holds the name.
create function plane.register_drone(
    p_cluster text, p_name text, p_pool text, p_instance_id text, p_boot_id text, p_reading bigint, p_kinds smallint[], p_max_backends integer,
    p_version text, p_hash text, p_ready boolean, p_controller text, p_fresh interval, p_last_action bigint)
returns bigint language plpgsql volatile as $$
declare
    v_old plane.drones;
    v_session bigint;
    v_last bigint;
    v_moved bigint;
begin
    insert into plane.drones (
        cluster, name, pool, instance_id, boot_id, reading, kinds, max_backends, version, hash, ready, session, controller, heartbeat_at)
    values (
        p_cluster, p_name, p_pool, p_instance_id, p_boot_id, p_reading, p_kinds, p_max_backends, p_version, p_hash, p_ready, 1, p_controller,
        clock_timestamp())
    on conflict (cluster, name) do nothing;
    if found then
        insert into plane.drone_counters (cluster, drone, last_number) values (p_cluster, p_name, p_last_action);
        return 1;
    end if;

    select * into v_old from plane.drones d where d.cluster = p_cluster and d.name = p_name for update;
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

-- Per event, by its position: whether the identity is known, the state stored now, whether the event's state is in the history now. One row with position -1
-- where the session was replaced, -2 where it is unknown.
create function plane.apply_states(
    p_cluster text, p_drone text, p_session bigint, p_ids text[], p_tokens bigint[], p_statuses smallint[], p_addresses text[], p_reasons smallint[], p_kinds smallint[],
    p_exit_codes integer[], p_messages text[])
returns table (pos bigint, known boolean, stored smallint, applied boolean) language plpgsql volatile as $$
#variable_conflict use_column
declare
    v_ended text[];
    v_session bigint;
begin
    if p_drone is not null then
        select d.session into v_session from plane.drones d where d.cluster = p_cluster and d.name = p_drone;
        if v_session is distinct from p_session then
            return query select case when v_session > p_session then -1 else -2 end::bigint, false, 0::smallint, false;
            return;
        end if;
    end if;

    perform 1 from plane.backends b where b.id = any (p_ids) order by b.id for update;

    with e as (
        select * from unnest(p_ids, p_tokens, p_statuses, p_addresses, p_reasons, p_kinds, p_exit_codes, p_messages) with ordinality
            as t (id, token, status, address, reason, kind, exit_code, message, pos)
    ), m as (
        select e.*, b.cluster, b.status as before, b.status_at,
            max(e.status) over (partition by e.id order by e.pos rows between unbounded preceding and 1 preceding) as earlier
        from e join plane.backends b on b.id = e.id and b.fencing_token = e.token
            and (p_drone is null or (b.cluster = p_cluster and b.drone = p_drone))
    ), a as (
        select * from m where status > before and status > coalesce(earlier, 0)
    ), r as (
        select id, max(status) as status,
            (array_agg(address order by pos desc) filter (where address is not null))[1] as address,
            (array_agg(reason order by pos desc) filter (where reason is not null))[1] as reason,
            (array_agg(exit_code order by pos desc) filter (where exit_code is not null))[1] as exit_code,
            (array_agg(message order by pos desc) filter (where message is not null))[1] as message,
            bool_or(status = 50) as ready
        from a group by id
    ), u as (
        update plane.backends b
        set status = r.status, status_at = greatest(b.status_at, now()), address = coalesce(r.address, b.address),
            termination_reason = coalesce(r.reason, b.termination_reason), exit_code = coalesce(r.exit_code, b.exit_code),
            message = coalesce(r.message, b.message), ready_at = case when r.ready then now() else b.ready_at end,
            static_token = case when r.status = 70 then null else b.static_token end
        from r where b.id = r.id
    ), h as (
        insert into plane.history (backend_id, status, at, termination_reason, termination_kind, exit_error)
        select id, status, greatest(status_at, now()), reason, kind, exit_code <> 0 from a
    ), c as (
        insert into plane.changes (kind, cluster, backend_id, fencing_token, status)
        select 1, cluster, id, token, status from (select * from a order by pos) o
    )
    select coalesce(array_agg(id order by id), '{}') into v_ended from r where status = 70;

    -- A key is released by a terminated event with its token, here, or by its expiry.
    if cardinality(v_ended) > 0 then
        perform 1 from plane.keys k where k.backend_id = any (v_ended) order by k.backend_id for update;
        delete from plane.keys k using plane.backends b
        where k.backend_id = any (v_ended) and b.id = k.backend_id and b.fencing_token = k.fencing_token;
        perform plane.drop_actions(v_ended);
    end if;

    return query
        select e.pos, b.id is not null, b.status, h.status is not null
        from unnest(p_ids, p_tokens, p_statuses) with ordinality as e (id, token, status, pos)
        left join plane.backends b on b.id = e.id and b.fencing_token = e.token
            and (p_drone is null or (b.cluster = p_cluster and b.drone = p_drone))
        left join plane.history h on h.backend_id = b.id and h.status = e.status;
end $$;

-- The sweeps. Null where another silo is at it.
create function plane.sweep_lost(p_limit integer) returns integer language plpgsql volatile as $$
declare
    v_ids text[];
    v_expired text[];
    v_count integer;
begin
    if not pg_try_advisory_xact_lock(1886151022, 10) then
        return null;
    end if;
    v_ids := array(select k.backend_id from plane.keys k where k.expires_at < now() order by k.backend_id limit p_limit);
    if cardinality(v_ids) = 0 then
        return 0;
    end if;
    perform 1 from plane.backends b where b.id = any (v_ids) order by b.id for update;
    v_expired := array(
        select k.backend_id from plane.keys k where k.backend_id = any (v_ids) and k.expires_at < now() order by k.backend_id for update);
    delete from plane.keys k where k.backend_id = any (v_expired);
    v_count := plane.mark_lost(v_expired);
    return v_count;
end $$;

create function plane.drop_actions_of_ended() returns integer language plpgsql volatile as $$
declare
    v_count integer;
begin
    if not pg_try_advisory_xact_lock(1886151022, 10) then
        return null;
    end if;
    -- A subquery of each action, which leaves the planner no other way than from the few unacknowledged actions to their backends.
    delete from plane.actions a
    using (
        select x.cluster, x.drone, x.number from plane.actions x where (select b.status from plane.backends b where b.id = x.backend_id) = 70
        order by x.cluster, x.drone, x.number for update of x
    ) l
    where a.cluster = l.cluster and a.drone = l.drone and a.number = l.number;
    get diagnostics v_count = row_count;
    return v_count;
end $$;

-- Idleness counts up to the oldest last report of the cluster's live proxies: what happened since is not known yet.
create function plane.sweep_idle(p_silent interval, p_limit integer) returns integer language plpgsql volatile as $$
begin
    if not pg_try_advisory_xact_lock(1886151022, 11) then
        return null;
    end if;
    return plane.queue_ends(
        array(
            select b.id
            from plane.backends b
            left join (
                select cluster, min(report_at) as until from plane.proxies where report_at > now() - p_silent group by cluster
            ) p on p.cluster = b.cluster
            where b.status = 50 and b.max_idle_seconds is not null and b.end_kind = 0
                and greatest(b.ready_at, b.last_used_at) + make_interval(secs => b.max_idle_seconds) <= coalesce(p.until, now())
            order by b.id limit p_limit for update of b),
        1::smallint, 1::smallint);
end $$;

create function plane.sweep_lifetime(p_limit integer) returns integer language plpgsql volatile as $$
begin
    if not pg_try_advisory_xact_lock(1886151022, 12) then
        return null;
    end if;
    return plane.queue_ends(
        array(
            select id from plane.backends
            where lifetime_ends_at is not null and status < 70 and end_kind = 0 and lifetime_ends_at <= now()
            order by lifetime_ends_at limit p_limit),
        1::smallint, 1::smallint);
end $$;

-- One batch of everything; the number of rows deleted.
create function plane.clean_up(p_ended interval, p_log interval, p_silent interval, p_limit integer) returns integer language plpgsql volatile as $$
declare
    v_ids text[];
    v_total integer := 0;
    v_count integer;
    v_last record;
begin
    if not pg_try_advisory_xact_lock(1886151022, 13) then
        return 0;
    end if;

    -- Tokens go soon after their backend: each connect made one.
    v_ids := array(select id from plane.backends where status = 70 and not tokens_purged order by id limit p_limit for update);
    delete from plane.tokens where backend_id = any (v_ids);
    get diagnostics v_count = row_count;
    v_total := v_total + v_count;
    update plane.backends set tokens_purged = true where id = any (v_ids);
    v_total := v_total + cardinality(v_ids);

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
