-- Sets or ends the draining of a drone, and with p_terminate queues the soft end of what runs there.
create or replace function plane.set_draining(p_cluster text, p_name text, p_draining boolean, p_terminate boolean) returns plane.change_outcome language plpgsql volatile as $$
declare
    v_before boolean;
    v_queued integer := 0;
begin
    select d.draining into v_before from plane.drones d where d.cluster = p_cluster and d.name = p_name for update;
    if not found then
        return 'not_found';
    end if;
    if v_before <> p_draining then
        update plane.drones d set draining = p_draining where d.cluster = p_cluster and d.name = p_name;
    end if;
    if p_terminate then
        v_queued := plane.queue_ends(
            array(select b.id from plane.backends b where b.cluster = p_cluster and b.drone = p_name and b.status < 'terminated'), 'soft', 'external');
    end if;
    return case when v_before <> p_draining or v_queued > 0 then 'changed' else 'unchanged' end::plane.change_outcome;
end $$;
