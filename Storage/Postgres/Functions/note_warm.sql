-- Starts of warm backends that fail one after another wait, as those of a key do (plane.note_end): one row for a service's version. One that becomes warm ends the row.
create or replace function plane.note_warm() returns trigger language plpgsql as $$
declare
    v_now timestamptz := clock_timestamp();
begin
    if new.status < 'terminated' then
        delete from plane.service_failures f where f.namespace = new.key_namespace and f.name = new.service_version::text;
        return null;
    end if;
    insert into plane.service_failures as f (namespace, name, service, count, backend_id, failed_at, retry_at)
    values (new.key_namespace, new.service_version::text, new.service, 1, new.id, v_now, v_now)
    on conflict (namespace, name) do update
        set backend_id = excluded.backend_id, failed_at = excluded.failed_at,
            count = case when f.failed_at < v_now - interval '10 min' then 1 else f.count + 1 end,
            retry_at = case when f.failed_at < v_now - interval '10 min' or f.count < 2 then v_now
                else v_now + make_interval(secs => least(60, 1 << least(f.count - 2, 6))) end;
    return null;
end $$;

create or replace trigger note_warm after update of warm_at on plane.backends
    for each row when (old.warm_at is null and new.warm_at is not null and new.service is not null) execute function plane.note_warm();

create or replace trigger note_warm_failed after update of status on plane.backends
    for each row when (
        new.status = 'terminated' and old.status < 'terminated' and new.service is not null and new.key_namespace like '.plane/warm/%'
        and (new.termination_reason is null or new.termination_reason in ('startup_timeout', 'internal_error')))
    execute function plane.note_warm();
