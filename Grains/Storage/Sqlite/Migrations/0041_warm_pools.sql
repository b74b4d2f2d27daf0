-- oldest: 1
-- Warm backends: started without a key of an application, they hold a key in the namespace .plane/warm/SERVICE, with a lease like any other. A claim gives one of them the key of a
-- connect, in one transaction. Only there a backend's key and fencing token ever change, once. start_token is the token that one that was claimed was started under: what its drone says
-- under it still counts. claims_session is the session under which a drone said that it takes claims.
alter table drones add column claims_session integer;
alter table keys add column start_token integer check (start_token < fencing_token);
alter table backends add column start_token integer check (start_token between 1 and fencing_token - 1);
alter table backends add column warm_lease integer;
alter table backends add column claimed_lease integer check ((start_token is null) = (claimed_lease is null));
create index backends_warm on backends (key_namespace, cluster, drone) where status < 70 and key_namespace glob '.plane/warm/*';

create table actions_claim (
    cluster text not null,
    drone text not null,
    number integer not null,
    backend_id text not null,
    fencing_token integer not null,
    kind integer not null,
    -- Before the text, so that it is read without it.
    spawn_size integer not null generated always as (coalesce(length(spawn), 0)) stored,
    spawn text,
    instance_id text,
    boot_id text,
    renew_at integer,
    soft_at integer,
    hard_at integer,
    end_kind integer,
    end_reason integer,
    claim text,
    start_token integer,
    primary key (cluster, drone, number),
    check (length(cluster) between 1 and 259 and cluster not glob '*[^a-z0-9.:-]*'),
    check (drone glob 'dr-?*' and drone not glob '*[^a-z0-9-]*' and length(drone) between 4 and 45),
    check (backend_id not glob '*[^a-z0-9-]*' and length(backend_id) between 1 and 45),
    check (number > 0 and fencing_token > 0),
    check (kind = 0 and instance_id is not null and boot_id is not null and renew_at is not null and soft_at is not null and hard_at is not null and spawn is not null
        or kind = 1 and end_kind is not null and end_kind in (1, 2) and end_reason is not null and end_reason between 1 and 6
        or kind = 2 and claim is not null and length(claim) <= 16384 and start_token is not null and start_token between 1 and fencing_token - 1)
) without rowid, strict;
insert into actions_claim (cluster, drone, number, backend_id, fencing_token, kind, spawn, instance_id, boot_id, renew_at, soft_at, hard_at, end_kind, end_reason)
    select cluster, drone, number, backend_id, fencing_token, kind, spawn, instance_id, boot_id, renew_at, soft_at, hard_at, end_kind, end_reason from actions;
drop table actions;
alter table actions_claim rename to actions;
create index actions_by_backend on actions (backend_id);
