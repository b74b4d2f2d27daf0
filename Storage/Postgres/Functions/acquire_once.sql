-- plane.acquire, and before it: is this the server that the keys were acquired on, was this request answered before, and may the service start one more? held_for: how long
-- no key is acquired after a failover, or no backend is started for this key because the starts failed one after another.
-- Error PLN03: service_full, found when all was written.
create or replace function plane.acquire_once(
    p_request text, p_digest text, p_sealed bytea, p_keep interval,
    p_id text, p_chosen boolean, p_namespace text, p_name text, p_tag text, p_cluster text, p_drone text, p_pool text, p_executor plane.executor_kind, p_image text,
    p_lifetime integer, p_max_idle integer, p_subdomain text, p_token_hash text, p_secret text, p_user text, p_auth text,
    p_static_token text, p_static_token_hash text, p_spawn text,
    p_expiry interval, p_fresh interval, p_renew_ms bigint, p_soft_ms bigint, p_hard_ms bigint,
    p_web text default null, p_service text default null, p_service_version bigint default null)
returns table (
    outcome plane.acquire_outcome, h_id text, h_token bigint, h_tag text, h_cluster text, h_drone text, h_status plane.backend_status, h_subdomain text, h_static_token text,
    spawned boolean, sealed bytea, changed boolean, held_for interval)
language plpgsql volatile as $$
#variable_conflict use_column
declare
    v_claim plane.request_claim;
    v_most integer;
    v_version bigint;
begin
    if p_request is not null then
        v_claim := plane.claim_request(p_request, p_digest, p_sealed, p_keep);
        if v_claim = 'repeated' then
            return query select 'repeated'::plane.acquire_outcome, r.*, false, interval '0' from plane.read_request(p_request) r;
            return;
        elsif v_claim = 'taken' then
            outcome := 'request_id_taken';
            return next;
            return;
        end if;
    end if;

    select m.changed, m.held_for into changed, held_for from plane.meet_server(p_expiry) m;
    if held_for > interval '0' then
        outcome := 'held_off';
    elsif p_service is null then
        if exists (select 1 from plane.services s where s.name = split_part(p_namespace, '/', 1)) then
            outcome := 'namespace_owned';
        end if;
    else
        -- Held to the commit, so that a deletion waits and then finds the backend. A change does not wait: it is after what read the version before.
        select s.max_backends, s.version into v_most, v_version from plane.services s where s.name = p_service for key share;
        if not found then
            outcome := 'service_gone';
        elsif v_version <> p_service_version then
            outcome := 'service_changed';
        else
            if v_most is not null then
                -- Those that count come in line here.
                perform pg_advisory_xact_lock(plane.lock_id('service_backends', p_service));
            end if;
            select 'crash_loop'::plane.acquire_outcome, f.retry_at - clock_timestamp() into outcome, held_for
            from plane.service_failures f
            where f.namespace = p_namespace and f.name = p_name and f.retry_at > clock_timestamp()
                and not exists (select 1 from plane.backends b where b.id = p_id);
        end if;
    end if;
    if outcome is not null then
        delete from plane.requests r where v_claim = 'first' and r.id = p_request;
        return next;
        return;
    end if;

    select a.*, true into outcome, h_id, h_token, h_tag, h_cluster, h_drone, h_status, h_subdomain, h_static_token, spawned
    from plane.acquire(
        p_id, p_chosen, p_namespace, p_name, p_tag, p_cluster, p_drone, p_pool, p_executor, p_image, p_lifetime, p_max_idle, p_subdomain, p_token_hash,
        p_secret, p_user, p_auth, p_static_token, p_static_token_hash, p_spawn, p_expiry, p_fresh, p_renew_ms, p_soft_ms, p_hard_ms) a;
    if outcome = 'acquired' and p_service is not null then
        -- A repeat of the request that started it finds it done.
        update plane.backends b set web = p_web, service = p_service, service_version = p_service_version where b.id = h_id and b.service is null;
        if found and v_most is not null and p_namespace not like '.plane/%'
            and (select count(*) from plane.backends b where b.service = p_service and b.status < 'terminated' and b.key_namespace not like '.plane/%') > v_most then
            raise exception 'service full' using errcode = 'PLN03';
        end if;
    elsif outcome = 'acquired' and p_web is not null then
        update plane.backends b set web = p_web where b.id = h_id and b.web is null;
    end if;

    if v_claim = 'first' and outcome = 'acquired' then
        perform plane.keep_request(p_request, h_id, true);
    elsif v_claim = 'first' then
        delete from plane.requests r where r.id = p_request;
    end if;
    return next;
end $$;
