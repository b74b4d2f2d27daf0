-- oldest: 1
-- Where controllers ask a drone about its backends: the address of an object of its cluster client.
alter table drones add column inspector text check (length(inspector) between 1 and 255);
