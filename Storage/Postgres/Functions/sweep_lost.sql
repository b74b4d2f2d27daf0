-- Makes each backend whose key has expired terminated/lost. Null where another controller sweeps.
create or replace function plane.sweep_lost(p_limit integer) returns integer language plpgsql volatile as $$
declare
    v_ids text[];
    v_expired text[];
    v_count integer;
begin
    if not pg_try_advisory_xact_lock(plane.lock_id('sweep_lost')) then
        return null;
    end if;
    v_ids := array(select k.backend_id from plane.keys k where k.expires_at < now() order by k.backend_id limit p_limit);
    if cardinality(v_ids) = 0 then
        return 0;
    end if;
    perform 1 from plane.backends b where b.id = any (v_ids) order by b.id for update;
    v_expired := array(
        select k.backend_id from plane.keys k
        where k.backend_id = any (v_ids) and k.expires_at < least(now(), clock_timestamp()) order by k.backend_id for update);
    delete from plane.keys k where k.backend_id = any (v_expired);
    v_count := plane.mark_lost(v_expired);
    return v_count;
end $$;
