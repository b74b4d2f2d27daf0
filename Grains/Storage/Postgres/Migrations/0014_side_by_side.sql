-- oldest: 1
-- What kept acquisitions from running side by side: one lock that each of them took alone, and an expression that was planned anew for each.

-- Strictly greater than every token drawn before, for whatever key, and not behind the clock in milliseconds. A sequence is not transactional, so nothing is drawn
-- twice. Drawing shares a lock with all others that draw; only where the clock has overtaken the sequence it is set, with the lock to itself, and then
-- a quarter of a second ahead, so that this is done four times a second and not for each token. It is a session lock because it must not be held until the commit.
create or replace function plane.next_fencing_token() returns bigint language plpgsql volatile as $$
declare
    drawn bigint;
    clock bigint;
begin
    -- Taken and released inside one block: a cancellation at any point between must not leave it with a pooled session. Released once too often, it only warns.
    begin
        perform pg_advisory_lock_shared(1886151022, 1);
        drawn := nextval('plane.fencing_tokens');
        perform pg_advisory_unlock_shared(1886151022, 1);
    exception when query_canceled or others then
        perform pg_advisory_unlock_shared(1886151022, 1);
        raise;
    end;
    if drawn >= (extract(epoch from clock_timestamp()) * 1000)::bigint then
        return drawn;
    end if;

    begin
        perform pg_advisory_lock(1886151022, 1);
        drawn := nextval('plane.fencing_tokens');
        clock := (extract(epoch from clock_timestamp()) * 1000)::bigint;

        -- Else another one has set it while this one waited.
        if drawn < clock then
            drawn := clock + 250;
            perform setval('plane.fencing_tokens', drawn);
        end if;
        perform pg_advisory_unlock(1886151022, 1);
    exception when query_canceled or others then
        perform pg_advisory_unlock(1886151022, 1);
        raise;
    end;
    return drawn;
end $$;

-- As before, but for how a drone is found fit: each statement has one plan for all calls.
create or replace function plane.acquire(
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
        v_fit := found and v_drone.ready and not v_drone.draining and v_drone.heartbeat_at > v_now - p_fresh
            and v_drone.pool = p_pool and p_executor = any (v_drone.kinds);
        if v_fit then
            select c.room > 0 and c.room_of = v_drone.max_backends into v_fit from plane.drone_counters c where c.cluster = p_cluster and c.drone = p_drone;
            if v_fit is not true then
                select count(*) < v_drone.max_backends into v_fit from plane.backends b where b.cluster = p_cluster and b.drone = p_drone and b.status < 70;
            end if;
        end if;
        if not v_fit then
            return query select 2::smallint, null::text, null::bigint, null::text, null::text, null::text, null::smallint, null::text, null::text;
            return;
        end if;

        -- 2. An expired holder goes, its backend is lost.
        if v_holder is not null then
            perform 1 from plane.backends b where b.id = v_holder for update;
            delete from plane.keys k
            where k.backend_id = v_holder
                and (k.expires_at < least(now(), clock_timestamp())
                    or not exists (select 1 from plane.backends b where b.id = v_holder and b.status < 70));
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

    update plane.drone_counters c
    set last_number = c.last_number + 1, room = case when c.room_of = v_drone.max_backends then c.room - 1 else -1 end
    where c.cluster = p_cluster and c.drone = p_drone
    returning c.last_number, c.room into v_number, v_room;
    insert into plane.actions (
        cluster, drone, number, backend_id, fencing_token, kind, spawn, instance_id, boot_id, renew_at, soft_at, hard_at)
    values (
        p_cluster, p_drone, v_number, p_id, v_token, 0, p_spawn, v_drone.instance_id, v_drone.boot_id,
        v_drone.reading + p_renew_ms, v_drone.reading + p_soft_ms, v_drone.reading + p_hard_ms);

    -- Acquisitions on one drone have come in line at the counter: now the count is exact.
    if v_room < 0 then
        v_room := v_drone.max_backends
            - (select count(*) from plane.backends b where b.cluster = p_cluster and b.drone = p_drone and b.status < 70);
        if v_room < 0 then
            raise exception 'drone full' using errcode = 'PLN02';
        end if;
        update plane.drone_counters c set room = v_room, room_of = v_drone.max_backends where c.cluster = p_cluster and c.drone = p_drone;
    end if;

    return query select 0::smallint, * from plane.holder(p_id);
end $$;
