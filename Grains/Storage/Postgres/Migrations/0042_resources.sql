-- oldest: 1
-- What drones have, what their backends reserve of it, and the images that they pull before these are needed.

-- Null from a drone that does not say: nothing of it is too little. Amounts are whole numbers that JSON holds exactly: thousandths of a core, bytes, GPUs.
alter table plane.drones
    add column cpu_millis bigint,
    add column memory_bytes bigint,
    add column disk_bytes bigint,
    add column gpus integer,
    add constraint drones_capacity check (
        cpu_millis between 0 and 9007199254740992 and memory_bytes between 0 and 9007199254740992 and disk_bytes between 0 and 9007199254740992 and gpus between 0 and 1024
        and num_nulls(cpu_millis, memory_bytes, disk_bytes, gpus) in (0, 4));

-- Null where nothing is reserved. What has not ended counts: nothing is to be given back, so nothing can be forgotten.
alter table plane.backends
    add column cpu_millis bigint,
    add column memory_bytes bigint,
    add column disk_bytes bigint,
    add column gpus integer,
    add constraint backends_reserved check (
        cpu_millis between 0 and 9007199254740992 and memory_bytes between 0 and 9007199254740992 and disk_bytes between 0 and 9007199254740992 and gpus between 0 and 1024
        and num_nulls(cpu_millis, memory_bytes, disk_bytes, gpus) in (0, 4));

-- How much more a drone has for certain, as of the last count: as with room, acquisitions take from it, in line at the counter, and what ends since only adds. Null: count.
alter table plane.drone_counters
    add column cpu_room bigint,
    add column memory_room bigint,
    add column disk_room bigint,
    add column gpu_room integer;

-- What a drone has is changed by its own reports alone; acquisitions hold its row, so none is between its look at it and its commit.
create function plane.forget_room() returns trigger language plpgsql as $$
begin
    update plane.drone_counters c set cpu_room = null, memory_room = null, disk_room = null, gpu_room = null where c.cluster = new.cluster and c.drone = new.name;
    return null;
end $$;
create trigger forget_room after update of cpu_millis, memory_bytes, disk_bytes, gpus on plane.drones
    for each row when (
        (old.cpu_millis, old.memory_bytes, old.disk_bytes, old.gpus) is distinct from (new.cpu_millis, new.memory_bytes, new.disk_bytes, new.gpus))
    execute function plane.forget_room();

-- What a drone has, with its registration. A drone that does not say has no bound, whatever it said under an earlier session.
create function plane.set_capacity(p_cluster text, p_name text, p_session bigint, p_cpu bigint, p_memory bigint, p_disk bigint, p_gpus integer)
returns void language sql volatile as $$
    update plane.drones d set cpu_millis = p_cpu, memory_bytes = p_memory, disk_bytes = p_disk, gpus = p_gpus
    where d.cluster = p_cluster and d.name = p_name and d.session = p_session
        and (d.cpu_millis, d.memory_bytes, d.disk_bytes, d.gpus) is distinct from (p_cpu, p_memory, p_disk, p_gpus)
$$;

-- Reserves for a backend that this transaction acquired: it holds the drone's row and has the turn at its counter. p_gpus -1: all that there are, of which none is reserved.
-- Error PLN04: the drone has too little left; raised, because what was written must go. Whether something was reserved; false for a repeat of what was reserved before.
create function plane.reserve(p_outcome smallint, p_id text, p_cpu bigint, p_memory bigint, p_disk bigint, p_gpus integer) returns boolean language plpgsql volatile as $$
declare
    v_backend record;
    v_has record;
    v_room record;
    v_gpus integer;
begin
    if p_outcome <> 0 then
        return false;
    end if;
    select b.cluster, b.drone into v_backend from plane.backends b where b.id = p_id and b.status < 70 and b.cpu_millis is null;
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

    -- Acquisitions on one drone have come in line at the counter: now the count is exact. What is not asked for may be short all the same, where the drone has less than it had.
    select v_has.cpu - coalesce(sum(b.cpu_millis), 0) as cpu, v_has.memory - coalesce(sum(b.memory_bytes), 0) as memory,
        v_has.disk - coalesce(sum(b.disk_bytes), 0) as disk, v_has.gpus - coalesce(sum(b.gpus), 0) as gpus
    into v_room from plane.backends b where b.cluster = v_backend.cluster and b.drone = v_backend.drone and b.status < 70;
    if p_cpu > 0 and v_room.cpu < 0 or p_memory > 0 and v_room.memory < 0 or p_disk > 0 and v_room.disk < 0 or v_gpus > 0 and v_room.gpus < 0 then
        raise exception 'too little left on the drone' using errcode = 'PLN04';
    end if;
    update plane.drone_counters c
    set cpu_room = greatest(0, v_room.cpu), memory_room = greatest(0, v_room.memory), disk_room = greatest(0, v_room.disk), gpu_room = greatest(0, v_room.gpus)
    where c.cluster = v_backend.cluster and c.drone = v_backend.drone;
    return true;
end $$;

-- How far drones are with the images that they pull before these are needed: JSON, as they reported it.
create table plane.drone_images (
    cluster text collate "C" not null,
    drone text collate "C" not null,
    images text not null,
    updated_at timestamptz not null,
    primary key (cluster, drone),
    foreign key (cluster, drone) references plane.drones (cluster, name) on delete cascade,
    constraint drone_images_names check (plane.is_cluster(cluster) and drone ~ '^dr-[a-z0-9-]{1,42}$'),
    constraint drone_images_texts check (char_length(images) between 2 and 2000000)
);
