-- Gives a key to a warm backend of the service. p_left: how much a lease must have left. By these numbers:
-- 1. the key that is requested must be free; an expired holder goes, its backend is lost;
-- 2. a drone that has warm backends is held for share and checked; one of its backends is taken that no other claim has;
-- 3. the unique index decides whether the key is this backend's, and the fencing token is drawn while its row is held. The expiry stays;
-- 4. connection token, change log, and under the drone's counter the claim action.
create or replace function plane.claim(
    p_service text, p_version bigint, p_cluster text, p_namespace text, p_name text, p_tag text, p_token_hash text, p_secret text, p_user text, p_auth text,
    p_lifetime integer, p_claim text, p_fresh interval, p_left interval)
returns table (
    outcome plane.acquire_outcome, h_id text, h_token bigint, h_tag text, h_cluster text, h_drone text, h_status plane.backend_status, h_subdomain text, h_static_token text)
language plpgsql volatile as $$
#variable_conflict use_column
declare
    v_pool text := '.plane/warm/' || p_service;
    v_holder text;
    v_expired boolean;
    v_drone text;
    v_tried text[] := '{}';
    v_skipped text[] := '{}';
    v_now timestamptz;
    v_token bigint;
    v_number bigint;
    b plane.backends;
begin
    -- 1.
    for attempt in 1 .. 3 loop
        select k.backend_id, k.expires_at < now() or coalesce(x.status = 'terminated', true) into v_holder, v_expired
        from plane.keys k left join plane.backends x on x.id = k.backend_id
        where k.namespace = p_namespace and k.name = p_name;
        exit when not found;
        if not v_expired then
            return query select 'held'::plane.acquire_outcome, * from plane.holder(v_holder);
            return;
        end if;
        perform 1 from plane.backends x where x.id = v_holder for update;
        delete from plane.keys k
        where k.backend_id = v_holder
            and (k.expires_at < least(now(), clock_timestamp())
                or not exists (select 1 from plane.backends x where x.id = v_holder and x.status < 'terminated'));
        if found then
            perform plane.mark_lost(array[v_holder]);
        end if;
    end loop;

    -- 2. By chance, so that claims that come at once seldom meet, and drones with more of them are asked more often.
    loop
        select w.drone into v_drone
        from plane.backends w
        join plane.drones d on d.cluster = w.cluster and d.name = w.drone
        where w.key_namespace = v_pool and w.key_namespace like '.plane/warm/%' and w.cluster = p_cluster and w.status < 'terminated' and w.service_version = p_version
            and w.warm_at is not null and w.end_kind is null and d.ready and not d.draining and d.heartbeat_at > clock_timestamp() - p_fresh
            and not (w.drone = any (v_tried)) and not (w.id = any (v_skipped))
        order by random() limit 1;
        if not found then
            outcome := 'none_warm';
            return next;
            return;
        end if;

        v_now := null;
        select clock_timestamp() into v_now
        from plane.drones d
        where d.cluster = p_cluster and d.name = v_drone and d.ready and not d.draining and d.heartbeat_at > clock_timestamp() - p_fresh
            and d.claims_session = d.session
        for share;
        if not found then
            v_tried := v_tried || v_drone;
            continue;
        end if;

        select w.* into b
        from plane.backends w
        where w.key_namespace = v_pool and w.key_namespace like '.plane/warm/%' and w.cluster = p_cluster and w.drone = v_drone and w.status < 'terminated'
            and w.status = 'waiting' and w.service_version = p_version and w.warm_at is not null and w.address is not null and w.end_kind is null and w.allow_renew
            and not (w.id = any (v_skipped))
        order by w.warm_at limit 1 for update skip locked;
        if not found then
            v_tried := v_tried || v_drone;
            continue;
        end if;

        -- A lease of which so little is left is one that its drone does not renew: it ends the backend, or has.
        perform 1 from plane.keys k
        where k.backend_id = b.id and k.fencing_token = b.fencing_token and k.allow_renew and k.expires_at > greatest(now(), clock_timestamp()) + p_left
        for update;
        exit when found;
        v_skipped := v_skipped || b.id;
    end loop;

    -- 3.
    begin
        update plane.keys k set namespace = p_namespace, name = p_name, tag = p_tag where k.backend_id = b.id;
    exception when unique_violation then
        return query
            select 'held'::plane.acquire_outcome, h.*
            from (select 1) one
            left join plane.keys k on k.namespace = p_namespace and k.name = p_name
            left join lateral plane.holder(k.backend_id) h on true;
        return;
    end;
    update plane.keys k set start_token = k.fencing_token, fencing_token = plane.next_fencing_token() where k.backend_id = b.id
    returning k.fencing_token into v_token;
    update plane.backends w
    set key_namespace = p_namespace, key_name = p_name, key_tag = p_tag, start_token = b.fencing_token, fencing_token = v_token, claimed_at = v_now,
        acquired_by = p_token_hash, lifetime_ends_at = v_now + make_interval(secs => p_lifetime)
    where w.id = b.id;

    -- 4.
    if not b.uses_static_token then
        insert into plane.tokens (hash, backend_id, user_name, auth, secret) values (p_token_hash, b.id, p_user, p_auth, p_secret)
        on conflict (hash) do update
            set backend_id = excluded.backend_id, user_name = excluded.user_name, auth = excluded.auth, secret = excluded.secret
            where not plane.tokens.revoked;
    end if;
    insert into plane.changes (kind, cluster, backend_id, fencing_token, status, drone)
    values ('backend_state', p_cluster, b.id, v_token, b.status, null), ('drone_action', p_cluster, null, null, null, v_drone);
    update plane.drone_counters c set last_action = c.last_action + 1 where c.cluster = p_cluster and c.drone = v_drone
    returning c.last_action into v_number;
    insert into plane.actions (cluster, drone, number, backend_id, fencing_token, kind, claim, start_token)
    values (p_cluster, v_drone, v_number, b.id, v_token, 'claim', p_claim, b.fencing_token);
    return query select 'acquired'::plane.acquire_outcome, * from plane.holder(b.id);
end $$;
