-- Queues the end of backends for their drones, where nothing as hard is queued. Returns how many.
create or replace function plane.queue_ends(p_ids text[], p_kind plane.termination_kind, p_reason plane.termination_reason) returns integer language plpgsql volatile as $$
declare
    d record;
    v_last bigint;
    v_count integer := 0;
begin
    for d in
        with l as (
            select id from plane.backends where id = any (p_ids) and status < 'terminated' and (end_kind is null or end_kind < p_kind) order by id for update
        ), u as (
            update plane.backends b set end_kind = p_kind from l where b.id = l.id returning b.id, b.cluster, b.drone, b.fencing_token
        )
        select cluster, drone, array_agg(id order by id) as ids, array_agg(fencing_token order by id) as tokens
        from u group by cluster, drone order by cluster, drone
    loop
        update plane.drone_counters c set last_action = c.last_action + cardinality(d.ids)
        where c.cluster = d.cluster and c.drone = d.drone returning c.last_action into v_last;
        insert into plane.actions (cluster, drone, number, backend_id, fencing_token, kind, end_kind, end_reason)
        select d.cluster, d.drone, v_last - cardinality(d.ids) + i.pos, i.id, i.token, 'terminate', p_kind, p_reason
        from unnest(d.ids, d.tokens) with ordinality as i (id, token, pos);
        insert into plane.changes (kind, cluster, drone) values ('drone_action', d.cluster, d.drone);
        v_count := v_count + cardinality(d.ids);
    end loop;
    return v_count;
end $$;
