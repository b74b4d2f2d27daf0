-- Counts a failed start, of a key or of a service's warm backends. After the third in a row the next one waits: 1 s, then twice as long each time, at most 60 s. Ten minutes without a
-- failure begin the count anew.
create or replace function plane.note_failure(p_namespace text, p_name text, p_service text, p_backend text) returns void language plpgsql volatile as $$
declare
    v_now timestamptz := clock_timestamp();
begin
    insert into plane.service_failures as f (namespace, name, service, count, backend_id, failed_at, retry_at)
    values (p_namespace, p_name, p_service, 1, p_backend, v_now, v_now)
    on conflict (namespace, name) do update
        set service = excluded.service, backend_id = excluded.backend_id, failed_at = excluded.failed_at,
            count = case when f.failed_at < v_now - interval '10 min' then 1 else f.count + 1 end,
            retry_at = case when f.failed_at < v_now - interval '10 min' or f.count < 2 then v_now
                else v_now + make_interval(secs => least(60, 1 << least(f.count - 2, 6))) end;
end $$;
