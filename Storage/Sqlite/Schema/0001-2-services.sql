-- oldest: 1
-- Services: named spawn configs, who may enter their sessions, and what is counted for them.

-- The last version that was given to a service.
create table service_versions (
    single integer primary key check (single = 1),
    last integer not null
) strict;
insert into service_versions (single, last) values (1, 0);

-- Services.
create table services (
    name text primary key,
    version integer not null,
    spawn_config text not null,
    access text not null,
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
    check (access in ('public', 'signed', 'forward_auth')),
    check (version > 0 and (access = 'forward_auth') = (forward_auth is not null) and max_backends between 1 and 1000000),
    check (warm_count between 1 and 1000 and warm_max_age_seconds >= 10),
    check (warm_count is not null or warm_max_age_seconds is null and warm_claim_path is null)
) without rowid, strict;

-- Keys that tokens which let visitors in are checked with.
create table service_keys (
    service text not null,
    kid text not null,
    alg text not null,
    material text not null,
    created_at integer not null,
    primary key (service, kid),
    check (service glob '[a-z]*' and service not glob '*[^a-z0-9-]*' and service not glob '*-' and instr(service, '--') = 0 and length(service) <= 30),
    check (length(kid) between 1 and 64 and kid not glob '*[^A-Za-z0-9._-]*'),
    check (length(material) between 43 and 683 and material not glob '*[^A-Za-z0-9_-]*'),
    check (alg in ('hs256', 'es256', 'ed_dsa'))
) without rowid, strict;

-- Which key a label of a URL stands for, where it is a hash.
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
    failed_at integer not null,
    retry_at integer not null,
    primary key (namespace, name),
    check (count > 0),
    check (service glob '[a-z]*' and service not glob '*[^a-z0-9-]*' and service not glob '*-' and instr(service, '--') = 0 and length(service) <= 30),
    check (backend_id not glob '*[^a-z0-9-]*' and length(backend_id) between 1 and 45)
) without rowid, strict;
create index service_failures_by_service on service_failures (service);
create index service_failures_oldest on service_failures (failed_at);
