-- Starts of warm backends that fail one after another wait, as those of a key do (plane.note_failure): one row for a service's version. One that becomes warm ends the row.
create or replace function plane.note_warm() returns trigger language plpgsql as $$
begin
    if new.status < 'terminated' then
        delete from plane.service_failures f where f.namespace = new.key_namespace and f.name = new.service_version::text;
    else
        perform plane.note_failure(new.key_namespace, new.service_version::text, new.service, new.id);
    end if;
    return null;
end $$;

create or replace trigger note_warm after update of warm_at on plane.backends
    for each row when (old.warm_at is null and new.warm_at is not null and new.service is not null) execute function plane.note_warm();

create or replace trigger note_warm_failed after update of status on plane.backends
    for each row when (
        new.status = 'terminated' and old.status < 'terminated' and new.service is not null and new.key_namespace like '.plane/warm/%'
        and (new.termination_reason is null or new.termination_reason in ('startup_timeout', 'internal_error')))
    execute function plane.note_warm();
