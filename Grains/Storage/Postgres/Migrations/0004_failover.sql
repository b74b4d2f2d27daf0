-- oldest: 1
-- Which server this is, and from when on keys may be acquired on it; and since when controllers have served without a gap.

create table plane.server (
    single boolean primary key default true check (single),
    system_identifier bigint,
    timeline integer,
    hold_until timestamptz not null default '-infinity',
    away_since timestamptz not null default '-infinity',
    served_since timestamptz not null default '-infinity'
);
comment on column plane.server.hold_until is 'no key is acquired before: commits of another server may be missing here';
comment on column plane.server.away_since is 'the last sign of life of a controller before the latest gap, which ended at served_since';
insert into plane.server default values;

-- Of the WAL that is written now. pg_control_checkpoint() tells that of the last checkpoint, which a server that was just promoted still has to make: until
-- then, which may take minutes, it would name the timeline of the server that failed.
create function plane.wal_timeline() returns integer language sql volatile as $$
    select ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::integer
$$;

-- Compares the server with the one that was met last. On another one, which may lack what was committed (a lease, a draw of a fencing token), no key is
-- acquired until every lease that it may not know of has run out, and the tokens go on far beyond any that was drawn. Whoever sees it first does both, in
-- one transaction; nobody acquires before it is done, since every acquisition looks.
create function plane.meet_server(p_expiry interval)
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
                perform pg_advisory_xact_lock(1886151022, 1);
                perform setval(
                    'plane.fencing_tokens',
                    greatest(nextval('plane.fencing_tokens'), (extract(epoch from clock_timestamp()) * 1000)::bigint) + 1000000000);
                v.hold_until := greatest(v.hold_until, clock_timestamp() + p_expiry);
            end if;
            update plane.server s set system_identifier = system, timeline = line, hold_until = v.hold_until where s.single;
        end if;
    end if;
    held_for := case when v.hold_until > clock_timestamp() then v.hold_until - clock_timestamp() else interval '0' end;
    return next;
end $$;

-- A controller's sign of life; the database's clock. The first one after a gap notes the gap, in which no proxy could report.
create function plane.heartbeat(p_id text, p_version text, p_hash text, p_silent interval) returns timestamptz language plpgsql volatile as $$
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

-- Whether a controller gave a sign of life lately; if none did, a gap is about to end, and nothing may be concluded from the silence of others.
create function plane.is_served(p_silent interval) returns boolean language sql volatile as $$
    select coalesce(max(heartbeat_at) >= now() - p_silent / 2, true) from plane.controllers
$$;

-- How long a proxy that counts may have been silent: after a gap each that counted before it is given the time to report again.
create function plane.proxy_silence(p_silent interval) returns interval language sql volatile as $$
    select case when now() < served_since + p_silent and away_since > '-infinity' then now() - away_since + p_silent else p_silent end
    from plane.server where single
$$;
