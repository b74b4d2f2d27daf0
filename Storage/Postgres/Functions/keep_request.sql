-- Stores the answer of a request that was claimed.
create or replace function plane.keep_request(p_id text, p_backend text, p_spawned boolean) returns void language sql volatile as $$
    update plane.requests r
    set backend_id = b.id, fencing_token = b.fencing_token, tag = b.key_tag, cluster = b.cluster, drone = b.drone,
        subdomain = b.subdomain, static_token = b.static_token, spawned = p_spawned
    from plane.backends b
    where r.id = p_id and b.id = p_backend
$$;
