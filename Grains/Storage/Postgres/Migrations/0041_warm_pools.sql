-- oldest: 1
-- Warm backends: started without a key of an application, they hold a key in the namespace .plane/warm/SERVICE, with a lease like any other. A claim gives one of them the key of a
-- connect, in one transaction. Only there a backend's key and fencing token ever change, once.

alter table plane.drones add column claims_session bigint;
comment on column plane.drones.claims_session is 'the session under which the drone said that it takes claims: says nothing of any other session';

alter table plane.keys add column start_token bigint, add constraint keys_start_token check (start_token < fencing_token);
alter table plane.backends
    add column start_token bigint,
    add column warm_at timestamptz,
    add column claimed_at timestamptz,
    add constraint backends_start_token check (start_token between 1 and fencing_token - 1 and (start_token is null) = (claimed_at is null));
comment on column plane.backends.start_token is 'of one that was claimed: the fencing token that it was started under. What its drone says under it still counts';
comment on column plane.backends.warm_at is 'since when it answers and waits for a claim';
create index backends_warm on plane.backends (key_namespace, cluster, drone) where status < 70 and key_namespace like '.plane/warm/%';

alter table plane.actions
    add column claim text,
    add column start_token bigint,
    drop constraint actions_kinds,
    add constraint actions_kinds check (
        kind = 0 and num_nulls(spawn, instance_id, boot_id, renew_at, soft_at, hard_at) = 0
        or kind = 1 and end_kind in (1, 2) and end_reason between 1 and 6 and num_nulls(end_kind, end_reason) = 0
        or kind = 2 and char_length(claim) <= 16384 and start_token between 1 and fencing_token - 1 and num_nulls(claim, start_token) = 0);

-- As before, and: what is said under the token of its start counts for a backend that was claimed; it is ready only under the token of its claim, and one in a pool is not ready.
create or replace function plane.apply_states(
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
        select e.id, e.status, e.address, e.reason, e.kind, e.exit_code, e.message, e.pos, b.fencing_token, b.cluster, b.status as before, b.status_at,
            max(e.status) over (partition by e.id order by e.pos rows between unbounded preceding and 1 preceding) as earlier
        from e join plane.backends b on b.id = e.id and e.token in (b.fencing_token, b.start_token)
            and (p_drone is null or (b.cluster = p_cluster and b.drone = p_drone))
        where e.status <> 50 or (e.token = b.fencing_token and b.key_namespace not like '.plane/warm/%')
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
        select 1, cluster, id, fencing_token, status from (select * from a order by pos) o
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
        left join plane.backends b on b.id = e.id and e.token in (b.fencing_token, b.start_token)
            and (p_drone is null or (b.cluster = p_cluster and b.drone = p_drone))
        left join plane.history h on h.backend_id = b.id and h.status = e.status;
end $$;

-- outcome: 0 claimed, 1 the key is held, 12 no backend of the pool may be claimed. p_left: what a lease must have left. By these numbers:
-- 1. the key that is asked for must be free; an expired holder goes, its backend is lost;
-- 2. a drone that has warm backends is held for share and checked; one of its backends is taken that no other claim has;
-- 3. the unique index decides whether the key is this backend's, and the fencing token is drawn while its row is held. The expiry stays;
-- 4. connection token, change log, and under the drone's counter the claim action.
create function plane.claim(
    p_service text, p_version bigint, p_cluster text, p_namespace text, p_name text, p_tag text, p_token_hash text, p_secret text, p_user text, p_auth text,
    p_lifetime integer, p_claim text, p_fresh interval, p_left interval)
returns table (
    outcome smallint, h_id text, h_token bigint, h_tag text, h_cluster text, h_drone text, h_status smallint, h_subdomain text, h_static_token text)
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
        select k.backend_id, k.expires_at < now() or coalesce(x.status = 70, true) into v_holder, v_expired
        from plane.keys k left join plane.backends x on x.id = k.backend_id
        where k.namespace = p_namespace and k.name = p_name;
        exit when not found;
        if not v_expired then
            return query select 1::smallint, * from plane.holder(v_holder);
            return;
        end if;
        perform 1 from plane.backends x where x.id = v_holder for update;
        delete from plane.keys k
        where k.backend_id = v_holder
            and (k.expires_at < least(now(), clock_timestamp())
                or not exists (select 1 from plane.backends x where x.id = v_holder and x.status < 70));
        if found then
            perform plane.mark_lost(array[v_holder]);
        end if;
    end loop;

    -- 2. By chance, so that claims that come at once seldom meet, and drones with more of them are asked more often.
    loop
        select w.drone into v_drone
        from plane.backends w
        join plane.drones d on d.cluster = w.cluster and d.name = w.drone
        where w.key_namespace = v_pool and w.key_namespace like '.plane/warm/%' and w.cluster = p_cluster and w.status < 70 and w.service_version = p_version
            and w.warm_at is not null and w.end_kind = 0 and d.ready and not d.draining and d.heartbeat_at > clock_timestamp() - p_fresh
            and not (w.drone = any (v_tried)) and not (w.id = any (v_skipped))
        order by random() limit 1;
        if not found then
            return query select 12::smallint, null::text, null::bigint, null::text, null::text, null::text, null::smallint, null::text, null::text;
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
        where w.key_namespace = v_pool and w.key_namespace like '.plane/warm/%' and w.cluster = p_cluster and w.drone = v_drone and w.status < 70
            and w.status = 40 and w.service_version = p_version and w.warm_at is not null and w.address is not null and w.end_kind = 0 and w.allow_renew
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
            select 1::smallint, h.*
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
    values (1, p_cluster, b.id, v_token, b.status, null), (3, p_cluster, null, null, null, v_drone);
    update plane.drone_counters c set last_number = c.last_number + 1 where c.cluster = p_cluster and c.drone = v_drone
    returning c.last_number into v_number;
    insert into plane.actions (cluster, drone, number, backend_id, fencing_token, kind, claim, start_token)
    values (p_cluster, v_drone, v_number, b.id, v_token, 2, p_claim, b.fencing_token);
    return query select 0::smallint, * from plane.holder(b.id);
end $$;

-- plane.claim, and before it what plane.acquire_once asks for a service; its outcomes 6, 8, 10 and 11, and the error PLN03. Outcome 12: none is warm.
create function plane.claim_once(
    p_service text, p_version bigint, p_cluster text, p_namespace text, p_name text, p_tag text, p_token_hash text, p_secret text, p_user text, p_auth text,
    p_lifetime integer, p_claim text, p_expiry interval, p_fresh interval, p_left interval)
returns table (
    outcome smallint, h_id text, h_token bigint, h_tag text, h_cluster text, h_drone text, h_status smallint, h_subdomain text, h_static_token text,
    changed boolean, held_for interval)
language plpgsql volatile as $$
#variable_conflict use_column
declare
    v_most integer;
begin
    select m.changed, m.held_for into changed, held_for from plane.meet_server(p_expiry) m;
    if held_for > interval '0' then
        outcome := 6;
        return next;
        return;
    end if;
    select s.max_backends, case when s.version <> p_version then 11 end into v_most, outcome from plane.services s where s.name = p_service for key share;
    if not found then
        outcome := 10;
    end if;
    if outcome is not null then
        return next;
        return;
    end if;
    if v_most is not null then
        -- Those that count come in line here.
        perform pg_advisory_xact_lock(1886151024, hashtext(p_service));
    end if;
    select 8::smallint, f.retry_at - clock_timestamp() into outcome, held_for
    from plane.service_failures f where f.namespace = p_namespace and f.name = p_name and f.retry_at > clock_timestamp();
    if found then
        return next;
        return;
    end if;

    select c.* into outcome, h_id, h_token, h_tag, h_cluster, h_drone, h_status, h_subdomain, h_static_token
    from plane.claim(
        p_service, p_version, p_cluster, p_namespace, p_name, p_tag, p_token_hash, p_secret, p_user, p_auth, p_lifetime, p_claim, p_fresh, p_left) c;
    if outcome = 0 and v_most is not null
        and (select count(*) from plane.backends b where b.service = p_service and b.status < 70 and b.key_namespace not like '.plane/%') > v_most then
        raise exception 'service full' using errcode = 'PLN03';
    end if;
    return next;
end $$;

-- Queues the soft end of backends that are still in a pool. One that was claimed meanwhile is left alone. The tokens are those that they were listed with.
create function plane.end_warm(p_ids text[], p_tokens bigint[]) returns integer language plpgsql volatile as $$
begin
    return plane.queue_ends(
        array(
            select b.id from plane.backends b join unnest(p_ids, p_tokens) as i (id, token) on b.id = i.id and b.fencing_token = i.token
            where b.key_namespace like '.plane/warm/%' and b.status < 70 and b.end_kind = 0 order by b.id for update of b),
        1::smallint, 1::smallint);
end $$;

-- Starts of warm backends that fail one after another wait, as those of a key do (plane.note_end): one row for a service's version. One that becomes warm ends the row.
create function plane.note_warm() returns trigger language plpgsql as $$
declare
    v_now timestamptz := clock_timestamp();
begin
    if new.status < 70 then
        delete from plane.service_failures f where f.namespace = new.key_namespace and f.name = new.service_version::text;
        return null;
    end if;
    insert into plane.service_failures as f (namespace, name, service, count, backend_id, failed_at, retry_at)
    values (new.key_namespace, new.service_version::text, new.service, 1, new.id, v_now, v_now)
    on conflict (namespace, name) do update
        set backend_id = excluded.backend_id, failed_at = excluded.failed_at,
            count = case when f.failed_at < v_now - interval '10 min' then 1 else f.count + 1 end,
            retry_at = case when f.failed_at < v_now - interval '10 min' or f.count < 2 then v_now
                else v_now + make_interval(secs => least(60, 1 << least(f.count - 2, 6))) end;
    return null;
end $$;
create trigger note_warm after update of warm_at on plane.backends
    for each row when (old.warm_at is null and new.warm_at is not null and new.service is not null) execute function plane.note_warm();
create trigger note_warm_failed after update of status on plane.backends
    for each row when (
        new.status = 70 and old.status < 70 and new.service is not null and new.key_namespace like '.plane/warm/%'
        and (new.termination_reason is null or new.termination_reason in (5, 6)))
    execute function plane.note_warm();
