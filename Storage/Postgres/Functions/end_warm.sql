-- Queues the soft end of backends that are still in a pool. One that was claimed meanwhile is left alone. The tokens are those that they were listed with.
create or replace function plane.end_warm(p_ids text[], p_tokens bigint[]) returns integer language plpgsql volatile as $$
begin
    return plane.queue_ends(
        array(
            select b.id from plane.backends b join unnest(p_ids, p_tokens) as i (id, token) on b.id = i.id and b.fencing_token = i.token
            where b.key_namespace like '.plane/warm/%' and b.status < 'terminated' and b.end_kind is null order by b.id for update of b),
        'soft', 'swept');
end $$;
