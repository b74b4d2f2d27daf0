-- oldest: 1
-- Services: named spawn configs, who may enter their sessions, and what is counted for them.

create table services (
    name text primary key,
    version integer not null,
    spawn_config text not null,
    access integer not null,
    forward_auth text,
    max_backends integer,
    warm_count integer,
    warm_max_age_seconds integer,
    warm_claim_path text,
    prepull integer not null,
    created_at integer not null,
    updated_at integer not null,
    check (name glob '[a-z]*' and name not glob '*[^a-z0-9-]*' and name not glob '*-' and instr(name, '--') = 0 and length(name) <= 30),
    check (length(spawn_config) between 2 and 8388608 and length(forward_auth) between 1 and 2048),
    check (warm_claim_path glob '/*' and length(warm_claim_path) <= 256 and warm_claim_path not glob '*[^!-~]*'),
    check (version > 0 and access in (1, 2, 3) and (access = 3) = (forward_auth is not null) and max_backends between 1 and 1000000),
    check (warm_count between 1 and 1000 and warm_max_age_seconds >= 10),
    check (warm_count is not null or warm_max_age_seconds is null and warm_claim_path is null)
) without rowid, strict;

-- Versions are never drawn twice, also for a name that was deleted and made again: a backend of an earlier life is not one of the current version.
create table service_versions (
    single integer primary key check (single = 1),
    last integer not null
) strict;
insert into service_versions (single, last) values (1, 0);

create table service_keys (
    service text not null,
    kid text not null,
    alg integer not null,
    material text not null,
    created_at integer not null,
    primary key (service, kid),
    check (service glob '[a-z]*' and service not glob '*[^a-z0-9-]*' and service not glob '*-' and instr(service, '--') = 0 and length(service) <= 30),
    check (length(kid) between 1 and 64 and kid not glob '*[^A-Za-z0-9._-]*'),
    check (length(material) between 43 and 683 and material not glob '*[^A-Za-z0-9_-]*' and alg in (1, 2, 3))
) without rowid, strict;

-- Which key a label that is a hash stands for.
create table service_labels (
    service text not null,
    label text not null,
    namespace text not null,
    name text not null,
    primary key (service, label),
    check (service glob '[a-z]*' and service not glob '*[^a-z0-9-]*' and service not glob '*-' and instr(service, '--') = 0 and length(service) <= 30),
    check (length(label) = 27 and label glob 'k*' and label not glob '*[^a-z2-7]*'),
    check (length(namespace) between 0 and 255 and instr(namespace, char(0)) = 0 and namespace not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    check (length(name) between 1 and 255 and instr(name, char(0)) = 0 and name not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*')
) without rowid, strict;

-- Starts that failed one after another, by the key that is held.
create table service_failures (
    namespace text not null,
    name text not null,
    service text not null,
    count integer not null,
    backend_id text not null,
    failed_lease integer not null,
    retry_lease integer not null,
    primary key (namespace, name),
    check (count > 0)
) without rowid, strict;
create index service_failures_by_service on service_failures (service);
create index service_failures_oldest on service_failures (failed_lease);

alter table backends add column service text check (service glob '[a-z]*' and service not glob '*[^a-z0-9-]*' and service not glob '*-' and instr(service, '--') = 0 and length(service) <= 30);
alter table backends add column service_version integer check (service_version > 0 and (service is null) = (service_version is null));
create index backends_by_service on backends (service, created_at desc, id desc) where service is not null;
create index backends_live_of_service on backends (service) where service is not null and status < 70;

-- A change of a service is of no cluster. SQLite changes no constraint of a table: it is made anew.
create table changes_of_services (
    sequence integer primary key autoincrement,
    kind integer not null,
    cluster text,
    backend_id text,
    fencing_token integer,
    status integer,
    token_hash text,
    drone text,
    created_at integer not null,
    service text,
    check (length(cluster) between 1 and 259 and cluster not glob '*[^a-z0-9.:-]*'),
    check (backend_id not glob '*[^a-z0-9-]*' and length(backend_id) between 1 and 45),
    check (drone glob 'dr-?*' and drone not glob '*[^a-z0-9-]*' and length(drone) between 4 and 45),
    check (length(token_hash) = 43 and token_hash not glob '*[^A-Za-z0-9_-]*'),
    check (kind in (1, 2, 3, 4, 5) and fencing_token > 0 and status in (10, 20, 30, 40, 50, 60, 65, 70)),
    check ((backend_id is null) = (fencing_token is null)),
    check ((kind = 5) = (cluster is null) and (kind = 5) = (service is not null))
) strict;
-- The number of the last change goes on, also where no row is left.
insert into sqlite_sequence (name, seq) select 'changes_of_services', seq from sqlite_sequence where name = 'changes';
insert into changes_of_services (sequence, kind, cluster, backend_id, fencing_token, status, token_hash, drone, created_at)
    select sequence, kind, cluster, backend_id, fencing_token, status, token_hash, drone, created_at from changes;
drop table changes;
alter table changes_of_services rename to changes;
