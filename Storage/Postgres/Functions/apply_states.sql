-- Applies states that a drone reports (or, without one, a test): forward only. For each event, by its position: whether the identity is known, the state stored now, whether
-- the event's state is in the history now; one row that has the session's state alone where the session is not the current one.
--
-- What is reported under the token of its start counts for a backend that was claimed; it is ready only under the token of its claim, and one in a pool is never ready.
create or replace function plane.apply_states(
    p_cluster text, p_drone text, p_session bigint, p_ids text[], p_tokens bigint[], p_statuses plane.backend_status[], p_addresses text[], p_reasons plane.termination_reason[], p_kinds plane.termination_kind[],
    p_exit_codes integer[], p_messages text[])
returns table (session plane.session_state, pos bigint, known boolean, stored plane.backend_status, applied boolean) language plpgsql volatile as $$
#variable_conflict use_column
declare
    v_ended text[];
    v_session bigint;
begin
    if p_drone is not null then
        select d.session into v_session from plane.drones d where d.cluster = p_cluster and d.name = p_drone;
        if v_session is distinct from p_session then
            session := case when v_session > p_session then 'replaced' else 'unknown' end;
            return next;
            return;
        end if;
    end if;

    perform 1 from plane.backends b where b.id = any (p_ids) order by b.id for update;

    with e as (
        select * from unnest(p_ids, p_tokens, p_statuses, p_addresses, p_reasons, p_kinds, p_exit_codes, p_messages) with ordinality
            as t (id, token, status, address, reason, kind, exit_code, message, pos)
    ), m as (
        select e.id, e.status, e.address, e.reason, e.kind, e.exit_code, e.message, e.pos, b.fencing_token, b.cluster, b.status as before, b.status_at,
            max(e.status) over (partition by e.id order by e.pos rows between unbounded preceding and 1 preceding) as earlier
        from e join plane.backends b on b.id = e.id and e.token in (b.fencing_token, b.start_token)
            and (p_drone is null or (b.cluster = p_cluster and b.drone = p_drone))
        where e.status <> 'ready' or (e.token = b.fencing_token and b.key_namespace not like '.plane/warm/%')
    ), a as (
        select * from m where status > before and (earlier is null or status > earlier)
    ), r as (
        select id, max(status) as status,
            (array_agg(address order by pos desc) filter (where address is not null))[1] as address,
            (array_agg(reason order by pos desc) filter (where reason is not null))[1] as reason,
            (array_agg(exit_code order by pos desc) filter (where exit_code is not null))[1] as exit_code,
            (array_agg(message order by pos desc) filter (where message is not null))[1] as message,
            bool_or(status = 'ready') as ready
        from a group by id
    ), u as (
        update plane.backends b
        set status = r.status, status_at = greatest(b.status_at, now()), address = coalesce(r.address, b.address),
            termination_reason = coalesce(r.reason, b.termination_reason), exit_code = coalesce(r.exit_code, b.exit_code),
            message = coalesce(r.message, b.message), ready_at = case when r.ready then now() else b.ready_at end,
            static_token = case when r.status = 'terminated' then null else b.static_token end
        from r where b.id = r.id
    ), h as (
        insert into plane.history (backend_id, status, at, termination_reason, termination_kind, exit_error)
        select id, status, greatest(status_at, now()), reason, kind, exit_code <> 0 from a
    ), c as (
        insert into plane.changes (kind, cluster, backend_id, fencing_token, status)
        select 'backend_state', cluster, id, fencing_token, status from (select * from a order by pos) o
    )
    select coalesce(array_agg(id order by id), '{}') into v_ended from r where status = 'terminated';

    -- A key is released by a terminated event with its token, here, or by its expiry.
    if cardinality(v_ended) > 0 then
        perform 1 from plane.keys k where k.backend_id = any (v_ended) order by k.backend_id for update;
        delete from plane.keys k using plane.backends b
        where k.backend_id = any (v_ended) and b.id = k.backend_id and b.fencing_token = k.fencing_token;
        perform plane.drop_actions(v_ended);
    end if;

    return query
        select 'current'::plane.session_state, e.pos, b.id is not null, b.status, h.status is not null
        from unnest(p_ids, p_tokens, p_statuses) with ordinality as e (id, token, status, pos)
        left join plane.backends b on b.id = e.id and e.token in (b.fencing_token, b.start_token)
            and (p_drone is null or (b.cluster = p_cluster and b.drone = p_drone))
        left join plane.history h on h.backend_id = b.id and h.status = e.status;
end $$;
