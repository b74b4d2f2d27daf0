-- oldest: 1
-- Times are whole milliseconds of one of two clocks (SqliteClock.cs). Columns that end in _lease are of the lease clock: everything that decides.
-- The others are of the record clock: what people read.

create table clock (
    single integer primary key check (single = 1),
    lease_base integer not null,
    record_offset integer not null
);

create table installation (
    single integer primary key check (single = 1),
    id text not null,
    last_fencing_token integer not null default 0
);
insert into installation (single, id) values (1, lower(hex(randomblob(16))));

create table controllers (
    id text primary key,
    version text not null,
    hash text not null,
    heartbeat_lease integer not null
) without rowid;

create table drones (
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
    primary key (cluster, name)
) without rowid;

create table keys (
    namespace text not null,
    name text not null,
    tag text not null,
    backend_id text not null unique,
    fencing_token integer not null,
    allow_renew integer not null default 1,
    expires_lease integer not null,
    primary key (namespace, name)
) without rowid;
create index keys_expiry on keys (expires_lease);

create table backends (
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
    tokens_purged integer not null default 0
) without rowid;
create index backends_live on backends (cluster, drone) where status < 70;
create index backends_newest on backends (created_at desc, id desc);
create index backends_newest_live on backends (created_at desc, id desc) where status < 70;
create index backends_by_key on backends (key_name, created_at desc, id desc);
create index backends_by_drone on backends (drone, created_at desc, id desc);
create index backends_ended on backends (status_at) where status = 70;
create index backends_idle on backends (cluster, id) where status = 50 and max_idle_seconds is not null and end_kind = 0;
create index backends_lifetime on backends (lifetime_ends_lease) where lifetime_ends_lease is not null and status < 70 and end_kind = 0;
create index backends_unpurged on backends (id) where status = 70 and tokens_purged = 0;

create table history (
    backend_id text not null,
    status integer not null,
    at integer not null,
    termination_reason integer,
    termination_kind integer,
    exit_error integer,
    primary key (backend_id, status)
) without rowid;

-- A revoked token stays as a bare hash as long as its backend, so that a late repeat of the request that made it cannot bring it back.
create table tokens (
    hash text primary key,
    backend_id text not null,
    user_name text,
    auth text,
    secret text,
    revoked integer not null default 0
) without rowid;
create index tokens_by_backend on tokens (backend_id);

-- Unacknowledged ones only.
create table actions (
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
    primary key (cluster, drone, number)
) without rowid;
create index actions_by_backend on actions (backend_id);

create table proxies (
    cluster text not null,
    name text not null,
    version text not null,
    hash text not null,
    controller text not null,
    report_lease integer not null,
    primary key (cluster, name)
) without rowid;

-- autoincrement: a number is never used again, also after its row was cleaned.
create table changes (
    sequence integer primary key autoincrement,
    kind integer not null,
    cluster text not null,
    backend_id text,
    fencing_token integer,
    status integer,
    token_hash text,
    drone text,
    created_at integer not null
);

create table changes_cleaned (
    single integer primary key check (single = 1),
    sequence integer not null
);
insert into changes_cleaned (single, sequence) values (1, 0);

create table txt_values (
    cluster text not null,
    owner text not null,
    item text not null,
    expires_lease integer not null,
    primary key (cluster, owner, item)
) without rowid;
