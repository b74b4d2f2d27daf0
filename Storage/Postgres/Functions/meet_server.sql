-- Compares the server with the one that was met last. On another one, which may lack what was committed (a lease, a draw of a fencing token), no key is
-- acquired until every lease that it may not know of has expired, and the tokens continue far above any that was drawn, as do positions in the change log. The first caller that
-- sees it does all of it, in one transaction; no caller acquires before that, since every acquisition checks it.
create or replace function plane.meet_server(p_expiry interval)
returns table (changed boolean, held_for interval, system bigint, line integer) language plpgsql volatile as $$
declare
    v plane.server;
begin
    changed := false;
    select c.system_identifier into system from pg_control_system() c;
    line := plane.wal_timeline();
    select * into v from plane.server s where s.single;
    if v.system_identifier is distinct from system or v.timeline is distinct from line then
        select * into v from plane.server s where s.single for update;
        if v.system_identifier is distinct from system or v.timeline is distinct from line then
            changed := v.system_identifier is not null;
            if changed then
                perform pg_advisory_xact_lock(plane.lock_id('fencing_tokens'));
                perform setval(
                    'plane.fencing_tokens',
                    greatest(nextval('plane.fencing_tokens'), (extract(epoch from clock_timestamp()) * 1000)::bigint) + 1000000000);
                -- Always later than before: positions in the change log are counted on from it (PostgresStore.LogBase).
                v.hold_until := greatest(v.hold_until + interval '2 s', clock_timestamp() + p_expiry);
            end if;
            update plane.server s set system_identifier = system, timeline = line, hold_until = v.hold_until where s.single;
        end if;
    end if;
    held_for := case when v.hold_until > clock_timestamp() then v.hold_until - clock_timestamp() else interval '0' end;
    return next;
end $$;
