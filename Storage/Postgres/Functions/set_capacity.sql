-- What a drone has, with its registration. A drone that does not say has no bound, whatever it said under an earlier session.
create or replace function plane.set_capacity(p_cluster text, p_name text, p_session bigint, p_cpu bigint, p_memory bigint, p_disk bigint, p_gpus integer)
returns void language sql volatile as $$
    update plane.drones d set cpu_millis = p_cpu, memory_bytes = p_memory, disk_bytes = p_disk, gpus = p_gpus
    where d.cluster = p_cluster and d.name = p_name and d.session = p_session
        and (d.cpu_millis, d.memory_bytes, d.disk_bytes, d.gpus) is distinct from (p_cpu, p_memory, p_disk, p_gpus)
$$;
