-- How long a proxy that counts may have been silent: after a gap each that counted before it is given the time to report again.
create or replace function plane.proxy_silence(p_silent interval) returns interval language sql volatile as $$
    select case when now() < served_since + p_silent and away_since > '-infinity' then now() - away_since + p_silent else p_silent end
    from plane.server where single
$$;
