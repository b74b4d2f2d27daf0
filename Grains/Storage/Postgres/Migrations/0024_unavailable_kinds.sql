-- oldest: 1
-- What a drone is meant to run and cannot for the moment, because the runtime does not answer. What it can run now is in kinds.
alter table plane.drones add column unavailable_kinds smallint[] not null default '{}';
