-- One batch of everything; the number of rows deleted. The change feed reads below the oldest transaction that runs, so a long one holds up every drone and proxy: none deletes
-- more than its limit of anything, however many tokens one backend had.
create or replace function plane.clean_up(p_ended interval, p_log interval, p_silent interval, p_limit integer) returns integer language plpgsql volatile as $$
declare
    v_ids text[];
    v_total integer := 0;
    v_count integer;
    v_last record;
begin
    if not pg_try_advisory_xact_lock(plane.lock_id('clean_up')) then
        return 0;
    end if;

    -- Tokens go soon after their backend: each connect made one. So many at a time, and the next batch takes the rest.
    v_ids := array(select id from plane.backends where status = 'terminated' and not tokens_purged order by id limit p_limit for update);
    delete from plane.tokens t using (select hash from plane.tokens where backend_id = any (v_ids) limit p_limit) l where t.hash = l.hash;
    get diagnostics v_count = row_count;
    v_total := v_total + v_count;
    if v_count < p_limit then
        update plane.backends set tokens_purged = true where id = any (v_ids);
        v_total := v_total + cardinality(v_ids);
    end if;

    v_ids := array(
        select id from plane.backends where status = 'terminated' and tokens_purged and status_at < now() - p_ended order by status_at limit p_limit);
    delete from plane.history where backend_id = any (v_ids);

    -- Again: a connect that saw the holder alive may have stored its token after the purge.
    delete from plane.tokens where backend_id = any (v_ids);
    get diagnostics v_count = row_count;
    v_total := v_total + v_count;
    delete from plane.backends where id = any (v_ids);
    get diagnostics v_count = row_count;
    v_total := v_total + v_count;

    -- A prefix of the log, so that one position tells readers what is missing.
    with first as (
        select transaction_id, sequence, bool_and(created_at < now() - p_log) over (order by transaction_id, sequence) as old
        from (
            select * from plane.changes where transaction_id < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
            order by transaction_id, sequence limit p_limit
        ) c
    ), gone as (
        delete from plane.changes c using first f
        where f.old and c.transaction_id = f.transaction_id and c.sequence = f.sequence
        returning c.transaction_id, c.sequence
    )
    select transaction_id, sequence, count(*) over () as n into v_last from gone order by transaction_id desc, sequence desc limit 1;
    if found then
        update plane.changes_cleaned set transaction_id = v_last.transaction_id, sequence = v_last.sequence;
        v_total := v_total + v_last.n;
    end if;

    delete from plane.txt_values where expires_at < now();
    get diagnostics v_count = row_count;
    v_total := v_total + v_count;
    delete from plane.proxies where report_at < now() - p_silent;
    get diagnostics v_count = row_count;
    v_total := v_total + v_count;
    delete from plane.controllers where heartbeat_at < now() - greatest(p_ended, interval '1 hour');
    get diagnostics v_count = row_count;
    return v_total + v_count;
end $$;
