-- oldest: 1
-- Where controllers ask a drone about its backends: the address of an object of its cluster client.
alter table plane.drones add column inspector text check (char_length(inspector) between 1 and 255);

-- What an operator sees of drones in the change log: one that is new, drained (state 60) or takes new backends again (state 50). One that registers again is in it already.
create function plane.log_drone() returns trigger language plpgsql as $$
begin
    insert into plane.changes (kind, cluster, drone, status)
    values (3, new.cluster, new.name, case when tg_op = 'INSERT' then null when new.draining then 60 else 50 end);
    return null;
end $$;
create trigger log_new_drone after insert on plane.drones for each row execute function plane.log_drone();
create trigger log_draining after update of draining on plane.drones for each row when (old.draining <> new.draining) execute function plane.log_drone();
