-- Stores a connection token for the live holder of a key, for a request with an id of its own. A holder that is ending is not an answer yet for a request that waits for its end.
create or replace function plane.issue_once(
    p_request text, p_digest text, p_sealed bytea, p_keep interval, p_waits boolean, p_namespace text, p_name text, p_tag text, p_token_hash text,
    p_secret text, p_user text, p_auth text, p_static_token text, p_static_token_hash text)
returns table (
    outcome plane.token_outcome, h_id text, h_token bigint, h_tag text, h_cluster text, h_drone text, h_status plane.backend_status, h_subdomain text, h_static_token text,
    spawned boolean, sealed bytea)
language plpgsql volatile as $$
#variable_conflict use_column
declare
    v_claim plane.request_claim := plane.claim_request(p_request, p_digest, p_sealed, p_keep);
    b plane.backends;
begin
    if v_claim = 'repeated' then
        return query select 'repeated'::plane.token_outcome, * from plane.read_request(p_request);
        return;
    elsif v_claim = 'taken' then
        outcome := 'request_id_taken';
        return next;
        return;
    end if;

    select x.* into b
    from plane.keys k join plane.backends x on x.id = k.backend_id and x.status < 'terminated'
    where k.namespace = p_namespace and k.name = p_name and k.expires_at > now();
    if found and b.key_tag = p_tag and b.uses_static_token and b.static_token is null then
        -- The one it had was revoked.
        update plane.backends x set static_token = p_static_token, static_token_hash = p_static_token_hash
        where x.id = b.id and x.static_token is null and x.status < 'terminated';
        if found then
            insert into plane.tokens (hash, backend_id) values (p_static_token_hash, b.id);
        end if;
        select x.* into b from plane.backends x where x.id = b.id and x.status < 'terminated';
    end if;
    if not found or b.key_tag <> p_tag then
        delete from plane.requests r where r.id = p_request;
        outcome := case when b.id is null then 'not_held' else 'tag_differs' end;
        return next;
        return;
    end if;

    if not b.uses_static_token then
        insert into plane.tokens (hash, backend_id, user_name, auth, secret) values (p_token_hash, b.id, p_user, p_auth, p_secret)
        on conflict (hash) do update
            set backend_id = excluded.backend_id, user_name = excluded.user_name, auth = excluded.auth, secret = excluded.secret
            where plane.tokens.backend_id <> excluded.backend_id and not plane.tokens.revoked;
    end if;

    if p_waits and b.status >= 'terminating' then
        delete from plane.requests r where r.id = p_request;
    else
        perform plane.keep_request(p_request, b.id, false);
    end if;
    return query select 'issued'::plane.token_outcome, h.*, false, null::bytea from plane.holder(b.id) h;
end $$;
