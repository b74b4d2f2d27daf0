-- Of the WAL that is written now. pg_control_checkpoint() tells that of the last checkpoint, which a server that was just promoted still has to make: until
-- then, which may take minutes, it would name the timeline of the server that failed.
create or replace function plane.wal_timeline() returns integer language sql volatile as $$
    select ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::integer
$$;
