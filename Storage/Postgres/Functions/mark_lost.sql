-- Makes backends terminated/lost. The caller holds their rows and has deleted their keys.
create or replace function plane.mark_lost(p_ids text[]) returns integer language plpgsql volatile as $$
declare
    ended integer;
begin
    with b as (
        update plane.backends
        set status = 'terminated', status_at = greatest(status_at, now()), termination_reason = 'lost', static_token = null
        where id = any (p_ids) and status < 'terminated'
        returning id, cluster, fencing_token, status_at
    ), h as (
        insert into plane.history (backend_id, status, at, termination_reason) select id, 'terminated', status_at, 'lost' from b
    ), c as (
        insert into plane.changes (kind, cluster, backend_id, fencing_token, status) select 'backend_state', cluster, id, fencing_token, 'terminated' from b
    )
    select count(*) into ended from b;
    perform plane.drop_actions(p_ids);
    return ended;
end $$;
