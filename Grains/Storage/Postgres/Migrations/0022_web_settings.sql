-- oldest: 1
-- What proxies are to know of a backend beside its address, where that is not the usual: JSON (WebSettings).
alter table plane.backends
    add column web text,
    add constraint backends_web check (char_length(web) <= 8192);

-- As before, with one more parameter at the end, which older controllers leave out.
drop function plane.acquire_once(
    text, text, bytea, interval, text, boolean, text, text, text, text, text, text, smallint, text, integer, integer, text, text, text, text, text, text, text, text,
    interval, interval, bigint, bigint, bigint);
create function plane.acquire_once(
    p_request text, p_digest text, p_sealed bytea, p_keep interval,
    p_id text, p_chosen boolean, p_namespace text, p_name text, p_tag text, p_cluster text, p_drone text, p_pool text, p_executor smallint, p_image text,
    p_lifetime integer, p_max_idle integer, p_subdomain text, p_token_hash text, p_secret text, p_user text, p_auth text,
    p_static_token text, p_static_token_hash text, p_spawn text,
    p_expiry interval, p_fresh interval, p_renew_ms bigint, p_soft_ms bigint, p_hard_ms bigint,
    p_web text default null)
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
    if outcome = 0 and p_web is not null then
        update plane.backends b set web = p_web where b.id = h_id and b.web is null;
    end if;

    if v_claim = 1 and outcome = 0 then
        perform plane.keep_request(p_request, h_id, true);
    elsif v_claim = 1 then
        delete from plane.requests r where r.id = p_request;
    end if;
    return next;
end $$;
