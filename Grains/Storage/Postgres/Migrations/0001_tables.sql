-- oldest: 1
-- Everything lives in the schema "plane", every text that is compared or ordered in the collation "C": byte for byte, whatever the database's locale.
-- Lock order of every transaction: drones, backends (by id), keys (by backend id), actions, drone_counters (by cluster and drone).

create table plane.installation (
    single boolean primary key default true check (single),
    id text not null,
    created_at timestamptz not null default now(),
    lock_holder text not null default ''
);
insert into plane.installation (id) values (replace(gen_random_uuid()::text, '-', ''));

create table plane.controllers (
    id text collate "C" primary key,
    version text not null,
    hash text not null,
    heartbeat_at timestamptz not null
);

create table plane.drones (
    cluster text collate "C" not null,
    name text collate "C" not null,
    pool text collate "C" not null,
    instance_id text collate "C" not null,
    boot_id text collate "C" not null,
    reading bigint not null,
    kinds smallint[] not null,
    max_backends integer not null,
    version text not null,
    hash text not null,
    ready boolean not null,
    draining boolean not null default false,
    session bigint not null,
    controller text collate "C" not null,
    heartbeat_at timestamptz not null,
    primary key (cluster, name)
) with (fillfactor = 50);

-- The number of a drone's last action: apart from its row, which acquisitions hold for share. Held to the end of the transaction that draws a number, so
-- that numbers become visible in their order, without gaps.
create table plane.drone_counters (
    cluster text collate "C" not null,
    drone text collate "C" not null,
    last_number bigint not null default 0,
    primary key (cluster, drone)
) with (fillfactor = 50);

-- No index on expires_at: it would be written by every renewal and would keep renewals from being heap-only updates. The sweep reads this table through.
create table plane.keys (
    namespace text collate "C" not null,
    name text collate "C" not null,
    tag text collate "C" not null,
    backend_id text collate "C" not null unique,
    fencing_token bigint not null,
    allow_renew boolean not null default true,
    expires_at timestamptz not null,
    primary key (namespace, name)
) with (fillfactor = 70);

create sequence plane.fencing_tokens as bigint;

create table plane.backends (
    id text collate "C" primary key,
    cluster text collate "C" not null,
    drone text collate "C" not null,
    pool text collate "C" not null,
    key_namespace text collate "C" not null,
    key_name text collate "C" not null,
    key_tag text collate "C" not null,
    fencing_token bigint not null,
    allow_renew boolean not null default true,
    acquired_by text collate "C" not null,
    status smallint not null,
    status_at timestamptz not null,
    created_at timestamptz not null,
    ready_at timestamptz,
    last_used_at timestamptz,
    lifetime_ends_at timestamptz,
    max_idle_seconds integer,
    end_kind smallint not null default 0,
    address text,
    subdomain text,
    uses_static_token boolean not null,
    static_token text,
    static_token_hash text collate "C",
    executor smallint not null,
    image text,
    termination_reason smallint,
    exit_code integer,
    message text,
    tokens_purged boolean not null default false
) with (fillfactor = 70);
comment on column plane.backends.acquired_by is 'hash of the connection token of the request that started it: tells a repeat from another request';
comment on column plane.backends.end_kind is 'the hardest end queued for its drone: 0 none, 1 soft, 2 hard';
create index backends_live on plane.backends (cluster, drone) where status < 70;
create index backends_newest on plane.backends (created_at desc, id desc);
create index backends_newest_live on plane.backends (created_at desc, id desc) where status < 70;
create index backends_by_key on plane.backends (key_name, created_at desc, id desc);
create index backends_by_drone on plane.backends (drone, created_at desc, id desc);
create index backends_ended on plane.backends (status_at) where status = 70;
create index backends_idle on plane.backends (cluster, id) where status = 50 and max_idle_seconds is not null and end_kind = 0;
create index backends_lifetime on plane.backends (lifetime_ends_at) where lifetime_ends_at is not null and status < 70 and end_kind = 0;
create index backends_unpurged on plane.backends (id) where status = 70 and not tokens_purged;

-- One row per state: states only move forward.
create table plane.history (
    backend_id text collate "C" not null,
    status smallint not null,
    at timestamptz not null,
    termination_reason smallint,
    termination_kind smallint,
    exit_error boolean,
    primary key (backend_id, status)
);

-- A revoked token stays as a bare hash as long as its backend, so that a late repeat of the request that made it cannot bring it back.
create table plane.tokens (
    hash text collate "C" primary key,
    backend_id text collate "C" not null,
    user_name text collate "C",
    auth text,
    secret text,
    revoked boolean not null default false
);
create index tokens_by_backend on plane.tokens (backend_id);

-- Unacknowledged ones only.
create table plane.actions (
    cluster text collate "C" not null,
    drone text collate "C" not null,
    number bigint not null,
    backend_id text collate "C" not null,
    fencing_token bigint not null,
    kind smallint not null,
    spawn_size integer not null generated always as (coalesce(octet_length(spawn), 0)) stored,
    spawn text,
    instance_id text,
    boot_id text,
    renew_at bigint,
    soft_at bigint,
    hard_at bigint,
    end_kind smallint,
    end_reason smallint,
    primary key (cluster, drone, number)
);
create index actions_by_backend on plane.actions (backend_id);

create table plane.proxies (
    cluster text collate "C" not null,
    name text collate "C" not null,
    version text not null,
    hash text not null,
    controller text collate "C" not null,
    report_at timestamptz not null,
    primary key (cluster, name)
) with (fillfactor = 50);

-- Read in the order (transaction_id, sequence), below the oldest transaction still running.
create table plane.changes (
    transaction_id bigint not null default (pg_current_xact_id()::text::bigint),
    sequence bigint generated always as identity,
    kind smallint not null,
    cluster text not null,
    backend_id text,
    fencing_token bigint,
    status smallint,
    token_hash text,
    drone text,
    created_at timestamptz not null default now(),
    primary key (transaction_id, sequence)
);

-- Up to where the log was cleaned.
create table plane.changes_cleaned (
    single boolean primary key default true check (single),
    transaction_id bigint not null,
    sequence bigint not null
);
insert into plane.changes_cleaned (transaction_id, sequence) values (0, 0);

create table plane.txt_values (
    cluster text collate "C" not null,
    owner text collate "C" not null,
    items text[] not null,
    expires_at timestamptz not null,
    primary key (cluster, owner)
);
