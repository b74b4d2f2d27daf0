-- Deletes requests a minute after their answers expired: a claim that found one an instant before is about to read it.
create or replace function plane.drop_requests(p_limit integer) returns integer language plpgsql volatile as $$
declare
    v_count integer;
begin
    delete from plane.requests r
    using (select id from plane.requests where expires_at < now() - interval '1 minute' order by expires_at limit p_limit for update skip locked) l
    where r.id = l.id;
    get diagnostics v_count = row_count;
    return v_count;
end $$;
