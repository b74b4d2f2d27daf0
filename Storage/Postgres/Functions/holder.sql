-- What a connect is answered with: a backend and where it is.
create or replace function plane.holder(p_id text)
returns table (
    h_id text, h_token bigint, h_tag text, h_cluster text, h_drone text, h_status plane.backend_status, h_subdomain text, h_static_token text)
language sql stable as $$
    select id, fencing_token, key_tag, cluster, drone, status, subdomain, static_token from plane.backends where id = p_id
$$;
