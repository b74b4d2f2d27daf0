-- plane.claim, and before it what plane.acquire_once checks for a service, with the error PLN03.
create or replace function plane.claim_once(
    p_service text, p_version bigint, p_cluster text, p_namespace text, p_name text, p_tag text, p_token_hash text, p_secret text, p_user text, p_auth text,
    p_lifetime integer, p_claim text, p_expiry interval, p_fresh interval, p_left interval)
returns table (
    outcome plane.acquire_outcome, h_id text, h_token bigint, h_tag text, h_cluster text, h_drone text, h_status plane.backend_status, h_subdomain text, h_static_token text,
    changed boolean, held_for interval)
language plpgsql volatile as $$
#variable_conflict use_column
declare
    v_most integer;
begin
    select m.changed, m.held_for into changed, held_for from plane.meet_server(p_expiry) m;
    if held_for > interval '0' then
        outcome := 'held_off';
        return next;
        return;
    end if;
    select s.max_backends, case when s.version <> p_version then 'service_changed'::plane.acquire_outcome end into v_most, outcome from plane.services s where s.name = p_service for key share;
    if not found then
        outcome := 'service_gone';
    end if;
    if outcome is not null then
        return next;
        return;
    end if;
    if v_most is not null then
        -- Those that count come in line here.
        perform pg_advisory_xact_lock(plane.lock_id('service_backends', p_service));
    end if;
    select 'crash_loop'::plane.acquire_outcome, f.retry_at - clock_timestamp() into outcome, held_for
    from plane.service_failures f where f.namespace = p_namespace and f.name = p_name and f.retry_at > clock_timestamp();
    if found then
        return next;
        return;
    end if;

    select c.* into outcome, h_id, h_token, h_tag, h_cluster, h_drone, h_status, h_subdomain, h_static_token
    from plane.claim(
        p_service, p_version, p_cluster, p_namespace, p_name, p_tag, p_token_hash, p_secret, p_user, p_auth, p_lifetime, p_claim, p_fresh, p_left) c;
    if outcome = 'acquired' and v_most is not null
        and (select count(*) from plane.backends b where b.service = p_service and b.status < 'terminated' and b.key_namespace not like '.plane/%') > v_most then
        raise exception 'service full' using errcode = 'PLN03';
    end if;
    return next;
end $$;
