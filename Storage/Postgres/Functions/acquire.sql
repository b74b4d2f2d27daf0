-- Acquires a key for a new backend on a drone. By these numbers:
-- 1. the drone's row is held for share and checked;
-- 2. an expired holder goes, its backend is lost;
-- 3. the unique index decides who gets the key;
-- 4. the fencing token is drawn while the key's row is held;
-- 5. connection token, history, change log, and last, under the drone's counter, the spawn action.
--
-- now() is the start of the transaction: it can only be early, which errs on the safe side wherever an expiry is compared. Where a lease is made, clock_timestamp() is read
-- after the drone's row is held: never before the reading that its deadlines count from. A lease that is taken away has expired by the start of the transaction and by the moment
-- at which its row is looked at: a transaction that waited while the clock was set back would otherwise compare a reading from before with an expiry from after.
--
-- Errors: PLN01 the backend id was taken meanwhile, PLN02 the drone was filled meanwhile; raised, not returned, because what was written must go. Each statement has one plan for
-- all calls.
create or replace function plane.acquire(
    p_id text, p_chosen boolean, p_namespace text, p_name text, p_tag text, p_cluster text, p_drone text, p_pool text, p_executor plane.executor_kind, p_image text,
    p_lifetime integer, p_max_idle integer, p_subdomain text, p_token_hash text, p_secret text, p_user text, p_auth text,
    p_static_token text, p_static_token_hash text, p_spawn text,
    p_expiry interval, p_fresh interval, p_renew_ms bigint, p_soft_ms bigint, p_hard_ms bigint)
returns table (
    outcome plane.acquire_outcome, h_id text, h_token bigint, h_tag text, h_cluster text, h_drone text, h_status plane.backend_status, h_subdomain text, h_static_token text)
language plpgsql volatile as $$
#variable_conflict use_column
declare
    v_old plane.backends;
    v_drone plane.drones;
    v_holder text;
    v_expired boolean;
    v_fit boolean;
    v_inserted boolean := false;
    v_token bigint;
    v_number bigint;
    v_room integer;
    v_now timestamptz;
begin
    for attempt in 1 .. 3 loop
        -- A repeat of the request that started this backend is answered as it was then.
        select * into v_old from plane.backends b where b.id = p_id;
        if found then
            if v_old.key_namespace = p_namespace and v_old.key_name = p_name and v_old.key_tag = p_tag
                and (not p_chosen or v_old.acquired_by = p_token_hash) then
                if not v_old.uses_static_token and v_old.status < 'terminated' then
                    insert into plane.tokens (hash, backend_id, user_name, auth, secret) values (p_token_hash, p_id, p_user, p_auth, p_secret)
                    on conflict (hash) do nothing;
                end if;
                return query select 'acquired'::plane.acquire_outcome, * from plane.holder(p_id);
            elsif exists (
                select 1 from plane.keys k
                where k.namespace = p_namespace and k.name = p_name and k.backend_id = p_id and k.expires_at >= now()) then
                return query select 'held'::plane.acquire_outcome, * from plane.holder(p_id);
            else
                outcome := 'backend_id_taken';
                h_id := v_old.id;
                return next;
            end if;
            return;
        end if;

        select k.backend_id, k.expires_at < now() or coalesce(b.status = 'terminated', true) into v_holder, v_expired
        from plane.keys k left join plane.backends b on b.id = k.backend_id
        where k.namespace = p_namespace and k.name = p_name;
        if found and not v_expired then
            -- Stored between the two readings, by a twin of this request or one with the same chosen id: look again which.
            continue when v_holder = p_id;
            return query select 'held'::plane.acquire_outcome, * from plane.holder(v_holder);
            return;
        end if;

        -- 1. The drone, held for share and checked again.
        select * into v_drone from plane.drones d where d.cluster = p_cluster and d.name = p_drone for share;
        v_now := clock_timestamp();
        v_fit := found and v_drone.ready and not v_drone.draining and v_drone.heartbeat_at > v_now - p_fresh
            and v_drone.pool = p_pool and p_executor = any (v_drone.kinds);
        if v_fit then
            select c.room > 0 and c.room_of = v_drone.max_backends into v_fit from plane.drone_counters c where c.cluster = p_cluster and c.drone = p_drone;
            if v_fit is not true then
                select count(*) < v_drone.max_backends into v_fit from plane.backends b where b.cluster = p_cluster and b.drone = p_drone and b.status < 'terminated';
            end if;
        end if;
        if not v_fit then
            outcome := 'drone_unfit';
            return next;
            return;
        end if;

        -- 2. An expired holder goes, its backend is lost.
        if v_holder is not null then
            perform 1 from plane.backends b where b.id = v_holder for update;
            delete from plane.keys k
            where k.backend_id = v_holder
                and (k.expires_at < least(now(), clock_timestamp())
                    or not exists (select 1 from plane.backends b where b.id = v_holder and b.status < 'terminated'));
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
            select 'held'::plane.acquire_outcome, h.*
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
        p_id, p_cluster, p_drone, p_pool, p_namespace, p_name, p_tag, v_token, p_token_hash, 'scheduled', v_now, v_now, v_now + make_interval(secs => p_lifetime),
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
    insert into plane.history (backend_id, status, at) values (p_id, 'scheduled', v_now);
    insert into plane.changes (kind, cluster, backend_id, fencing_token, status, drone)
    values ('backend_state', p_cluster, p_id, v_token, 'scheduled', null), ('drone_action', p_cluster, null, null, null, p_drone);

    update plane.drone_counters c
    set last_action = c.last_action + 1, room = case when c.room_of = v_drone.max_backends then c.room - 1 else -1 end
    where c.cluster = p_cluster and c.drone = p_drone
    returning c.last_action, c.room into v_number, v_room;
    insert into plane.actions (
        cluster, drone, number, backend_id, fencing_token, kind, spawn, instance_id, boot_id, renew_at, soft_at, hard_at)
    values (
        p_cluster, p_drone, v_number, p_id, v_token, 'spawn', p_spawn, v_drone.instance_id, v_drone.boot_id,
        v_drone.reading + p_renew_ms, v_drone.reading + p_soft_ms, v_drone.reading + p_hard_ms);

    -- Acquisitions on one drone have come in line at the counter: now the count is exact.
    if v_room < 0 then
        v_room := v_drone.max_backends
            - (select count(*) from plane.backends b where b.cluster = p_cluster and b.drone = p_drone and b.status < 'terminated');
        if v_room < 0 then
            raise exception 'drone full' using errcode = 'PLN02';
        end if;
        update plane.drone_counters c set room = v_room, room_of = v_drone.max_backends where c.cluster = p_cluster and c.drone = p_drone;
    end if;

    return query select 'acquired'::plane.acquire_outcome, * from plane.holder(p_id);
end $$;
