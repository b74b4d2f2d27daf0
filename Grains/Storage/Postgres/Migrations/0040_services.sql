-- oldest: 1
-- Services: named spawn configs, who may enter their sessions, and what is counted for them.
-- In the lock order a service's row comes before the drones: an acquisition for it holds the row, so that a deletion waits for it and then finds its backend.

-- Versions are never drawn twice, also for a name that was deleted and made again: a backend of an earlier life is not one of the current version.
create sequence plane.service_versions as bigint;

create function plane.is_service(p_text text) returns boolean language sql immutable parallel safe as $$
    select char_length(p_text) <= 30 and p_text ~ '^[a-z](-?[a-z0-9])*$'
$$;

create table plane.services (
    name text collate "C" primary key,
    version bigint not null,
    spawn_config text not null,
    access smallint not null,
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
        version > 0 and access in (1, 2, 3) and (access = 3) = (forward_auth is not null) and max_backends between 1 and 1000000
        and warm_count between 1 and 1000 and warm_max_age_seconds >= 10),
    constraint services_warm check (warm_count is not null or num_nonnulls(warm_max_age_seconds, warm_claim_path) = 0)
);
comment on column plane.services.spawn_config is 'JSON; may hold a registry''s password';

create table plane.service_keys (
    service text collate "C" not null,
    kid text collate "C" not null,
    alg smallint not null,
    material text not null,
    created_at timestamptz not null,
    primary key (service, kid),
    constraint service_keys_texts check (plane.is_service(service) and kid ~ '^[A-Za-z0-9._-]{1,64}$' and material ~ '^[A-Za-z0-9_-]{43,683}$'),
    constraint service_keys_numbers check (alg in (1, 2, 3))
);
comment on column plane.service_keys.material is 'for HS256 (1) a secret, as it is: proxies compute with it';

-- Which key a label that is a hash stands for.
create table plane.service_labels (
    service text collate "C" not null,
    label text collate "C" not null,
    namespace text collate "C" not null,
    name text collate "C" not null,
    primary key (service, label),
    constraint service_labels_texts check (
        plane.is_service(service) and label ~ '^k[a-z2-7]{26}$' and plane.is_text(namespace, 0) and plane.is_text(name, 1))
);

-- Starts that failed one after another, by the key that is held.
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
create index service_failures_by_service on plane.service_failures (service);
create index service_failures_oldest on plane.service_failures (failed_at);

alter table plane.backends
    add column service text collate "C",
    add column service_version bigint,
    add constraint backends_service check (plane.is_service(service) and service_version > 0 and (service is null) = (service_version is null));
create index backends_by_service on plane.backends (service, created_at desc, id desc) where service is not null;
create index backends_live_of_service on plane.backends (service) where service is not null and status < 70;

-- A change of a service is of no cluster.
alter table plane.changes
    alter column cluster drop not null,
    add column service text,
    drop constraint changes_names,
    drop constraint changes_numbers,
    add constraint changes_names check (
        plane.is_cluster(cluster) and backend_id ~ '^[a-z0-9-]{1,45}$' and drone ~ '^dr-[a-z0-9-]{1,42}$' and token_hash ~ '^[A-Za-z0-9_-]{43}$'
        and plane.is_service(service)),
    add constraint changes_numbers check (
        kind in (1, 2, 3, 4, 5) and fencing_token > 0 and (backend_id is null) = (fencing_token is null) and status in (10, 20, 30, 40, 50, 60, 65, 70)
        and (kind = 5) = (cluster is null) and (kind = 5) = (service is not null));

-- A start has failed where its backend ended by its own fault before it was ready, or with an error within 10 s after. After the third in a row the next one waits: 1 s, then
-- twice as long each time, at most 60 s. A backend that was ready and ended in another way ends the row; ten minutes without a failure do, too.
create function plane.note_end() returns trigger language plpgsql as $$
declare
    v_now timestamptz := clock_timestamp();
begin
    if (new.termination_reason is null or new.termination_reason in (5, 6))
        and (new.ready_at is null
            or v_now < new.ready_at + interval '10 s' and (new.termination_reason is not null or coalesce(new.exit_code, 0) <> 0)) then
        insert into plane.service_failures as f (namespace, name, service, count, backend_id, failed_at, retry_at)
        values (new.key_namespace, new.key_name, new.service, 1, new.id, v_now, v_now)
        on conflict (namespace, name) do update
            set service = excluded.service, backend_id = excluded.backend_id, failed_at = excluded.failed_at,
                count = case when f.failed_at < v_now - interval '10 min' then 1 else f.count + 1 end,
                retry_at = case when f.failed_at < v_now - interval '10 min' or f.count < 2 then v_now
                    else v_now + make_interval(secs => least(60, 1 << least(f.count - 2, 6))) end;
    elsif new.ready_at is not null then
        delete from plane.service_failures f where f.namespace = new.key_namespace and f.name = new.key_name;
    end if;
    return null;
end $$;
create trigger note_end after update of status on plane.backends
    for each row when (new.status = 70 and old.status < 70 and new.service is not null and new.key_namespace not like '.plane/%')
    execute function plane.note_end();

-- As before, and for services, whose parameters older controllers leave out. Further outcomes: 7 the service has as many backends as it may, 8 the starts for this key failed one
-- after another (held_for: until the next one), 9 the namespace is a service's and none was named, 10 there is no such service. Error PLN03: 7, found when all was written.
drop function plane.acquire_once(
    text, text, bytea, interval, text, boolean, text, text, text, text, text, text, smallint, text, integer, integer, text, text, text, text, text, text, text, text,
    interval, interval, bigint, bigint, bigint, text);
create function plane.acquire_once(
    p_request text, p_digest text, p_sealed bytea, p_keep interval,
    p_id text, p_chosen boolean, p_namespace text, p_name text, p_tag text, p_cluster text, p_drone text, p_pool text, p_executor smallint, p_image text,
    p_lifetime integer, p_max_idle integer, p_subdomain text, p_token_hash text, p_secret text, p_user text, p_auth text,
    p_static_token text, p_static_token_hash text, p_spawn text,
    p_expiry interval, p_fresh interval, p_renew_ms bigint, p_soft_ms bigint, p_hard_ms bigint,
    p_web text default null, p_service text default null, p_service_version bigint default null)
returns table (
    outcome smallint, h_id text, h_token bigint, h_tag text, h_cluster text, h_drone text, h_status smallint, h_subdomain text, h_static_token text,
    spawned boolean, sealed bytea, changed boolean, held_for interval)
language plpgsql volatile as $$
#variable_conflict use_column
declare
    v_claim integer := 0;
    v_most integer;
begin
    if p_request is not null then
        v_claim := plane.claim_request(p_request, p_digest, p_sealed, p_keep);
        if v_claim = 2 then
            return query select 4::smallint, r.*, false, interval '0' from plane.read_request(p_request) r;
            return;
        elsif v_claim = 3 then
            outcome := 5;
            return next;
            return;
        end if;
    end if;

    select m.changed, m.held_for into changed, held_for from plane.meet_server(p_expiry) m;
    if held_for > interval '0' then
        outcome := 6;
    elsif p_service is null then
        if exists (select 1 from plane.services s where s.name = split_part(p_namespace, '/', 1)) then
            outcome := 9;
        end if;
    else
        select s.max_backends into v_most from plane.services s where s.name = p_service for key share;
        if not found then
            outcome := 10;
        else
            if v_most is not null then
                -- Those that count come in line here.
                select s.max_backends into v_most from plane.services s where s.name = p_service for no key update;
            end if;
            select 8::smallint, f.retry_at - clock_timestamp() into outcome, held_for
            from plane.service_failures f
            where f.namespace = p_namespace and f.name = p_name and f.retry_at > clock_timestamp()
                and not exists (select 1 from plane.backends b where b.id = p_id);
        end if;
    end if;
    if outcome is not null then
        delete from plane.requests r where v_claim = 1 and r.id = p_request;
        return next;
        return;
    end if;

    select a.*, true into outcome, h_id, h_token, h_tag, h_cluster, h_drone, h_status, h_subdomain, h_static_token, spawned
    from plane.acquire(
        p_id, p_chosen, p_namespace, p_name, p_tag, p_cluster, p_drone, p_pool, p_executor, p_image, p_lifetime, p_max_idle, p_subdomain, p_token_hash,
        p_secret, p_user, p_auth, p_static_token, p_static_token_hash, p_spawn, p_expiry, p_fresh, p_renew_ms, p_soft_ms, p_hard_ms) a;
    if outcome = 0 and p_service is not null then
        -- A repeat of the request that started it finds it done.
        update plane.backends b set web = p_web, service = p_service, service_version = p_service_version where b.id = h_id and b.service is null;
        if found and v_most is not null and p_namespace not like '.plane/%'
            and (select count(*) from plane.backends b where b.service = p_service and b.status < 70 and b.key_namespace not like '.plane/%') > v_most then
            raise exception 'service full' using errcode = 'PLN03';
        end if;
    elsif outcome = 0 and p_web is not null then
        update plane.backends b set web = p_web where b.id = h_id and b.web is null;
    end if;

    if v_claim = 1 and outcome = 0 then
        perform plane.keep_request(p_request, h_id, true);
    elsif v_claim = 1 then
        delete from plane.requests r where r.id = p_request;
    end if;
    return next;
end $$;
