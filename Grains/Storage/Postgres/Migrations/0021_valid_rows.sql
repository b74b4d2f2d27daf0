-- oldest: 1
-- What a row may hold, by the rules of the contract (Grains.Interfaces): names, texts and enumerations. The grains refuse what breaks them; here it is refused again, since a
-- row that can't be read would be in the way of everything that reads rows. The key's texts are checked with its backend, which is inserted with it: a renewal, which updates
-- keys by the thousand, checks numbers alone.

create function plane.is_text(p_text text, p_least integer) returns boolean language sql immutable parallel safe as $$
    select char_length(p_text) between p_least and 255 and p_text !~ '[\u0001-\u001f\u007f-\u009f]'
$$;

-- A host name with an optional port.
create function plane.is_cluster(p_text text) returns boolean language sql immutable parallel safe as $$
    select char_length(p_text) <= 259
        and p_text ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*(:[1-9][0-9]{0,4})?$'
$$;

alter table plane.controllers
    add constraint controllers_names check (id ~ '^co-[a-z0-9-]{1,42}$') not valid,
    add constraint controllers_texts check (plane.is_text(version, 1) and plane.is_text(hash, 0)) not valid;

alter table plane.drones
    add constraint drones_names check (plane.is_cluster(cluster) and name ~ '^dr-[a-z0-9-]{1,42}$' and controller ~ '^co-[a-z0-9-]{1,42}$') not valid,
    add constraint drones_texts check (
        plane.is_text(pool, 0) and plane.is_text(version, 1) and plane.is_text(hash, 0) and instance_id ~ '^[!-~]{1,64}$' and boot_id ~ '^[!-~]{1,64}$') not valid,
    add constraint drones_numbers check (
        reading between 0 and 9007199254740992 and max_backends between 1 and 100000 and session >= 0
        and cardinality(kinds) >= 1 and kinds <@ array[1, 2]::smallint[]) not valid;

alter table plane.drone_counters
    add constraint drone_counters_names check (plane.is_cluster(cluster) and drone ~ '^dr-[a-z0-9-]{1,42}$') not valid,
    add constraint drone_counters_numbers check (last_number >= 0) not valid;

alter table plane.keys
    add constraint keys_numbers check (fencing_token >= 0) not valid;

alter table plane.backends
    add constraint backends_names check (id ~ '^[a-z0-9-]{1,45}$' and plane.is_cluster(cluster) and drone ~ '^dr-[a-z0-9-]{1,42}$') not valid,
    add constraint backends_texts check (
        plane.is_text(pool, 0) and plane.is_text(key_namespace, 0) and plane.is_text(key_name, 1) and plane.is_text(key_tag, 0)
        and subdomain ~ '^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$' and char_length(address) <= 64 and char_length(image) <= 1024
        and char_length(message) <= 1000 and char_length(output_tail) <= 8192) not valid,
    add constraint backends_tokens check (
        acquired_by ~ '^[A-Za-z0-9_-]{43}$' and static_token ~ '^s\.[A-Za-z0-9_-]{43}$' and static_token_hash ~ '^[A-Za-z0-9_-]{43}$') not valid,
    add constraint backends_numbers check (
        fencing_token > 0 and status in (10, 20, 30, 40, 50, 60, 65, 70) and end_kind in (0, 1, 2) and executor in (1, 2)
        and termination_reason between 1 and 6 and max_idle_seconds > 0) not valid;

alter table plane.history
    add constraint history_numbers check (
        status in (10, 20, 30, 40, 50, 60, 65, 70) and termination_reason between 1 and 6 and termination_kind in (1, 2)) not valid;

alter table plane.tokens
    add constraint tokens_texts check (
        hash ~ '^[A-Za-z0-9_-]{43}$' and plane.is_text(user_name, 0) and char_length(auth) <= 8192 and char_length(secret) between 1 and 256) not valid;

alter table plane.actions
    add constraint actions_names check (
        plane.is_cluster(cluster) and drone ~ '^dr-[a-z0-9-]{1,42}$' and backend_id ~ '^[a-z0-9-]{1,45}$') not valid,
    add constraint actions_numbers check (number > 0 and fencing_token > 0) not valid,
    add constraint actions_kinds check (
        kind = 0 and num_nulls(spawn, instance_id, boot_id, renew_at, soft_at, hard_at) = 0
        or kind = 1 and end_kind in (1, 2) and end_reason between 1 and 6 and num_nulls(end_kind, end_reason) = 0) not valid;

alter table plane.proxies
    add constraint proxies_names check (plane.is_cluster(cluster) and name ~ '^px-[a-z0-9-]{1,42}$' and controller ~ '^co-[a-z0-9-]{1,42}$') not valid,
    add constraint proxies_texts check (plane.is_text(version, 1) and plane.is_text(hash, 0)) not valid;

alter table plane.changes
    add constraint changes_names check (
        plane.is_cluster(cluster) and backend_id ~ '^[a-z0-9-]{1,45}$' and drone ~ '^dr-[a-z0-9-]{1,42}$' and token_hash ~ '^[A-Za-z0-9_-]{43}$') not valid,
    add constraint changes_numbers check (
        kind in (1, 2, 3, 4) and fencing_token > 0 and (backend_id is null) = (fencing_token is null) and status in (10, 20, 30, 40, 50, 60, 65, 70)) not valid;

alter table plane.txt_values
    add constraint txt_values_texts check (
        plane.is_cluster(cluster) and plane.is_text(owner, 1) and cardinality(items) <= 16 and array_position(items, null) is null
        and array_to_string(items, '') ~ '^[ -~]*$' and char_length(array_to_string(items, '')) <= 4080) not valid;

alter table plane.challenge_leases
    add constraint challenge_leases_texts check (plane.is_cluster(cluster) and plane.is_text(owner, 1)) not valid;

alter table plane.certificate_orders
    add constraint certificate_orders_texts check (
        plane.is_cluster(cluster) and plane.is_text(id, 1) and plane.is_text(authority, 1) and plane.is_text(owner, 1)) not valid;

alter table plane.requests
    add constraint requests_texts check (char_length(id) between 1 and 64 and char_length(digest) between 1 and 64 and octet_length(sealed) <= 8192) not valid;

-- A row that breaks a rule could not be read by any program: nothing is lost with it.
do $$
declare
    c record;
begin
    for c in
        select k.conrelid::regclass as tab, k.conname, pg_get_expr(k.conbin, k.conrelid) as rule
        from pg_constraint k where k.connamespace = 'plane'::regnamespace and k.contype = 'c' and not k.convalidated
    loop
        execute format('delete from %s where not (%s)', c.tab, c.rule);
        execute format('alter table %s validate constraint %I', c.tab, c.conname);
    end loop;
end $$;
