-- Deletes failed starts of an hour ago, and requests a minute after their answers expired: a claim that found one an instant before is about to read it.
create or replace function plane.drop_expired(p_limit integer) returns integer language plpgsql volatile as $$
declare
    v_failures integer;
    v_requests integer;
begin
    delete from plane.service_failures f
    using (
        select namespace, name from plane.service_failures where failed_at < now() - interval '1 hour' order by failed_at limit p_limit for update skip locked
    ) l
    where f.namespace = l.namespace and f.name = l.name;
    get diagnostics v_failures = row_count;
    delete from plane.requests r
    using (select id from plane.requests where expires_at < now() - interval '1 minute' order by expires_at limit p_limit for update skip locked) l
    where r.id = l.id;
    get diagnostics v_requests = row_count;
    return v_failures + v_requests;
end $$;
