-- Forgets drones that were silent for long and run nothing: machines come and go, often under names of their own. One that comes back is new, and no longer drained.
create or replace function plane.forget_drones(p_silent interval, p_limit integer) returns integer language plpgsql volatile as $$
declare
    d record;
    v_count integer := 0;
begin
    for d in
        select x.cluster, x.name, x.session from plane.drones x
        where x.heartbeat_at < now() - p_silent
            and not exists (select 1 from plane.backends b where b.cluster = x.cluster and b.drone = x.name and b.status < 'terminated')
            and not exists (select 1 from plane.actions a where a.cluster = x.cluster and a.drone = x.name)
        order by x.cluster, x.name limit p_limit for update of x skip locked
    loop
        update plane.installation set forgotten_session = greatest(forgotten_session, d.session);
        delete from plane.drones x where x.cluster = d.cluster and x.name = d.name;
        delete from plane.drone_counters c where c.cluster = d.cluster and c.drone = d.name;
        v_count := v_count + 1;
    end loop;
    return v_count;
end $$;
