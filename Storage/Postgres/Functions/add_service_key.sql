-- Adds a signing key to a service, of which there are at most p_limit.
create or replace function plane.add_service_key(p_service text, p_kid text, p_alg plane.signing_algorithm, p_material text, p_limit integer) returns plane.signing_key_outcome language plpgsql volatile as $$
declare
    v_same boolean;
begin
    -- The row's holder counts alone.
    perform 1 from plane.services s where s.name = p_service for no key update;
    if not found then
        return 'no_such_service';
    end if;
    select k.alg = p_alg and k.material = p_material into v_same from plane.service_keys k where k.service = p_service and k.kid = p_kid;
    if found then
        return case when v_same then 'unchanged' else 'kid_taken' end::plane.signing_key_outcome;
    end if;
    if (select count(*) from plane.service_keys k where k.service = p_service) >= p_limit then
        return 'too_many';
    end if;
    insert into plane.service_keys (service, kid, alg, material, created_at) values (p_service, p_kid, p_alg, p_material, clock_timestamp());
    insert into plane.changes (kind, service) values ('service', p_service);
    return 'added';
end $$;
