-- oldest: 1
-- Services: named spawn configs, who may enter their sessions, and what is counted for them. An acquisition for a service holds its row, so that a deletion waits for it and
-- then finds its backend.

create sequence plane.service_versions as bigint;
comment on sequence plane.service_versions is
    'Versions are never drawn twice, also for a name that was deleted and made again: a backend of an earlier life is not one of the current version.';

create table plane.services (
    name text collate "C" primary key,
    version bigint not null,
    spawn_config text not null,
    access plane.access_kind not null,
    forward_auth text,
    max_backends integer,
    warm_count integer,
    warm_max_age_seconds integer,
    warm_claim_path text,
    prepull boolean not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint services_names check (plane.is_service(name)),
    constraint services_texts check (
        char_length(spawn_config) between 2 and 8388608 and char_length(forward_auth) between 1 and 2048 and warm_claim_path ~ '^/[!-~]{0,255}$'),
    constraint services_numbers check (
        version > 0 and (access = 'forward_auth') = (forward_auth is not null) and max_backends between 1 and 1000000
        and warm_count between 1 and 1000 and warm_max_age_seconds >= 10),
    constraint services_warm check (warm_count is not null or num_nonnulls(warm_max_age_seconds, warm_claim_path) = 0)
);
comment on table plane.services is 'Services. Written by plane.put_service and plane.delete_service.';
comment on column plane.services.spawn_config is 'JSON; may hold a registry''s password';
comment on column plane.services.forward_auth is 'the URL of the web service that lets visitors in';

create table plane.service_keys (
    service text collate "C" not null,
    kid text collate "C" not null,
    alg plane.signing_algorithm not null,
    material text not null,
    created_at timestamptz not null,
    primary key (service, kid),
    constraint service_keys_texts check (plane.is_service(service) and kid ~ '^[A-Za-z0-9._-]{1,64}$' and material ~ '^[A-Za-z0-9_-]+$' and char_length(material) between 43 and 683)
);
comment on table plane.service_keys is 'Keys that tokens which let visitors in are checked with. Written by plane.add_service_key.';
comment on column plane.service_keys.material is 'for HS256 a secret, as it is: proxies compute with it';

create table plane.service_labels (
    service text collate "C" not null,
    label text collate "C" not null,
    namespace text collate "C" not null,
    name text collate "C" not null,
    primary key (service, label),
    constraint service_labels_texts check (
        plane.is_service(service) and label ~ '^k[a-z2-7]{26}$' and plane.is_text(namespace, 0) and plane.is_text(name, 1))
);
comment on table plane.service_labels is 'Which key a label of a URL stands for, where it is a hash.';

create table plane.service_failures (
    namespace text collate "C" not null,
    name text collate "C" not null,
    service text collate "C" not null,
    count integer not null,
    backend_id text collate "C" not null,
    failed_at timestamptz not null,
    retry_at timestamptz not null,
    primary key (namespace, name),
    constraint service_failures_values check (plane.is_service(service) and count > 0 and backend_id ~ '^[a-z0-9-]{1,45}$')
) with (fillfactor = 70);
comment on table plane.service_failures is 'Starts that failed one after another, by the key that is held; for warm backends by the pool''s namespace and the service''s version. Written by plane.note_end and plane.note_warm.';
comment on column plane.service_failures.backend_id is 'the last one that failed';
comment on column plane.service_failures.retry_at is 'no start before';
create index service_failures_by_service on plane.service_failures (service);
create index service_failures_oldest on plane.service_failures (failed_at);
