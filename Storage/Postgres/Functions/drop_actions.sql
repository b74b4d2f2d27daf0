-- Deletes the unacknowledged actions of backends, in the order of locks.
create or replace function plane.drop_actions(p_ids text[]) returns void language sql volatile as $$
    delete from plane.actions a
    using (
        select cluster, drone, number from plane.actions where backend_id = any (p_ids)
        order by cluster, drone, number for update
    ) l
    where a.cluster = l.cluster and a.drone = l.drone and a.number = l.number
$$;
