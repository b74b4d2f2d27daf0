-- Makes or changes a service; the configuration that it has already leaves its version as it is. At most p_limit services.
create or replace function plane.put_service(
    p_name text, p_spawn text, p_access plane.access_kind, p_forward_auth text, p_max integer, p_warm_count integer, p_warm_age integer, p_warm_path text, p_prepull boolean,
    p_limit integer)
returns table (outcome plane.service_write_outcome, version bigint, created_at timestamptz, updated_at timestamptz) language plpgsql volatile as $$
#variable_conflict use_column
declare
    v_now timestamptz := clock_timestamp();
begin
    -- They are counted, so one at a time.
    perform pg_advisory_xact_lock(plane.lock_id('services'));
    update plane.services s
    set version = nextval('plane.service_versions'), spawn_config = p_spawn, access = p_access, forward_auth = p_forward_auth, max_backends = p_max,
        warm_count = p_warm_count, warm_max_age_seconds = p_warm_age, warm_claim_path = p_warm_path, prepull = p_prepull, updated_at = v_now
    where s.name = p_name
        and (s.spawn_config, s.access, s.forward_auth, s.max_backends, s.warm_count, s.warm_max_age_seconds, s.warm_claim_path, s.prepull)
            is distinct from (p_spawn, p_access, p_forward_auth, p_max, p_warm_count, p_warm_age, p_warm_path, p_prepull)
    returning 'changed'::plane.service_write_outcome, s.version, s.created_at, s.updated_at into outcome, version, created_at, updated_at;
    if not found then
        select 'unchanged'::plane.service_write_outcome, s.version, s.created_at, s.updated_at into outcome, version, created_at, updated_at from plane.services s where s.name = p_name;
    end if;
    if not found and (select count(*) from plane.services) >= p_limit then
        outcome := 'too_many';
    elsif not found then
        insert into plane.services as s (
            name, version, spawn_config, access, forward_auth, max_backends, warm_count, warm_max_age_seconds, warm_claim_path, prepull, created_at, updated_at)
        values (
            p_name, nextval('plane.service_versions'), p_spawn, p_access, p_forward_auth, p_max, p_warm_count, p_warm_age, p_warm_path, p_prepull, v_now, v_now)
        returning 'created'::plane.service_write_outcome, s.version, s.created_at, s.updated_at into outcome, version, created_at, updated_at;
    end if;
    if outcome in ('created', 'changed') then
        insert into plane.changes (kind, service) values ('service', p_name);
    end if;
    return next;
end $$;
