-- Whether there was such a service. What was started for it is ended gracefully, unless it may continue; what has no key always is.
create or replace function plane.delete_service(p_name text, p_keep boolean) returns boolean language plpgsql volatile as $$
begin
    -- Waits for acquisitions that hold the row: their backends are found below.
    delete from plane.services s where s.name = p_name;
    if not found then
        return false;
    end if;
    perform plane.queue_ends(
        array(
            select b.id from plane.backends b
            where b.service = p_name and b.status < 'terminated' and (not p_keep or b.key_namespace like '.plane/%') order by b.id),
        'soft', 'external');
    delete from plane.service_keys k where k.service = p_name;
    delete from plane.service_labels l where l.service = p_name;
    delete from plane.service_failures f where f.service = p_name;
    insert into plane.changes (kind, service, status) values ('service', p_name, 'terminated');
    return true;
end $$;
