-- oldest: 1
-- Lock order of every transaction: services, drones, backends (by id), keys (by backend id), actions, drone_counters (by cluster and drone). A request's row is claimed
-- before all of them.
--
-- A row that can't be read would stop everything that reads rows, so constraints state once more what the grains have checked. The key's texts are checked with
-- its backend, which is inserted with it: a renewal, which updates keys by the thousand, checks numbers alone.

create table plane.installation (
    single boolean primary key default true check (single),
    id text not null,
    created_at timestamptz not null default now(),
    forgotten_session bigint not null default 0
);
comment on table plane.installation is 'This database: one row.';
comment on column plane.installation.id is 'random; a drone whose backends are of another installation is refused';
comment on column plane.installation.forgotten_session is 'the greatest session of a drone that was forgotten: a new drone''s are above it. Written by plane.forget_drones';
insert into plane.installation (id) values (replace(gen_random_uuid()::text, '-', ''));

create table plane.server (
    single boolean primary key default true check (single),
    system_identifier bigint,
    timeline integer,
    hold_until timestamptz not null default '-infinity',
    away_since timestamptz not null default '-infinity',
    served_since timestamptz not null default '-infinity'
);
comment on table plane.server is 'The server that the keys were acquired on, and since when controllers have served without a gap: one row. Written by plane.meet_server and plane.heartbeat.';
comment on column plane.server.timeline is 'of the WAL: a promoted standby has a new one';
comment on column plane.server.hold_until is 'no key is acquired before: commits of another server may be missing here';
comment on column plane.server.away_since is 'the last sign of life of a controller before the latest gap, which ended at served_since';
insert into plane.server default values;

create table plane.controllers (
    id text collate "C" primary key,
    version text not null,
    hash text not null,
    heartbeat_at timestamptz not null,
    constraint controllers_names check (id ~ '^co-[a-z0-9-]{1,42}$'),
    constraint controllers_texts check (plane.is_text(version, 1) and plane.is_text(hash, 0))
);
comment on table plane.controllers is 'Controllers and their last signs of life. Written by plane.heartbeat.';

create table plane.drones (
    cluster text collate "C" not null,
    name text collate "C" not null,
    pool text collate "C" not null,
    instance_id text collate "C" not null,
    boot_id text collate "C" not null,
    reading bigint not null,
    kinds plane.executor_kind[] not null,
    unavailable_kinds plane.executor_kind[] not null default '{}',
    max_backends integer not null,
    cpu_millis bigint,
    memory_bytes bigint,
    disk_bytes bigint,
    gpus integer,
    version text not null,
    hash text not null,
    ready boolean not null,
    draining boolean not null default false,
    session bigint not null,
    claims_session bigint,
    inspector text,
    controller text collate "C" not null,
    heartbeat_at timestamptz not null,
    primary key (cluster, name),
    constraint drones_names check (plane.is_cluster(cluster) and name ~ '^dr-[a-z0-9-]{1,42}$' and controller ~ '^co-[a-z0-9-]{1,42}$'),
    constraint drones_texts check (
        plane.is_text(pool, 0) and plane.is_text(version, 1) and plane.is_text(hash, 0) and instance_id ~ '^[!-~]{1,64}$' and boot_id ~ '^[!-~]{1,64}$'),
    constraint drones_numbers check (
        reading between 0 and 9007199254740992 and max_backends between 1 and 100000 and session >= 0 and cardinality(kinds) >= 1),
    constraint drones_capacity check (
        cpu_millis between 0 and 9007199254740992 and memory_bytes between 0 and 9007199254740992 and disk_bytes between 0 and 9007199254740992 and gpus between 0 and 1024
        and num_nulls(cpu_millis, memory_bytes, disk_bytes, gpus) in (0, 4)),
    constraint drones_inspector check (char_length(inspector) between 1 and 255)
) with (fillfactor = 50);
comment on table plane.drones is 'Drones. Registered by plane.register_drone; the rest is what their heartbeats say. Acquisitions hold a row for share.';
comment on column plane.drones.instance_id is 'of the agent''s process: another one that registers under the name has to wait until the heartbeat is old';
comment on column plane.drones.reading is 'the drone''s lease clock at its last heartbeat, in milliseconds since the boot that boot_id names. Deadlines count from it';
comment on column plane.drones.kinds is 'what it can run now';
comment on column plane.drones.unavailable_kinds is 'what it is meant to run and cannot at the moment, because the runtime does not answer';
comment on column plane.drones.cpu_millis is 'thousandths of a core that its backends may reserve. Null, with the next three, from a drone that does not say: nothing is too little';
comment on column plane.drones.draining is 'set by an operator (plane.set_draining); stays over registrations';
comment on column plane.drones.session is 'grows with each registration; what is said under an older one has no effect';
comment on column plane.drones.claims_session is 'the session under which the drone said that it takes claims: says nothing of any other session';
comment on column plane.drones.inspector is 'the address of an object of the drone''s cluster client, by which controllers ask it about its backends';
comment on column plane.drones.controller is 'the controller that it last spoke to';

create table plane.drone_counters (
    cluster text collate "C" not null,
    drone text collate "C" not null,
    last_action bigint not null default 0,
    room integer not null default 0,
    room_of integer not null default 0,
    cpu_room bigint,
    memory_room bigint,
    disk_room bigint,
    gpu_room integer,
    primary key (cluster, drone),
    constraint drone_counters_names check (plane.is_cluster(cluster) and drone ~ '^dr-[a-z0-9-]{1,42}$'),
    constraint drone_counters_numbers check (last_action >= 0)
) with (fillfactor = 50);
comment on table plane.drone_counters is
    'What is counted for a drone: apart from its row, which acquisitions hold for share. Held to the end of a transaction that draws a number, so that numbers become visible in their order, without gaps.';
comment on column plane.drone_counters.last_action is 'the number of the drone''s last action';
comment on column plane.drone_counters.room is
    'how many more backends the drone has room for, for certain, as of the last count: acquisitions take from it, and what ends since only adds. Counted again where it is used up';
comment on column plane.drone_counters.room_of is 'the capacity that room was counted for';
comment on column plane.drone_counters.cpu_room is 'as room, for what backends reserve. Null: to be counted';

create table plane.drone_images (
    cluster text collate "C" not null,
    drone text collate "C" not null,
    images text not null,
    updated_at timestamptz not null,
    primary key (cluster, drone),
    foreign key (cluster, drone) references plane.drones (cluster, name) on delete cascade,
    constraint drone_images_names check (plane.is_cluster(cluster) and drone ~ '^dr-[a-z0-9-]{1,42}$'),
    constraint drone_images_texts check (char_length(images) between 2 and 2000000)
);
comment on table plane.drone_images is 'How far drones are with the images that they pull before these are needed.';
comment on column plane.drone_images.images is 'JSON, as the drone reported it';

-- No index on expires_at: it would be written by every renewal and would keep renewals from being heap-only updates. The sweep reads this table through.
create table plane.keys (
    namespace text collate "C" not null,
    name text collate "C" not null,
    tag text collate "C" not null,
    backend_id text collate "C" not null unique,
    fencing_token bigint not null,
    start_token bigint,
    allow_renew boolean not null default true,
    expires_at timestamptz not null,
    primary key (namespace, name),
    constraint keys_numbers check (fencing_token >= 0),
    constraint keys_start_token check (start_token < fencing_token)
) with (fillfactor = 70);
comment on table plane.keys is 'Keys that are held. A row is inserted by plane.acquire, prolonged by renewals, and deleted by the end of its backend, by a sweep or by the next acquisition after its expiry.';
comment on column plane.keys.fencing_token is '0 only within the transaction that inserts the row';
comment on column plane.keys.start_token is 'as in backends';
comment on column plane.keys.expires_at is 'by the clock of the database, as everything that decides';

create sequence plane.fencing_tokens as bigint;
comment on sequence plane.fencing_tokens is 'Drawn by plane.next_fencing_token alone.';

create table plane.backends (
    id text collate "C" primary key,
    cluster text collate "C" not null,
    drone text collate "C" not null,
    pool text collate "C" not null,
    service text collate "C",
    service_version bigint,
    key_namespace text collate "C" not null,
    key_name text collate "C" not null,
    key_tag text collate "C" not null,
    fencing_token bigint not null,
    start_token bigint,
    allow_renew boolean not null default true,
    acquired_by text collate "C" not null,
    status plane.backend_status not null,
    status_at timestamptz not null,
    created_at timestamptz not null,
    warm_at timestamptz,
    claimed_at timestamptz,
    ready_at timestamptz,
    last_used_at timestamptz,
    lifetime_ends_at timestamptz,
    max_idle_seconds integer,
    end_kind plane.termination_kind,
    address text,
    subdomain text,
    web text,
    uses_static_token boolean not null,
    static_token text,
    static_token_hash text collate "C",
    executor plane.executor_kind not null,
    image text,
    cpu_millis bigint,
    memory_bytes bigint,
    disk_bytes bigint,
    gpus integer,
    termination_reason plane.termination_reason,
    exit_code integer,
    message text,
    output_tail text,
    tokens_purged boolean not null default false,
    constraint backends_names check (id ~ '^[a-z0-9-]{1,45}$' and plane.is_cluster(cluster) and drone ~ '^dr-[a-z0-9-]{1,42}$'),
    constraint backends_texts check (
        plane.is_text(pool, 0) and plane.is_text(key_namespace, 0) and plane.is_text(key_name, 1) and plane.is_text(key_tag, 0)
        and subdomain ~ '^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$' and char_length(address) <= 64 and char_length(image) <= 1024
        and char_length(message) <= 1000 and char_length(output_tail) <= 8192),
    constraint backends_web check (char_length(web) <= 8192),
    constraint backends_tokens check (
        acquired_by ~ '^[A-Za-z0-9_-]{43}$' and static_token ~ '^s\.[A-Za-z0-9_-]{43}$' and static_token_hash ~ '^[A-Za-z0-9_-]{43}$'),
    constraint backends_numbers check (fencing_token > 0 and max_idle_seconds > 0),
    constraint backends_start_token check (start_token between 1 and fencing_token - 1 and (start_token is null) = (claimed_at is null)),
    constraint backends_service check (plane.is_service(service) and service_version > 0 and (service is null) = (service_version is null)),
    constraint backends_reserved check (
        cpu_millis between 0 and 9007199254740992 and memory_bytes between 0 and 9007199254740992 and disk_bytes between 0 and 9007199254740992 and gpus between 0 and 1024
        and num_nulls(cpu_millis, memory_bytes, disk_bytes, gpus) in (0, 4))
) with (fillfactor = 70);
comment on table plane.backends is
    'Backends, also for a while after their end. Inserted by plane.acquire; states are written by plane.apply_states from the reports of drones, and by plane.mark_lost.';
comment on column plane.backends.service_version is 'the version of the service that its spawn config is of';
comment on column plane.backends.key_namespace is 'a warm backend holds a key in the namespace .plane/warm/SERVICE until a claim gives it the key of a connect (plane.claim): only there key and token change, once';
comment on column plane.backends.fencing_token is 'with the id the identity of a backend: what drones and proxies say of it carries both';
comment on column plane.backends.start_token is 'of one that was claimed: the fencing token that it was started under. What its drone says under it still counts';
comment on column plane.backends.acquired_by is 'hash of the connection token of the request that started it: tells a repeat from another request';
comment on column plane.backends.warm_at is 'since when it answers and waits for a claim';
comment on column plane.backends.last_used_at is 'written from the reports of proxies';
comment on column plane.backends.end_kind is 'the hardest end that was queued for its drone, or null';
comment on column plane.backends.web is 'JSON: what proxies need to know of it beside its address, where that is not the usual';
comment on column plane.backends.static_token is 'null after it was revoked, and after the backend''s end';
comment on column plane.backends.cpu_millis is 'what it reserves of its drone, with the next three; null where nothing is reserved. What has not ended counts: nothing is to be given back, so nothing can be forgotten';
comment on column plane.backends.message is 'what the drone says of its start or its end';
comment on column plane.backends.output_tail is 'the last lines of one that ended with an error';
comment on column plane.backends.tokens_purged is 'whether its tokens were deleted after its end. Written by plane.clean_up';
create index backends_live on plane.backends (cluster, drone) where status < 'terminated';
create index backends_newest on plane.backends (created_at desc, id desc);
create index backends_newest_live on plane.backends (created_at desc, id desc) where status < 'terminated';
create index backends_by_key on plane.backends (key_name, created_at desc, id desc);
create index backends_by_drone on plane.backends (drone, created_at desc, id desc);
create index backends_by_service on plane.backends (service, created_at desc, id desc) where service is not null;
create index backends_live_of_service on plane.backends (service) where service is not null and status < 'terminated';
create index backends_warm on plane.backends (key_namespace, cluster, drone) where status < 'terminated' and key_namespace like '.plane/warm/%';
create index backends_ended on plane.backends (status_at) where status = 'terminated';
create index backends_idle on plane.backends (cluster, id) where status = 'ready' and max_idle_seconds is not null and end_kind is null;
create index backends_lifetime on plane.backends (lifetime_ends_at) where lifetime_ends_at is not null and status < 'terminated' and end_kind is null;
create index backends_unpurged on plane.backends (id) where status = 'terminated' and not tokens_purged;

create table plane.history (
    backend_id text collate "C" not null,
    status plane.backend_status not null,
    at timestamptz not null,
    termination_reason plane.termination_reason,
    termination_kind plane.termination_kind,
    exit_error boolean,
    primary key (backend_id, status)
);
comment on table plane.history is 'One row for each state that a backend has reached. Written with the state, deleted with the backend.';

create table plane.tokens (
    hash text collate "C" primary key,
    backend_id text collate "C" not null,
    user_name text collate "C",
    auth text,
    secret text,
    revoked boolean not null default false,
    constraint tokens_texts check (
        hash ~ '^[A-Za-z0-9_-]{43}$' and plane.is_text(user_name, 0) and char_length(auth) <= 8192 and char_length(secret) between 1 and 256)
);
comment on table plane.tokens is 'Connection tokens, by their hashes. One is written by each connect; they are deleted soon after their backend''s end.';
comment on column plane.tokens.auth is 'the JSON object that the backend gets with each request';
comment on column plane.tokens.revoked is 'a revoked token stays as a bare hash as long as its backend, so that a late repeat of the request that made it cannot bring it back';
create index tokens_by_backend on plane.tokens (backend_id);

create table plane.requests (
    id text collate "C" primary key,
    digest text not null,
    sealed bytea not null,
    backend_id text,
    fencing_token bigint,
    tag text,
    cluster text,
    drone text,
    subdomain text,
    static_token text,
    spawned boolean,
    expires_at timestamptz not null,
    constraint requests_texts check (char_length(id) between 1 and 64 and char_length(digest) between 1 and 64 and octet_length(sealed) <= 8192)
);
comment on table plane.requests is
    'Connects that carry an id of their own are answered once: each repeat gets the first answer. A row is claimed first, by the unique index, and kept only if the transaction issues a token; so of several at once one decides, and the others wait for its commit.';
comment on column plane.requests.id is 'a hash: with the id itself the answer could be opened';
comment on column plane.requests.digest is 'a hash of what is requested';
comment on column plane.requests.sealed is 'key, token and secret of the answer, encrypted under the id';
create index requests_expiry on plane.requests (expires_at);

create table plane.actions (
    cluster text collate "C" not null,
    drone text collate "C" not null,
    number bigint not null,
    backend_id text collate "C" not null,
    fencing_token bigint not null,
    kind plane.action_kind not null,
    spawn_size integer not null generated always as (coalesce(octet_length(spawn), 0)) stored,
    spawn text,
    instance_id text,
    boot_id text,
    renew_at bigint,
    soft_at bigint,
    hard_at bigint,
    end_kind plane.termination_kind,
    end_reason plane.termination_reason,
    claim text,
    start_token bigint,
    primary key (cluster, drone, number),
    constraint actions_names check (plane.is_cluster(cluster) and drone ~ '^dr-[a-z0-9-]{1,42}$' and backend_id ~ '^[a-z0-9-]{1,45}$'),
    constraint actions_numbers check (number > 0 and fencing_token > 0),
    constraint actions_kinds check (
        kind = 'spawn' and num_nulls(spawn, instance_id, boot_id, renew_at, soft_at, hard_at) = 0
        or kind = 'terminate' and num_nulls(end_kind, end_reason) = 0
        or kind = 'claim' and char_length(claim) <= 16384 and start_token between 1 and fencing_token - 1 and num_nulls(claim, start_token) = 0)
);
comment on table plane.actions is 'What drones are to do, in order: those that they have not acknowledged. An order may hold a registry''s password and is deleted with its acknowledgement.';
comment on column plane.actions.spawn is 'JSON: what to start. The deadlines of its lease are the next five columns, readings of the clock of that instance and boot';
comment on column plane.actions.claim is 'JSON: the key that a warm backend gets, which was started under start_token';
create index actions_by_backend on plane.actions (backend_id);

create table plane.proxies (
    cluster text collate "C" not null,
    name text collate "C" not null,
    version text not null,
    hash text not null,
    controller text collate "C" not null,
    report_at timestamptz not null,
    primary key (cluster, name),
    constraint proxies_names check (plane.is_cluster(cluster) and name ~ '^px-[a-z0-9-]{1,42}$' and controller ~ '^co-[a-z0-9-]{1,42}$'),
    constraint proxies_texts check (plane.is_text(version, 1) and plane.is_text(hash, 0))
) with (fillfactor = 50);
comment on table plane.proxies is 'Proxies and their last reports: up to the oldest of these idleness is counted.';

create table plane.changes (
    transaction_id bigint not null default (pg_current_xact_id()::text::bigint),
    sequence bigint generated always as identity,
    kind plane.change_kind not null,
    cluster text,
    backend_id text,
    fencing_token bigint,
    status plane.backend_status,
    token_hash text,
    drone text,
    service text,
    created_at timestamptz not null default now(),
    primary key (transaction_id, sequence),
    constraint changes_names check (
        plane.is_cluster(cluster) and backend_id ~ '^[a-z0-9-]{1,45}$' and drone ~ '^dr-[a-z0-9-]{1,42}$' and token_hash ~ '^[A-Za-z0-9_-]{43}$'
        and plane.is_service(service)),
    constraint changes_numbers check (
        fencing_token > 0 and (backend_id is null) = (fencing_token is null) and (kind = 'service') = (cluster is null) and (kind = 'service') = (service is not null))
);
comment on table plane.changes is
    'The log that everything that waits reads: written with each change, by its transaction. Read in the order (transaction_id, sequence), below the oldest transaction that still runs.';
comment on column plane.changes.cluster is 'null for a service, which is of no cluster';
comment on column plane.changes.status is
    'of a backend the state that it reached. Of a drone, for operators: scheduled where it registered, terminating where it was drained, ready where it takes backends again; null for an action. Of a service: terminated where it was deleted';

create table plane.changes_cleaned (
    single boolean primary key default true check (single),
    transaction_id bigint not null,
    sequence bigint not null
);
comment on table plane.changes_cleaned is 'Up to where the log was cleaned: one row. A reader that is behind it has missed changes. Written by plane.clean_up.';
insert into plane.changes_cleaned (transaction_id, sequence) values (0, 0);

create table plane.probe (filler text not null);
comment on table plane.probe is 'What the store writes, and rolls back, to find out whether there is room for a connect. Always empty.';
-- Not compressed: it must take room.
alter table plane.probe alter column filler set storage external;
