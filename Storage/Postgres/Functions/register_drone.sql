-- Registers a drone: its session number, or null where another instance holds the name.
create or replace function plane.register_drone(
    p_cluster text, p_name text, p_pool text, p_instance_id text, p_boot_id text, p_reading bigint, p_kinds plane.executor_kind[], p_max_backends integer,
    p_version text, p_hash text, p_ready boolean, p_controller text, p_fresh interval, p_last_action bigint)
returns bigint language plpgsql volatile as $$
declare
    v_old plane.drones;
    v_session bigint;
    v_last bigint;
    v_moved bigint;
begin
    loop
        insert into plane.drones (
            cluster, name, pool, instance_id, boot_id, reading, kinds, max_backends, version, hash, ready, session, controller, heartbeat_at)
        values (
            p_cluster, p_name, p_pool, p_instance_id, p_boot_id, p_reading, p_kinds, p_max_backends, p_version, p_hash, p_ready, 0, p_controller,
            clock_timestamp())
        on conflict (cluster, name) do nothing;
        if found then
            -- Read after the row is inserted: a clean-up that removed the name before has committed by then.
            update plane.drones d set session = i.forgotten_session + 1 from plane.installation i where d.cluster = p_cluster and d.name = p_name
            returning d.session into v_session;
            insert into plane.drone_counters (cluster, drone, last_action) values (p_cluster, p_name, p_last_action);
            return v_session;
        end if;

        -- Not found: forgotten between the two.
        select * into v_old from plane.drones d where d.cluster = p_cluster and d.name = p_name for update;
        exit when found;
    end loop;

    if v_old.instance_id <> p_instance_id and v_old.heartbeat_at > clock_timestamp() - p_fresh then
        return null;
    end if;

    -- Draining is the operator's word about the name and stays.
    update plane.drones d
    set pool = p_pool, instance_id = p_instance_id, boot_id = p_boot_id, reading = p_reading, kinds = p_kinds, max_backends = p_max_backends,
        version = p_version, hash = p_hash, ready = p_ready, session = d.session + 1, controller = p_controller, heartbeat_at = clock_timestamp()
    where d.cluster = p_cluster and d.name = p_name
    returning d.session into v_session;

    -- A database that went back (a restored backup) counts from a number that the drone has passed, and would never be heard again. What is queued continues
    -- behind the drone's number; what of it was applied before is known there by its identity.
    select c.last_action into v_last from plane.drone_counters c where c.cluster = p_cluster and c.drone = p_name for update;
    if v_last < p_last_action then
        update plane.actions a set number = p_last_action + o.place
        from (
            select x.number, row_number() over (order by x.number) as place from plane.actions x where x.cluster = p_cluster and x.drone = p_name
        ) o
        where a.cluster = p_cluster and a.drone = p_name and a.number = o.number;
        get diagnostics v_moved = row_count;
        update plane.drone_counters c set last_action = p_last_action + v_moved where c.cluster = p_cluster and c.drone = p_name;
    end if;

    insert into plane.changes (kind, cluster, drone) values ('drone_action', p_cluster, p_name);
    return v_session;
end $$;
