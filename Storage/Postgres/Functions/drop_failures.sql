-- Deletes failed starts of an hour ago.
create or replace function plane.drop_failures(p_limit integer) returns integer language plpgsql volatile as $$
declare
    v_count integer;
begin
    delete from plane.service_failures f
    using (
        select namespace, name from plane.service_failures where failed_at < now() - interval '1 hour' order by failed_at limit p_limit for update skip locked
    ) l
    where f.namespace = l.namespace and f.name = l.name;
    get diagnostics v_count = row_count;
    return v_count;
end $$;
