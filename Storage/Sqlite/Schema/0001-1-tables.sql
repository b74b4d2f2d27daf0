-- oldest: 1
-- The same tables as PostgreSQL's (Postgres/Schema), with the same columns; what their comments say there holds here. What differs:
-- * Times are whole milliseconds of one of two clocks (SqliteClock.cs). What decides is by the lease clock: heartbeat_at, report_at, expires_at, ready_at, warm_at, claimed_at,
--   last_used_lease, lifetime_ends_at, failed_at, retry_at, away_since, served_since. What people read is by the record clock: all others.
-- * Values of an enumeration are texts with a check; lists are texts with commas.
-- * One writer: no counters against waiting for rows, no transaction ids, no server to be compared, no controllers' membership. A sequence is a table of one row.
-- * TXT values have a row each.
-- A row that can't be read would stop everything that reads rows, so checks state once more what the grains have checked. The key's texts are checked with its backend,
-- which is inserted with it.

-- The lease clock when the file was last written, and how far the record clock is ahead of it: one row. Written with every transaction.
create table clock (
    single integer primary key check (single = 1),
    lease_base integer not null,
    record_offset integer not null
) strict;

-- This database: one row.
create table installation (
    single integer primary key check (single = 1),
    id text not null,
    forgotten_session integer not null default 0
) strict;
insert into installation (single, id) values (1, lower(hex(randomblob(16))));

-- Since when controllers have served without a gap: one row.
create table server (
    single integer primary key check (single = 1),
    away_since integer,
    served_since integer not null default 0
) strict;
insert into server (single) values (1);

-- Controllers and their last signs of life.
create table controllers (
    id text primary key,
    version text not null,
    hash text not null,
    heartbeat_at integer not null,
    check (id glob 'co-?*' and id not glob '*[^a-z0-9-]*' and length(id) between 4 and 45),
    check (length(version) between 1 and 255 and instr(version, char(0)) = 0 and version not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    check (length(hash) between 0 and 255 and instr(hash, char(0)) = 0 and hash not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*')
) without rowid, strict;

-- Drones: their registration, and what their heartbeats say.
create table drones (
    cluster text not null,
    name text not null,
    pool text not null,
    instance_id text not null,
    boot_id text not null,
    reading integer not null,
    kinds text not null,
    unavailable_kinds text not null default '',
    max_backends integer not null,
    cpu_millis integer,
    memory_bytes integer,
    disk_bytes integer,
    gpus integer,
    version text not null,
    hash text not null,
    ready integer not null,
    draining integer not null default 0,
    session integer not null,
    claims_session integer,
    inspector text,
    controller text not null,
    heartbeat_at integer not null,
    primary key (cluster, name),
    check (length(cluster) between 1 and 259 and cluster not glob '*[^a-z0-9.:-]*'),
    check (name glob 'dr-?*' and name not glob '*[^a-z0-9-]*' and length(name) between 4 and 45),
    check (controller glob 'co-?*' and controller not glob '*[^a-z0-9-]*' and length(controller) between 4 and 45),
    check (length(pool) between 0 and 255 and instr(pool, char(0)) = 0 and pool not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    check (length(version) between 1 and 255 and instr(version, char(0)) = 0 and version not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    check (length(hash) between 0 and 255 and instr(hash, char(0)) = 0 and hash not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    check (length(instance_id) between 1 and 64 and instance_id not glob '*[^!-~]*'),
    check (length(boot_id) between 1 and 64 and boot_id not glob '*[^!-~]*'),
    check (reading between 0 and 9007199254740992 and max_backends between 1 and 100000 and session >= 0),
    check (kinds in ('docker', 'process', 'docker,process', 'process,docker')),
    check (length(inspector) between 1 and 255),
    check (cpu_millis between 0 and 9007199254740992 and memory_bytes between 0 and 9007199254740992 and disk_bytes between 0 and 9007199254740992 and gpus between 0 and 1024),
    check ((cpu_millis is null) = (gpus is null) and (memory_bytes is null) = (gpus is null) and (disk_bytes is null) = (gpus is null))
) without rowid, strict;

-- The number of a drone's last action.
create table drone_counters (
    cluster text not null,
    drone text not null,
    last_action integer not null default 0,
    primary key (cluster, drone),
    check (length(cluster) between 1 and 259 and cluster not glob '*[^a-z0-9.:-]*'),
    check (drone glob 'dr-?*' and drone not glob '*[^a-z0-9-]*' and length(drone) between 4 and 45),
    check (last_action >= 0)
) without rowid, strict;

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
create trigger forget_drone after delete on drones
begin
    delete from drone_images where cluster = old.cluster and drone = old.name;
    delete from drone_counters where cluster = old.cluster and drone = old.name;
end;

-- Keys that are held.
create table keys (
    namespace text not null,
    name text not null,
    tag text not null,
    backend_id text not null unique,
    fencing_token integer not null,
    start_token integer,
    allow_renew integer not null default 1,
    expires_at integer not null,
    primary key (namespace, name),
    check (fencing_token > 0),
    check (start_token < fencing_token)
) without rowid, strict;
create index keys_expiry on keys (expires_at);

-- The last fencing token that was drawn.
create table fencing_tokens (
    single integer primary key check (single = 1),
    last integer not null
) strict;
insert into fencing_tokens (single, last) values (1, 0);

-- Backends, also for a while after their end.
create table backends (
    id text primary key,
    cluster text not null,
    drone text not null,
    pool text not null,
    service text,
    service_version integer,
    key_namespace text not null,
    key_name text not null,
    key_tag text not null,
    fencing_token integer not null,
    start_token integer,
    allow_renew integer not null default 1,
    acquired_by text not null,
    status text not null,
    status_at integer not null,
    created_at integer not null,
    warm_at integer,
    claimed_at integer,
    ready_at integer,
    -- The same moment on both clocks: for people, and for what decides.
    last_used_at integer,
    last_used_lease integer,
    lifetime_ends_at integer,
    max_idle_seconds integer,
    end_kind text,
    address text,
    subdomain text,
    web text,
    uses_static_token integer not null,
    static_token text,
    static_token_hash text,
    executor text not null,
    image text,
    cpu_millis integer,
    memory_bytes integer,
    disk_bytes integer,
    gpus integer,
    termination_reason text,
    exit_code integer,
    message text,
    output_tail text,
    tokens_purged integer not null default 0,
    check (id not glob '*[^a-z0-9-]*' and length(id) between 1 and 45),
    check (length(cluster) between 1 and 259 and cluster not glob '*[^a-z0-9.:-]*'),
    check (drone glob 'dr-?*' and drone not glob '*[^a-z0-9-]*' and length(drone) between 4 and 45),
    check (length(pool) between 0 and 255 and instr(pool, char(0)) = 0 and pool not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    check (length(key_namespace) between 0 and 255 and instr(key_namespace, char(0)) = 0 and key_namespace not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    check (length(key_name) between 1 and 255 and instr(key_name, char(0)) = 0 and key_name not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    check (length(key_tag) between 0 and 255 and instr(key_tag, char(0)) = 0 and key_tag not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    check (length(subdomain) between 1 and 63 and subdomain not glob '*[^A-Za-z0-9-]*' and subdomain not glob '-*' and subdomain not glob '*-'),
    check (length(address) <= 64 and length(image) <= 1024 and length(message) <= 1000 and length(output_tail) <= 8192 and length(web) <= 8192),
    check (length(acquired_by) = 43 and acquired_by not glob '*[^A-Za-z0-9_-]*'),
    check (length(static_token) = 45 and static_token glob 's.*' and substr(static_token, 3) not glob '*[^A-Za-z0-9_-]*'),
    check (length(static_token_hash) = 43 and static_token_hash not glob '*[^A-Za-z0-9_-]*'),
    check (status in ('scheduled', 'loading', 'starting', 'waiting', 'ready', 'terminating', 'hard_terminating', 'terminated')),
    check (end_kind in ('soft', 'hard')),
    check (executor in ('docker', 'process')),
    check (termination_reason in ('swept', 'external', 'key_expired', 'lost', 'startup_timeout', 'internal_error')),
    check (fencing_token > 0 and max_idle_seconds > 0),
    check (start_token between 1 and fencing_token - 1),
    check ((start_token is null) = (claimed_at is null)),
    check (service glob '[a-z]*' and service not glob '*[^a-z0-9-]*' and service not glob '*-' and instr(service, '--') = 0 and length(service) <= 30),
    check (service_version > 0 and (service is null) = (service_version is null)),
    check (cpu_millis between 0 and 9007199254740992 and memory_bytes between 0 and 9007199254740992 and disk_bytes between 0 and 9007199254740992 and gpus between 0 and 1024),
    check ((cpu_millis is null) = (gpus is null) and (memory_bytes is null) = (gpus is null) and (disk_bytes is null) = (gpus is null))
) without rowid, strict;
create index backends_live on backends (cluster, drone) where status <> 'terminated';
create index backends_newest on backends (created_at desc, id desc);
create index backends_newest_live on backends (created_at desc, id desc) where status <> 'terminated';
create index backends_by_key on backends (key_name, created_at desc, id desc);
create index backends_by_drone on backends (drone, created_at desc, id desc);
create index backends_by_service on backends (service, created_at desc, id desc) where service is not null;
create index backends_live_of_service on backends (service) where service is not null and status <> 'terminated';
create index backends_warm on backends (key_namespace, cluster, drone) where status <> 'terminated' and key_namespace glob '.plane/warm/*';
create index backends_ended on backends (status_at) where status = 'terminated';
create index backends_idle on backends (cluster, id) where status = 'ready' and max_idle_seconds is not null and end_kind is null;
create index backends_lifetime on backends (lifetime_ends_at) where lifetime_ends_at is not null and status <> 'terminated' and end_kind is null;
create index backends_unpurged on backends (id) where status = 'terminated' and tokens_purged = 0;

-- One row for each state that a backend has reached.
create table history (
    backend_id text not null,
    status text not null,
    at integer not null,
    termination_reason text,
    termination_kind text,
    exit_error integer,
    primary key (backend_id, status),
    check (status in ('scheduled', 'loading', 'starting', 'waiting', 'ready', 'terminating', 'hard_terminating', 'terminated')),
    check (termination_reason in ('swept', 'external', 'key_expired', 'lost', 'startup_timeout', 'internal_error')),
    check (termination_kind in ('soft', 'hard'))
) without rowid, strict;

-- Connection tokens, by their hashes.
create table tokens (
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
create index tokens_by_backend on tokens (backend_id);

-- Connects that carry an id of their own: the answer that each repeat gets.
create table requests (
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
    expires_at integer not null,
    check (length(id) between 1 and 64 and length(digest) between 1 and 64 and length(sealed) <= 8192)
) without rowid, strict;
create index requests_expiry on requests (expires_at);

-- What drones are to do, in order: those that they have not acknowledged.
create table actions (
    cluster text not null,
    drone text not null,
    number integer not null,
    backend_id text not null,
    fencing_token integer not null,
    kind text not null,
    -- Before the text, so that it is read without it.
    spawn_size integer not null generated always as (coalesce(length(spawn), 0)) stored,
    spawn text,
    instance_id text,
    boot_id text,
    renew_at integer,
    soft_at integer,
    hard_at integer,
    end_kind text,
    end_reason text,
    claim text,
    start_token integer,
    primary key (cluster, drone, number),
    check (length(cluster) between 1 and 259 and cluster not glob '*[^a-z0-9.:-]*'),
    check (drone glob 'dr-?*' and drone not glob '*[^a-z0-9-]*' and length(drone) between 4 and 45),
    check (backend_id not glob '*[^a-z0-9-]*' and length(backend_id) between 1 and 45),
    check (number > 0 and fencing_token > 0),
    check (end_kind in ('soft', 'hard')),
    check (end_reason in ('swept', 'external', 'key_expired', 'lost', 'startup_timeout', 'internal_error')),
    check (kind = 'spawn' and instance_id is not null and boot_id is not null and renew_at is not null and soft_at is not null and hard_at is not null and spawn is not null
        or kind = 'terminate' and end_kind is not null and end_reason is not null
        or kind = 'claim' and claim is not null and length(claim) <= 16384 and start_token is not null and start_token between 1 and fencing_token - 1)
) without rowid, strict;
create index actions_by_backend on actions (backend_id);

-- Proxies and their last reports.
create table proxies (
    cluster text not null,
    name text not null,
    version text not null,
    hash text not null,
    controller text not null,
    report_at integer not null,
    primary key (cluster, name),
    check (length(cluster) between 1 and 259 and cluster not glob '*[^a-z0-9.:-]*'),
    check (name glob 'px-?*' and name not glob '*[^a-z0-9-]*' and length(name) between 4 and 45),
    check (controller glob 'co-?*' and controller not glob '*[^a-z0-9-]*' and length(controller) between 4 and 45),
    check (length(version) between 1 and 255 and instr(version, char(0)) = 0 and version not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    check (length(hash) between 0 and 255 and instr(hash, char(0)) = 0 and hash not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*')
) without rowid, strict;

-- The log that everything that waits reads. autoincrement: a number is never used again, also after its row was cleaned.
create table changes (
    sequence integer primary key autoincrement,
    kind text not null,
    cluster text,
    backend_id text,
    fencing_token integer,
    status text,
    token_hash text,
    drone text,
    service text,
    created_at integer not null,
    check (length(cluster) between 1 and 259 and cluster not glob '*[^a-z0-9.:-]*'),
    check (backend_id not glob '*[^a-z0-9-]*' and length(backend_id) between 1 and 45),
    check (drone glob 'dr-?*' and drone not glob '*[^a-z0-9-]*' and length(drone) between 4 and 45),
    check (length(token_hash) = 43 and token_hash not glob '*[^A-Za-z0-9_-]*'),
    check (service glob '[a-z]*' and service not glob '*[^a-z0-9-]*' and service not glob '*-' and instr(service, '--') = 0 and length(service) <= 30),
    check (kind in ('backend_state', 'token_revoked', 'drone_action', 'txt_values', 'service')),
    check (status in ('scheduled', 'loading', 'starting', 'waiting', 'ready', 'terminating', 'hard_terminating', 'terminated')),
    check (fencing_token > 0),
    check ((backend_id is null) = (fencing_token is null)),
    check ((kind = 'service') = (cluster is null) and (kind = 'service') = (service is not null))
) strict;

-- Up to where the log was cleaned: one row.
create table changes_cleaned (
    single integer primary key check (single = 1),
    sequence integer not null
) strict;
insert into changes_cleaned (single, sequence) values (1, 0);

-- What the store writes to find out whether there is room for a connect.
create table probe (
    single integer primary key check (single = 1),
    filler blob not null
) strict;
