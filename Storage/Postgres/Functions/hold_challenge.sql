-- Acquires or renews the challenge lease; who holds it after that. clock_timestamp(), because the row is waited for: now() would be the moment before the wait.
create or replace function plane.hold_challenge(p_cluster text, p_owner text, p_time interval)
returns table (owner text, expires_in interval) language plpgsql volatile as $$
begin
    insert into plane.challenge_leases as l (cluster, owner, expires_at) values (p_cluster, p_owner, clock_timestamp() + p_time)
    on conflict (cluster) do update set
        owner = excluded.owner,
        expires_at = case when l.owner = excluded.owner then greatest(l.expires_at, clock_timestamp() + p_time) else clock_timestamp() + p_time end
        where l.owner = excluded.owner or l.expires_at <= clock_timestamp();

    -- A statement of its own, so it sees the row that won: the one above holds its lock.
    return query select l.owner, l.expires_at - clock_timestamp() from plane.challenge_leases l where l.cluster = p_cluster;
end $$;
