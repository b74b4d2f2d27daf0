-- Whether a controller gave a sign of life lately; if none did, a gap is about to end, and nothing may be concluded from the silence of others.
create or replace function plane.is_served(p_silent interval) returns boolean language sql volatile as $$
    select coalesce(max(heartbeat_at) >= now() - p_silent / 2, true) from plane.controllers
$$;
