-- A start has failed where its backend ended by its own fault before it was ready, or with an error within 10 s after. After the third in a row the next one waits: 1 s, then
-- twice as long each time, at most 60 s. A backend that was ready and ended in another way ends the row; ten minutes without a failure do, too.
create or replace function plane.note_end() returns trigger language plpgsql as $$
declare
    v_now timestamptz := clock_timestamp();
begin
    if (new.termination_reason is null or new.termination_reason in ('startup_timeout', 'internal_error'))
        and (new.ready_at is null
            or v_now < new.ready_at + interval '10 s' and (new.termination_reason is not null or coalesce(new.exit_code, 0) <> 0)) then
        insert into plane.service_failures as f (namespace, name, service, count, backend_id, failed_at, retry_at)
        values (new.key_namespace, new.key_name, new.service, 1, new.id, v_now, v_now)
        on conflict (namespace, name) do update
            set service = excluded.service, backend_id = excluded.backend_id, failed_at = excluded.failed_at,
                count = case when f.failed_at < v_now - interval '10 min' then 1 else f.count + 1 end,
                retry_at = case when f.failed_at < v_now - interval '10 min' or f.count < 2 then v_now
                    else v_now + make_interval(secs => least(60, 1 << least(f.count - 2, 6))) end;
    elsif new.ready_at is not null then
        delete from plane.service_failures f where f.namespace = new.key_namespace and f.name = new.key_name;
    end if;
    return null;
end $$;

create or replace trigger note_end after update of status on plane.backends
    for each row when (new.status = 'terminated' and old.status < 'terminated' and new.service is not null and new.key_namespace not like '.plane/%')
    execute function plane.note_end();
