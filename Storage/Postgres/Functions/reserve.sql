-- Reserves for a backend that this transaction acquired: it holds the drone's row and has the turn at its counter. p_gpus -1: all that there are, of which none is reserved.
-- Error PLN04: the drone has too little left; raised, because what was written must go. Whether something was reserved; false for a repeat of what was reserved before.
create or replace function plane.reserve(p_outcome plane.acquire_outcome, p_id text, p_cpu bigint, p_memory bigint, p_disk bigint, p_gpus integer) returns boolean language plpgsql volatile as $$
declare
    v_backend record;
    v_has record;
    v_room record;
    v_gpus integer;
begin
    if p_outcome <> 'acquired' then
        return false;
    end if;
    select b.cluster, b.drone into v_backend from plane.backends b where b.id = p_id and b.status < 'terminated' and b.cpu_millis is null;
    if not found then
        return false;
    end if;

    select d.cpu_millis as cpu, d.memory_bytes as memory, d.disk_bytes as disk, d.gpus into v_has
    from plane.drones d where d.cluster = v_backend.cluster and d.name = v_backend.drone;
    v_gpus := case when p_gpus >= 0 then p_gpus when v_has.gpus is null then 0 else greatest(1, v_has.gpus) end;
    update plane.backends b set cpu_millis = p_cpu, memory_bytes = p_memory, disk_bytes = p_disk, gpus = v_gpus where b.id = p_id;
    if v_has.gpus is null then
        -- What it has is not known.
        return true;
    end if;

    update plane.drone_counters c
    set cpu_room = c.cpu_room - p_cpu, memory_room = c.memory_room - p_memory, disk_room = c.disk_room - p_disk, gpu_room = c.gpu_room - v_gpus
    where c.cluster = v_backend.cluster and c.drone = v_backend.drone
    returning least(c.cpu_room, c.memory_room, c.disk_room, c.gpu_room) >= 0 and num_nulls(c.cpu_room, c.memory_room, c.disk_room, c.gpu_room) = 0 as is_enough into v_room;
    if v_room.is_enough then
        return true;
    end if;

    -- Acquisitions on one drone have come in line at the counter: now the count is exact. What is not asked for may be short anyway, where the drone has less than it had.
    select v_has.cpu - coalesce(sum(b.cpu_millis), 0) as cpu, v_has.memory - coalesce(sum(b.memory_bytes), 0) as memory,
        v_has.disk - coalesce(sum(b.disk_bytes), 0) as disk, v_has.gpus - coalesce(sum(b.gpus), 0) as gpus
    into v_room from plane.backends b where b.cluster = v_backend.cluster and b.drone = v_backend.drone and b.status < 'terminated';
    if p_cpu > 0 and v_room.cpu < 0 or p_memory > 0 and v_room.memory < 0 or p_disk > 0 and v_room.disk < 0 or v_gpus > 0 and v_room.gpus < 0 then
        raise exception 'too little left on the drone' using errcode = 'PLN04';
    end if;
    update plane.drone_counters c
    set cpu_room = greatest(0, v_room.cpu), memory_room = greatest(0, v_room.memory), disk_room = greatest(0, v_room.disk), gpu_room = greatest(0, v_room.gpus)
    where c.cluster = v_backend.cluster and c.drone = v_backend.drone;
    return true;
end $$;
