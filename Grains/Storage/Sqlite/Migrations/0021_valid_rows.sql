-- oldest: 1
-- What a row may hold, by the rules of the contract (Grains.Interfaces): names, texts, enumerations and the types of columns. The grains refuse what breaks them; here it is
-- refused again, since a row that can't be read would be in the way of everything that reads rows. The key's texts are checked with its backend, which is inserted with it.
-- SQLite adds no constraint to a table: each is made anew. A row that breaks a rule could not be read by any program and is left behind.

create table controllers_valid (
    id text primary key,
    version text not null,
    hash text not null,
    heartbeat_lease integer not null,
    check (id glob 'co-?*' and id not glob '*[^a-z0-9-]*' and length(id) between 4 and 45),
    check (length(version) between 1 and 255 and instr(version, char(0)) = 0 and version not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    check (length(hash) between 0 and 255 and instr(hash, char(0)) = 0 and hash not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*')
) without rowid, strict;
insert or ignore into controllers_valid (id, version, hash, heartbeat_lease)
    select id, version, hash, heartbeat_lease from controllers;
drop table controllers;
alter table controllers_valid rename to controllers;

create table drones_valid (
    cluster text not null,
    name text not null,
    pool text not null,
    instance_id text not null,
    boot_id text not null,
    reading integer not null,
    kinds text not null,
    max_backends integer not null,
    version text not null,
    hash text not null,
    ready integer not null,
    draining integer not null default 0,
    session integer not null,
    last_action integer not null default 0,
    controller text not null,
    heartbeat_lease integer not null,
    primary key (cluster, name),
    check (length(cluster) between 1 and 259 and cluster not glob '*[^a-z0-9.:-]*'),
    check (name glob 'dr-?*' and name not glob '*[^a-z0-9-]*' and length(name) between 4 and 45),
    check (controller glob 'co-?*' and controller not glob '*[^a-z0-9-]*' and length(controller) between 4 and 45),
    check (length(pool) between 0 and 255 and instr(pool, char(0)) = 0 and pool not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    check (length(version) between 1 and 255 and instr(version, char(0)) = 0 and version not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    check (length(hash) between 0 and 255 and instr(hash, char(0)) = 0 and hash not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    check (length(instance_id) between 1 and 64 and instance_id not glob '*[^!-~]*'),
    check (length(boot_id) between 1 and 64 and boot_id not glob '*[^!-~]*'),
    check (reading between 0 and 9007199254740992 and max_backends between 1 and 100000 and session >= 0 and last_action >= 0),
    check (kinds in ('1', '2', '1,2', '2,1'))
) without rowid, strict;
insert or ignore into drones_valid (cluster, name, pool, instance_id, boot_id, reading, kinds, max_backends, version, hash, ready, draining, session, last_action, controller, heartbeat_lease)
    select cluster, name, pool, instance_id, boot_id, reading, kinds, max_backends, version, hash, ready, draining, session, last_action, controller, heartbeat_lease from drones;
drop table drones;
alter table drones_valid rename to drones;

create table keys_valid (
    namespace text not null,
    name text not null,
    tag text not null,
    backend_id text not null unique,
    fencing_token integer not null,
    allow_renew integer not null default 1,
    expires_lease integer not null,
    primary key (namespace, name),
    check (fencing_token > 0)
) without rowid, strict;
insert or ignore into keys_valid (namespace, name, tag, backend_id, fencing_token, allow_renew, expires_lease)
    select namespace, name, tag, backend_id, fencing_token, allow_renew, expires_lease from keys;
drop table keys;
alter table keys_valid rename to keys;
create index keys_expiry on keys (expires_lease);

create table backends_valid (
    id text primary key,
    cluster text not null,
    drone text not null,
    pool text not null,
    key_namespace text not null,
    key_name text not null,
    key_tag text not null,
    fencing_token integer not null,
    allow_renew integer not null default 1,
    acquired_by text not null,
    status integer not null,
    status_at integer not null,
    created_at integer not null,
    ready_lease integer,
    used_lease integer,
    last_used_at integer,
    lifetime_ends_lease integer,
    max_idle_seconds integer,
    end_kind integer not null default 0,
    address text,
    subdomain text,
    uses_static_token integer not null,
    static_token text,
    static_token_hash text,
    executor integer not null,
    image text,
    termination_reason integer,
    exit_code integer,
    message text,
    tokens_purged integer not null default 0,
    output_tail text,
    check (id not glob '*[^a-z0-9-]*' and length(id) between 1 and 45),
    check (length(cluster) between 1 and 259 and cluster not glob '*[^a-z0-9.:-]*'),
    check (drone glob 'dr-?*' and drone not glob '*[^a-z0-9-]*' and length(drone) between 4 and 45),
    check (length(pool) between 0 and 255 and instr(pool, char(0)) = 0 and pool not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    check (length(key_namespace) between 0 and 255 and instr(key_namespace, char(0)) = 0 and key_namespace not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    check (length(key_name) between 1 and 255 and instr(key_name, char(0)) = 0 and key_name not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    check (length(key_tag) between 0 and 255 and instr(key_tag, char(0)) = 0 and key_tag not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    check (length(subdomain) between 1 and 63 and subdomain not glob '*[^A-Za-z0-9-]*' and subdomain not glob '-*' and subdomain not glob '*-'),
    check (length(address) <= 64 and length(image) <= 1024 and length(message) <= 1000 and length(output_tail) <= 8192),
    check (length(acquired_by) = 43 and acquired_by not glob '*[^A-Za-z0-9_-]*'),
    check (length(static_token) = 45 and static_token glob 's.*' and substr(static_token, 3) not glob '*[^A-Za-z0-9_-]*'),
    check (length(static_token_hash) = 43 and static_token_hash not glob '*[^A-Za-z0-9_-]*'),
    check (fencing_token > 0 and status in (10, 20, 30, 40, 50, 60, 65, 70) and end_kind in (0, 1, 2) and executor in (1, 2)),
    check (termination_reason between 1 and 6 and max_idle_seconds > 0)
) without rowid, strict;
insert or ignore into backends_valid (id, cluster, drone, pool, key_namespace, key_name, key_tag, fencing_token, allow_renew, acquired_by, status, status_at, created_at, ready_lease, used_lease, last_used_at, lifetime_ends_lease, max_idle_seconds, end_kind, address, subdomain, uses_static_token, static_token, static_token_hash, executor, image, termination_reason, exit_code, message, tokens_purged, output_tail)
    select id, cluster, drone, pool, key_namespace, key_name, key_tag, fencing_token, allow_renew, acquired_by, status, status_at, created_at, ready_lease, used_lease, last_used_at, lifetime_ends_lease, max_idle_seconds, end_kind, address, subdomain, uses_static_token, static_token, static_token_hash, executor, image, termination_reason, exit_code, message, tokens_purged, output_tail from backends;
drop table backends;
alter table backends_valid rename to backends;
create index backends_live on backends (cluster, drone) where status < 70;
create index backends_newest on backends (created_at desc, id desc);
create index backends_newest_live on backends (created_at desc, id desc) where status < 70;
create index backends_by_key on backends (key_name, created_at desc, id desc);
create index backends_by_drone on backends (drone, created_at desc, id desc);
create index backends_ended on backends (status_at) where status = 70;
create index backends_idle on backends (cluster, id) where status = 50 and max_idle_seconds is not null and end_kind = 0;
create index backends_lifetime on backends (lifetime_ends_lease) where lifetime_ends_lease is not null and status < 70 and end_kind = 0;
create index backends_unpurged on backends (id) where status = 70 and tokens_purged = 0;

create table history_valid (
    backend_id text not null,
    status integer not null,
    at integer not null,
    termination_reason integer,
    termination_kind integer,
    exit_error integer,
    primary key (backend_id, status),
    check (status in (10, 20, 30, 40, 50, 60, 65, 70)),
    check (termination_reason between 1 and 6 and termination_kind in (1, 2))
) without rowid, strict;
insert or ignore into history_valid (backend_id, status, at, termination_reason, termination_kind, exit_error)
    select backend_id, status, at, termination_reason, termination_kind, exit_error from history;
drop table history;
alter table history_valid rename to history;

create table tokens_valid (
    hash text primary key,
    backend_id text not null,
    user_name text,
    auth text,
    secret text,
    revoked integer not null default 0,
    check (length(hash) = 43 and hash not glob '*[^A-Za-z0-9_-]*'),
    check (length(user_name) between 0 and 255 and instr(user_name, char(0)) = 0 and user_name not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    check (length(auth) <= 8192 and length(secret) between 1 and 256)
) without rowid, strict;
insert or ignore into tokens_valid (hash, backend_id, user_name, auth, secret, revoked)
    select hash, backend_id, user_name, auth, secret, revoked from tokens;
drop table tokens;
alter table tokens_valid rename to tokens;
create index tokens_by_backend on tokens (backend_id);

create table actions_valid (
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
    primary key (cluster, drone, number),
    check (length(cluster) between 1 and 259 and cluster not glob '*[^a-z0-9.:-]*'),
    check (drone glob 'dr-?*' and drone not glob '*[^a-z0-9-]*' and length(drone) between 4 and 45),
    check (backend_id not glob '*[^a-z0-9-]*' and length(backend_id) between 1 and 45),
    check (number > 0 and fencing_token > 0),
    check (kind = 0 and instance_id is not null and boot_id is not null and renew_at is not null and soft_at is not null and hard_at is not null and spawn is not null
        or kind = 1 and end_kind is not null and end_kind in (1, 2) and end_reason is not null and end_reason between 1 and 6)
) without rowid, strict;
insert or ignore into actions_valid (cluster, drone, number, backend_id, fencing_token, kind, spawn, instance_id, boot_id, renew_at, soft_at, hard_at, end_kind, end_reason)
    select cluster, drone, number, backend_id, fencing_token, kind, spawn, instance_id, boot_id, renew_at, soft_at, hard_at, end_kind, end_reason from actions;
drop table actions;
alter table actions_valid rename to actions;
create index actions_by_backend on actions (backend_id);

create table proxies_valid (
    cluster text not null,
    name text not null,
    version text not null,
    hash text not null,
    controller text not null,
    report_lease integer not null,
    primary key (cluster, name),
    check (length(cluster) between 1 and 259 and cluster not glob '*[^a-z0-9.:-]*'),
    check (name glob 'px-?*' and name not glob '*[^a-z0-9-]*' and length(name) between 4 and 45),
    check (controller glob 'co-?*' and controller not glob '*[^a-z0-9-]*' and length(controller) between 4 and 45),
    check (length(version) between 1 and 255 and instr(version, char(0)) = 0 and version not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    check (length(hash) between 0 and 255 and instr(hash, char(0)) = 0 and hash not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*')
) without rowid, strict;
insert or ignore into proxies_valid (cluster, name, version, hash, controller, report_lease)
    select cluster, name, version, hash, controller, report_lease from proxies;
drop table proxies;
alter table proxies_valid rename to proxies;

create table changes_valid (
    sequence integer primary key autoincrement,
    kind integer not null,
    cluster text not null,
    backend_id text,
    fencing_token integer,
    status integer,
    token_hash text,
    drone text,
    created_at integer not null,
    check (length(cluster) between 1 and 259 and cluster not glob '*[^a-z0-9.:-]*'),
    check (backend_id not glob '*[^a-z0-9-]*' and length(backend_id) between 1 and 45),
    check (drone glob 'dr-?*' and drone not glob '*[^a-z0-9-]*' and length(drone) between 4 and 45),
    check (length(token_hash) = 43 and token_hash not glob '*[^A-Za-z0-9_-]*'),
    check (kind in (1, 2, 3, 4) and fencing_token > 0 and status in (10, 20, 30, 40, 50, 60, 65, 70)),
    check ((backend_id is null) = (fencing_token is null))
) strict;
-- The number of the last change goes on, also where no row is left.
insert into sqlite_sequence (name, seq) select 'changes_valid', seq from sqlite_sequence where name = 'changes';
insert or ignore into changes_valid (sequence, kind, cluster, backend_id, fencing_token, status, token_hash, drone, created_at)
    select sequence, kind, cluster, backend_id, fencing_token, status, token_hash, drone, created_at from changes;
drop table changes;
alter table changes_valid rename to changes;

create table txt_values_valid (
    cluster text not null,
    owner text not null,
    item text not null,
    expires_lease integer not null,
    primary key (cluster, owner, item),
    check (length(cluster) between 1 and 259 and cluster not glob '*[^a-z0-9.:-]*'),
    check (length(owner) between 1 and 255 and instr(owner, char(0)) = 0 and owner not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    check (length(item) between 1 and 255 and item not glob '*[^ -~]*')
) without rowid, strict;
insert or ignore into txt_values_valid (cluster, owner, item, expires_lease)
    select cluster, owner, item, expires_lease from txt_values;
drop table txt_values;
alter table txt_values_valid rename to txt_values;

create table challenge_leases_valid (
    cluster text primary key,
    owner text not null,
    expires_lease integer not null,
    check (length(cluster) between 1 and 259 and cluster not glob '*[^a-z0-9.:-]*'),
    check (length(owner) between 1 and 255 and instr(owner, char(0)) = 0 and owner not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*')
) without rowid, strict;
insert or ignore into challenge_leases_valid (cluster, owner, expires_lease)
    select cluster, owner, expires_lease from challenge_leases;
drop table challenge_leases;
alter table challenge_leases_valid rename to challenge_leases;

create table certificate_orders_valid (
    cluster text not null,
    id text not null,
    authority text not null,
    owner text not null,
    ordered_at integer not null,
    primary key (cluster, id),
    check (length(cluster) between 1 and 259 and cluster not glob '*[^a-z0-9.:-]*'),
    check (length(id) between 1 and 255 and instr(id, char(0)) = 0 and id not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    check (length(authority) between 1 and 255 and instr(authority, char(0)) = 0 and authority not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    check (length(owner) between 1 and 255 and instr(owner, char(0)) = 0 and owner not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*')
) without rowid, strict;
insert or ignore into certificate_orders_valid (cluster, id, authority, owner, ordered_at)
    select cluster, id, authority, owner, ordered_at from certificate_orders;
drop table certificate_orders;
alter table certificate_orders_valid rename to certificate_orders;

create table requests_valid (
    id text primary key,
    digest text not null,
    sealed blob not null,
    backend_id text not null,
    fencing_token integer not null,
    tag text not null,
    cluster text not null,
    drone text not null,
    subdomain text,
    static_token text,
    spawned integer not null,
    expires_lease integer not null,
    check (length(id) between 1 and 64 and length(digest) between 1 and 64 and length(sealed) <= 8192)
) without rowid, strict;
insert or ignore into requests_valid (id, digest, sealed, backend_id, fencing_token, tag, cluster, drone, subdomain, static_token, spawned, expires_lease)
    select id, digest, sealed, backend_id, fencing_token, tag, cluster, drone, subdomain, static_token, spawned, expires_lease from requests;
drop table requests;
alter table requests_valid rename to requests;
create index requests_expiry on requests (expires_lease);
