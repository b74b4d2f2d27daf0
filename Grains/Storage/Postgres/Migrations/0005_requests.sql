-- oldest: 1
-- Connects that carry an id of their own are answered once: each repeat gets the first answer. The row is claimed first, by the unique index, and kept only if
-- the transaction issues a token; so of several at once one decides, and the others wait for its commit. Before everything else in the lock order.

create table plane.requests (
    id text collate "C" primary key,
    digest text not null,
    sealed bytea not null,
    backend_id text,
    fencing_token bigint,
    tag text,
    cluster text,
    drone text,
    subdomain text,
    static_token text,
    spawned boolean,
    expires_at timestamptz not null
);
comment on column plane.requests.id is 'a hash: with the id itself the answer could be opened';
comment on column plane.requests.sealed is 'key, token and secret of the answer, encrypted under the id';
create index requests_expiry on plane.requests (expires_at);

-- 1: claimed, 2: answered before, 3: the id stands for another request.
create function plane.claim_request(p_id text, p_digest text, p_sealed bytea, p_keep interval) returns integer language plpgsql volatile as $$
declare
    v_same boolean;
begin
    loop
        insert into plane.requests as r (id, digest, sealed, expires_at) values (p_id, p_digest, p_sealed, clock_timestamp() + p_keep)
        on conflict (id) do update
            set digest = excluded.digest, sealed = excluded.sealed, expires_at = excluded.expires_at, backend_id = null
            where r.expires_at < clock_timestamp();
        if found then
            return 1;
        end if;
        select r.digest = p_digest into v_same from plane.requests r where r.id = p_id;
        if found then
            return case when v_same then 2 else 3 end;
        end if;
    end loop;
end $$;

create function plane.keep_request(p_id text, p_backend text, p_spawned boolean) returns void language sql volatile as $$
    update plane.requests r
    set backend_id = b.id, fencing_token = b.fencing_token, tag = b.key_tag, cluster = b.cluster, drone = b.drone,
        subdomain = b.subdomain, static_token = b.static_token, spawned = p_spawned
    from plane.backends b
    where r.id = p_id and b.id = p_backend
$$;

-- The stored answer, with the status that the backend has by now; one that is not known any more has ended.
create function plane.read_request(p_id text)
returns table (
    h_id text, h_token bigint, h_tag text, h_cluster text, h_drone text, h_status smallint, h_subdomain text, h_static_token text, spawned boolean,
    sealed bytea)
language sql volatile as $$
    select r.backend_id, r.fencing_token, r.tag, r.cluster, r.drone, coalesce(b.status, 70::smallint), r.subdomain, r.static_token, r.spawned, r.sealed
    from plane.requests r left join plane.backends b on b.id = r.backend_id and b.fencing_token = r.fencing_token
    where r.id = p_id
$$;

-- outcome: 0 issued, 1 not held, 2 tag differs, 3 answered before, 4 the id stands for another request. A holder that is ending is no answer yet for a
-- request that waits for its end.
create function plane.issue_once(
    p_request text, p_digest text, p_sealed bytea, p_keep interval, p_waits boolean, p_namespace text, p_name text, p_tag text, p_token_hash text,
    p_secret text, p_user text, p_auth text, p_static_token text, p_static_token_hash text)
returns table (
    outcome smallint, h_id text, h_token bigint, h_tag text, h_cluster text, h_drone text, h_status smallint, h_subdomain text, h_static_token text,
    spawned boolean, sealed bytea)
language plpgsql volatile as $$
#variable_conflict use_column
declare
    v_claim integer := plane.claim_request(p_request, p_digest, p_sealed, p_keep);
    b plane.backends;
begin
    if v_claim = 2 then
        return query select 3::smallint, * from plane.read_request(p_request);
        return;
    elsif v_claim = 3 then
        outcome := 4;
        return next;
        return;
    end if;

    select x.* into b
    from plane.keys k join plane.backends x on x.id = k.backend_id and x.status < 70
    where k.namespace = p_namespace and k.name = p_name and k.expires_at > now();
    if found and b.key_tag = p_tag and b.uses_static_token and b.static_token is null then
        -- The one it had was revoked.
        update plane.backends x set static_token = p_static_token, static_token_hash = p_static_token_hash
        where x.id = b.id and x.static_token is null and x.status < 70;
        if found then
            insert into plane.tokens (hash, backend_id) values (p_static_token_hash, b.id);
        end if;
        select x.* into b from plane.backends x where x.id = b.id and x.status < 70;
    end if;
    if not found or b.key_tag <> p_tag then
        delete from plane.requests r where r.id = p_request;
        outcome := case when b.id is null then 1 else 2 end;
        return next;
        return;
    end if;

    if not b.uses_static_token then
        insert into plane.tokens (hash, backend_id, user_name, auth, secret) values (p_token_hash, b.id, p_user, p_auth, p_secret)
        on conflict (hash) do update
            set backend_id = excluded.backend_id, user_name = excluded.user_name, auth = excluded.auth, secret = excluded.secret
            where plane.tokens.backend_id <> excluded.backend_id and not plane.tokens.revoked;
    end if;

    if p_waits and b.status >= 60 then
        delete from plane.requests r where r.id = p_request;
    else
        perform plane.keep_request(p_request, b.id, false);
    end if;
    return query select 0::smallint, h.*, false, null::bytea from plane.holder(b.id) h;
end $$;

-- plane.acquire, and before it: is this the server that the keys were acquired on, and was this request answered before? Further outcomes: 4 answered before,
-- 5 the id stands for another request, 6 held off after a failover.
create function plane.acquire_once(
    p_request text, p_digest text, p_sealed bytea, p_keep interval,
    p_id text, p_chosen boolean, p_namespace text, p_name text, p_tag text, p_cluster text, p_drone text, p_pool text, p_executor smallint, p_image text,
    p_lifetime integer, p_max_idle integer, p_subdomain text, p_token_hash text, p_secret text, p_user text, p_auth text,
    p_static_token text, p_static_token_hash text, p_spawn text,
    p_expiry interval, p_fresh interval, p_renew_ms bigint, p_soft_ms bigint, p_hard_ms bigint)
returns table (
    outcome smallint, h_id text, h_token bigint, h_tag text, h_cluster text, h_drone text, h_status smallint, h_subdomain text, h_static_token text,
    spawned boolean, sealed bytea, changed boolean, held_for interval)
language plpgsql volatile as $$
#variable_conflict use_column
declare
    v_claim integer := 0;
begin
    if p_request is not null then
        v_claim := plane.claim_request(p_request, p_digest, p_sealed, p_keep);
        if v_claim = 2 then
            return query select 4::smallint, r.*, false, interval '0' from plane.read_request(p_request) r;
            return;
        elsif v_claim = 3 then
            outcome := 5;
            return next;
            return;
        end if;
    end if;

    select m.changed, m.held_for into changed, held_for from plane.meet_server(p_expiry) m;
    if held_for > interval '0' then
        outcome := 6;
        delete from plane.requests r where v_claim = 1 and r.id = p_request;
        return next;
        return;
    end if;

    select a.*, true into outcome, h_id, h_token, h_tag, h_cluster, h_drone, h_status, h_subdomain, h_static_token, spawned
    from plane.acquire(
        p_id, p_chosen, p_namespace, p_name, p_tag, p_cluster, p_drone, p_pool, p_executor, p_image, p_lifetime, p_max_idle, p_subdomain, p_token_hash,
        p_secret, p_user, p_auth, p_static_token, p_static_token_hash, p_spawn, p_expiry, p_fresh, p_renew_ms, p_soft_ms, p_hard_ms) a;
    if v_claim = 1 and outcome = 0 then
        perform plane.keep_request(p_request, h_id, true);
    elsif v_claim = 1 then
        delete from plane.requests r where r.id = p_request;
    end if;
    return next;
end $$;

create function plane.drop_requests(p_limit integer) returns integer language plpgsql volatile as $$
declare
    v_count integer;
begin
    delete from plane.requests r
    using (select id from plane.requests where expires_at < now() order by expires_at limit p_limit for update skip locked) l
    where r.id = l.id;
    get diagnostics v_count = row_count;
    return v_count;
end $$;
