-- The stored answer, with the status that the backend has by now; one that is not known any more has ended.
create or replace function plane.read_request(p_id text)
returns table (
    h_id text, h_token bigint, h_tag text, h_cluster text, h_drone text, h_status plane.backend_status, h_subdomain text, h_static_token text, spawned boolean,
    sealed bytea)
language sql volatile as $$
    select r.backend_id, r.fencing_token, r.tag, r.cluster, r.drone, coalesce(b.status, 'terminated'), r.subdomain, r.static_token, r.spawned, r.sealed
    from plane.requests r left join plane.backends b on b.id = r.backend_id and b.fencing_token = r.fencing_token
    where r.id = p_id
$$;
