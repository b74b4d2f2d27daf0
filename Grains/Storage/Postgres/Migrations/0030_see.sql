-- oldest: 1
-- Where controllers ask a drone about its backends: the address of an object of its cluster client.
alter table plane.drones add column inspector text check (char_length(inspector) between 1 and 255);

-- What an operator sees of drones in the change log. The row of an action has no state; these have one: registered (10), takes new backends again (50), drained (60).
create function plane.log_drone() returns trigger language plpgsql as $$
begin
    insert into plane.changes (kind, cluster, drone, status)
    values (3, new.cluster, new.name, case when tg_argv[0] = 'session' then 10 when new.draining then 60 else 50 end);
    return null;
end $$;
create trigger log_registration after update of session on plane.drones
    for each row when (old.session <> new.session) execute function plane.log_drone('session');
create trigger log_draining after update of draining on plane.drones
    for each row when (old.draining <> new.draining) execute function plane.log_drone('draining');
