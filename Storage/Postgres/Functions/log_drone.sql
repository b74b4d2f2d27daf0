-- What an operator sees of drones in the change log: rows that have a state (see the comment on plane.changes.status).
create or replace function plane.log_drone() returns trigger language plpgsql as $$
begin
    insert into plane.changes (kind, cluster, drone, status)
    values (
        'drone_action', new.cluster, new.name,
        case when tg_argv[0] = 'session' then 'scheduled' when new.draining then 'terminating' else 'ready' end::plane.backend_status);
    return null;
end $$;

create or replace trigger log_registration after update of session on plane.drones
    for each row when (old.session <> new.session) execute function plane.log_drone('session');

create or replace trigger log_draining after update of draining on plane.drones
    for each row when (old.draining <> new.draining) execute function plane.log_drone('draining');
