-- What a drone has is changed by its own reports alone; acquisitions hold its row, so none is between its look at it and its commit.
create or replace function plane.forget_room() returns trigger language plpgsql as $$
begin
    update plane.drone_counters c set cpu_room = null, memory_room = null, disk_room = null, gpu_room = null where c.cluster = new.cluster and c.drone = new.name;
    return null;
end $$;

create or replace trigger forget_room after update of cpu_millis, memory_bytes, disk_bytes, gpus on plane.drones
    for each row when (
        (old.cpu_millis, old.memory_bytes, old.disk_bytes, old.gpus) is distinct from (new.cpu_millis, new.memory_bytes, new.disk_bytes, new.gpus))
    execute function plane.forget_room();
