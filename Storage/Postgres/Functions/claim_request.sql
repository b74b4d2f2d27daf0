-- Claims the id of a request: the caller's transaction is the first one of that id, or the id has an answer, of the same request or of another.
create or replace function plane.claim_request(p_id text, p_digest text, p_sealed bytea, p_keep interval) returns plane.request_claim language plpgsql volatile as $$
declare
    v_same boolean;
begin
    loop
        insert into plane.requests as r (id, digest, sealed, expires_at) values (p_id, p_digest, p_sealed, clock_timestamp() + p_keep)
        on conflict (id) do update
            set digest = excluded.digest, sealed = excluded.sealed, expires_at = excluded.expires_at, backend_id = null
            where r.expires_at < clock_timestamp();
        if found then
            return 'first';
        end if;
        select r.digest = p_digest into v_same from plane.requests r where r.id = p_id;
        if found then
            return case when v_same then 'repeated' else 'taken' end::plane.request_claim;
        end if;
    end loop;
end $$;
