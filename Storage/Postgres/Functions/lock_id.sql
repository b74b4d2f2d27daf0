-- The numbers of advisory locks, all of them here: of one lock, or of one for each key (a cluster, a service). The upper half says "plan", so that no other program's locks
-- are met. PostgresMigrator takes 'migrations' by its number, because it comes before the schema.
create or replace function plane.lock_id(p_lock plane.advisory_lock, p_key text default null) returns bigint language sql immutable parallel safe as $$
    select case
        when p_key is null then (1886151022::bigint << 32) + case p_lock
            when 'fencing_tokens' then 1
            when 'migrations' then 2
            when 'sweep_lost' then 10
            when 'sweep_idle' then 11
            when 'sweep_lifetime' then 12
            when 'clean_up' then 13
            when 'services' then 40
        end
        else (case p_lock when 'certificate_orders' then 1886151023 when 'service_backends' then 1886151024 end::bigint << 32)
            + ('x' || left(md5(p_key), 8))::bit(32)::bigint
    end
$$;
