-- A start has failed where its backend ended by its own fault before it was ready, or with an error within 10 s after (plane.note_failure). A backend that was ready and ended in
-- another way ends the row.
create or replace function plane.note_end() returns trigger language plpgsql as $$
begin
    if (new.termination_reason is null or new.termination_reason in ('startup_timeout', 'internal_error'))
        and (new.ready_at is null
            or clock_timestamp() < new.ready_at + interval '10 s' and (new.termination_reason is not null or coalesce(new.exit_code, 0) <> 0)) then
        perform plane.note_failure(new.key_namespace, new.key_name, new.service, new.id);
    elsif new.ready_at is not null then
        delete from plane.service_failures f where f.namespace = new.key_namespace and f.name = new.key_name;
    end if;
    return null;
end $$;

create or replace trigger note_end after update of status on plane.backends
    for each row when (new.status = 'terminated' and old.status < 'terminated' and new.service is not null and new.key_namespace not like '.plane/%')
    execute function plane.note_end();
