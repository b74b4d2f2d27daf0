-- Deletes the unacknowledged actions of backends that ended. Null where another controller sweeps.
create or replace function plane.drop_actions_of_ended() returns integer language plpgsql volatile as $$
declare
    v_count integer;
begin
    if not pg_try_advisory_xact_lock(plane.lock_id('sweep_lost')) then
        return null;
    end if;
    -- A subquery of each action, which leaves the planner no other way than from the few unacknowledged actions to their backends.
    delete from plane.actions a
    using (
        select x.cluster, x.drone, x.number from plane.actions x where (select b.status from plane.backends b where b.id = x.backend_id) = 'terminated'
        order by x.cluster, x.drone, x.number for update of x
    ) l
    where a.cluster = l.cluster and a.drone = l.drone and a.number = l.number;
    get diagnostics v_count = row_count;
    return v_count;
end $$;
