-- A controller's sign of life; the database's clock. The first one after a gap notes the gap, in which no proxy could report.
create or replace function plane.heartbeat(p_id text, p_version text, p_hash text, p_silent interval) returns timestamptz language plpgsql volatile as $$
declare
    v_last timestamptz;
begin
    select max(c.heartbeat_at) into v_last from plane.controllers c;
    if v_last < now() - p_silent / 2 then
        -- Several gaps in a row, each too short for the proxies to report between, are one.
        update plane.server s
        set away_since = case when v_last < s.served_since + p_silent then s.away_since else v_last end, served_since = now()
        where s.single;
    end if;
    insert into plane.controllers (id, version, hash, heartbeat_at) values (p_id, p_version, p_hash, now())
    on conflict (id) do update set version = excluded.version, hash = excluded.hash, heartbeat_at = excluded.heartbeat_at;
    return clock_timestamp();
end $$;
