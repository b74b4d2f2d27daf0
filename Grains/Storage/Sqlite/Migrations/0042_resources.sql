-- oldest: 1
-- What drones have, what their backends reserve of it, and the images that they pull before these are needed.

-- Null from a drone that does not say: nothing of it is too little. Amounts are whole numbers that JSON holds exactly: thousandths of a core, bytes, GPUs.
alter table drones add column cpu_millis integer check (cpu_millis between 0 and 9007199254740992);
alter table drones add column memory_bytes integer check (memory_bytes between 0 and 9007199254740992);
alter table drones add column disk_bytes integer check (disk_bytes between 0 and 9007199254740992);
alter table drones add column gpus integer check (
    gpus between 0 and 1024
    and (cpu_millis is null) = (gpus is null) and (memory_bytes is null) = (gpus is null) and (disk_bytes is null) = (gpus is null));

-- Null where nothing is reserved. What has not ended counts: nothing is to be given back, so nothing can be forgotten.
alter table backends add column cpu_millis integer check (cpu_millis between 0 and 9007199254740992);
alter table backends add column memory_bytes integer check (memory_bytes between 0 and 9007199254740992);
alter table backends add column disk_bytes integer check (disk_bytes between 0 and 9007199254740992);
alter table backends add column gpus integer check (
    gpus between 0 and 1024
    and (cpu_millis is null) = (gpus is null) and (memory_bytes is null) = (gpus is null) and (disk_bytes is null) = (gpus is null));

-- How far drones are with the images that they pull before these are needed: JSON, as they reported it.
create table drone_images (
    cluster text not null,
    drone text not null,
    images text not null,
    updated_at integer not null,
    primary key (cluster, drone),
    check (length(cluster) between 1 and 259 and cluster not glob '*[^a-z0-9.:-]*'),
    check (drone glob 'dr-?*' and drone not glob '*[^a-z0-9-]*' and length(drone) between 4 and 45),
    check (length(images) between 2 and 2000000)
) without rowid, strict;
create trigger drone_images_of_forgotten after delete on drones
begin
    delete from drone_images where cluster = old.cluster and drone = old.name;
end;
