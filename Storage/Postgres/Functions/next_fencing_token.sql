-- Strictly greater than every token drawn before, for whatever key, and not behind the clock in milliseconds. A sequence is not transactional, so nothing is drawn
-- twice. Drawing shares a lock with all others that draw; only where the clock has overtaken the sequence it is set, with the lock to itself, and then
-- a quarter of a second ahead, so that this is done four times a second and not for each token. It is a session lock because it must not be held until the commit.
create or replace function plane.next_fencing_token() returns bigint language plpgsql volatile as $$
declare
    drawn bigint;
    clock bigint;
begin
    -- Taken and released inside one block: a cancellation at any point between must not leave it with a pooled session. Released once too often, it only warns.
    begin
        perform pg_advisory_lock_shared(plane.lock_id('fencing_tokens'));
        drawn := nextval('plane.fencing_tokens');
        perform pg_advisory_unlock_shared(plane.lock_id('fencing_tokens'));
    exception when query_canceled or others then
        perform pg_advisory_unlock_shared(plane.lock_id('fencing_tokens'));
        raise;
    end;
    if drawn >= (extract(epoch from clock_timestamp()) * 1000)::bigint then
        return drawn;
    end if;

    begin
        perform pg_advisory_lock(plane.lock_id('fencing_tokens'));
        drawn := nextval('plane.fencing_tokens');
        clock := (extract(epoch from clock_timestamp()) * 1000)::bigint;

        -- Else another one has set it while this one waited.
        if drawn < clock then
            drawn := clock + 250;
            perform setval('plane.fencing_tokens', drawn);
        end if;
        perform pg_advisory_unlock(plane.lock_id('fencing_tokens'));
    exception when query_canceled or others then
        perform pg_advisory_unlock(plane.lock_id('fencing_tokens'));
        raise;
    end;
    return drawn;
end $$;
