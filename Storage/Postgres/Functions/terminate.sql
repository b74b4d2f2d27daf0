-- Queues the end of a backend for its drone.
create or replace function plane.terminate(p_id text, p_cluster text, p_kind plane.termination_kind, p_reason plane.termination_reason) returns plane.change_outcome language plpgsql volatile as $$
begin
    if not exists (select 1 from plane.backends where id = p_id and (p_cluster is null or cluster = p_cluster)) then
        return 'not_found';
    end if;
    return case when plane.queue_ends(array[p_id], p_kind, p_reason) > 0 then 'changed' else 'unchanged' end::plane.change_outcome;
end $$;
