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
    constraint service_keys_texts check (plane.is_service(service) and kid ~ '^[A-Za-z0-9._-]{1,64}$' and material ~ '^[A-Za-z0-9_-]+$' and char_length(material) between 43 and 683),
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

create function plane.drop_failures(p_limit integer) returns integer language plpgsql volatile as $$
declare
    v_count integer;
begin
    delete from plane.service_failures f
    using (
        select namespace, name from plane.service_failures where failed_at < now() - interval '1 hour' order by failed_at limit p_limit for update skip locked
    ) l
    where f.namespace = l.namespace and f.name = l.name;
    get diagnostics v_count = row_count;
    return v_count;
end $$;

-- outcome: 0 it was so, 1 made, 2 changed, 3 there are as many as there may be.
create function plane.put_service(
    p_name text, p_spawn text, p_access smallint, p_forward_auth text, p_max integer, p_warm_count integer, p_warm_age integer, p_warm_path text, p_prepull boolean,
    p_limit integer)
returns table (outcome smallint, version bigint, created_at timestamptz, updated_at timestamptz) language plpgsql volatile as $$
#variable_conflict use_column
declare
    v_now timestamptz := clock_timestamp();
begin
    -- They are counted, so one at a time.
    perform pg_advisory_xact_lock(1886151022, 40);
    update plane.services s
    set version = nextval('plane.service_versions'), spawn_config = p_spawn, access = p_access, forward_auth = p_forward_auth, max_backends = p_max,
        warm_count = p_warm_count, warm_max_age_seconds = p_warm_age, warm_claim_path = p_warm_path, prepull = p_prepull, updated_at = v_now
    where s.name = p_name
        and (s.spawn_config, s.access, s.forward_auth, s.max_backends, s.warm_count, s.warm_max_age_seconds, s.warm_claim_path, s.prepull)
            is distinct from (p_spawn, p_access, p_forward_auth, p_max, p_warm_count, p_warm_age, p_warm_path, p_prepull)
    returning 2::smallint, s.version, s.created_at, s.updated_at into outcome, version, created_at, updated_at;
    if not found then
        select 0::smallint, s.version, s.created_at, s.updated_at into outcome, version, created_at, updated_at from plane.services s where s.name = p_name;
    end if;
    if not found and (select count(*) from plane.services) >= p_limit then
        outcome := 3;
    elsif not found then
        insert into plane.services as s (
            name, version, spawn_config, access, forward_auth, max_backends, warm_count, warm_max_age_seconds, warm_claim_path, prepull, created_at, updated_at)
        values (
            p_name, nextval('plane.service_versions'), p_spawn, p_access, p_forward_auth, p_max, p_warm_count, p_warm_age, p_warm_path, p_prepull, v_now, v_now)
        returning 1::smallint, s.version, s.created_at, s.updated_at into outcome, version, created_at, updated_at;
    end if;
    if outcome in (1, 2) then
        insert into plane.changes (kind, service) values (5, p_name);
    end if;
    return next;
end $$;

-- Whether there was such a service. What was started for it is ended gracefully, unless it may go on; what has no key always is.
create function plane.delete_service(p_name text, p_keep boolean) returns boolean language plpgsql volatile as $$
begin
    -- Waits for acquisitions that hold the row: their backends are found below.
    delete from plane.services s where s.name = p_name;
    if not found then
        return false;
    end if;
    perform plane.queue_ends(
        array(
            select b.id from plane.backends b
            where b.service = p_name and b.status < 70 and (not p_keep or b.key_namespace like '.plane/%') order by b.id),
        1::smallint, 2::smallint);
    delete from plane.service_keys k where k.service = p_name;
    delete from plane.service_labels l where l.service = p_name;
    delete from plane.service_failures f where f.service = p_name;
    insert into plane.changes (kind, service, status) values (5, p_name, 70);
    return true;
end $$;

-- outcome: -1 no such service, 0 it was so, 1 added, 2 the kid is another key's, 3 there are as many as there may be.
create function plane.add_service_key(p_service text, p_kid text, p_alg smallint, p_material text, p_limit integer) returns integer language plpgsql volatile as $$
declare
    v_same boolean;
begin
    -- The row's holder counts alone.
    perform 1 from plane.services s where s.name = p_service for no key update;
    if not found then
        return -1;
    end if;
    select k.alg = p_alg and k.material = p_material into v_same from plane.service_keys k where k.service = p_service and k.kid = p_kid;
    if found then
        return case when v_same then 0 else 2 end;
    end if;
    if (select count(*) from plane.service_keys k where k.service = p_service) >= p_limit then
        return 3;
    end if;
    insert into plane.service_keys (service, kid, alg, material, created_at) values (p_service, p_kid, p_alg, p_material, clock_timestamp());
    insert into plane.changes (kind, service) values (5, p_service);
    return 1;
end $$;

-- As before, and for services, whose parameters older controllers leave out. Further outcomes: 7 the service has as many backends as it may, 8 the starts for this key failed one
-- after another (held_for: until the next one), 9 the namespace is a service's and none was named, 10 there is no such service, 11 it is not at this version.
-- Error PLN03: 7, found when all was written.
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
    v_version bigint;
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
        -- Held to the commit, so that a deletion waits and then finds the backend. A change does not wait: it is after what read the version before.
        select s.max_backends, s.version into v_most, v_version from plane.services s where s.name = p_service for key share;
        if not found then
            outcome := 10;
        elsif v_version <> p_service_version then
            outcome := 11;
        else
            if v_most is not null then
                -- Those that count come in line here.
                perform pg_advisory_xact_lock(1886151024, hashtext(p_service));
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
