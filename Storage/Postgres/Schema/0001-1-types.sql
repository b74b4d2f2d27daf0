-- oldest: 1
-- The values of columns, and the rules for texts. Every text that is compared or ordered has the collation "C": byte for byte, whatever the database's locale.

-- Where a backend is in its life. The order is that of the values here: a state is followed by later ones only.
create type plane.backend_status as enum ('scheduled', 'loading', 'starting', 'waiting', 'ready', 'terminating', 'hard_terminating', 'terminated');

-- Why a backend ended. Null where it exited by itself.
create type plane.termination_reason as enum ('swept', 'external', 'key_expired', 'lost', 'startup_timeout', 'internal_error');

-- How a backend is ended. In the order of hardness.
create type plane.termination_kind as enum ('soft', 'hard');

create type plane.executor_kind as enum ('docker', 'process');

create type plane.action_kind as enum ('spawn', 'terminate', 'claim');

create type plane.change_kind as enum ('backend_state', 'token_revoked', 'drone_action', 'txt_values', 'service');

create type plane.access_kind as enum ('public', 'signed', 'forward_auth');

create type plane.signing_algorithm as enum ('hs256', 'es256', 'ed_dsa');

-- What a call of a drone's session is answered with.
create type plane.session_state as enum ('current', 'replaced', 'unknown');

-- What a request with an id of its own is: the first one, a repeat, or another request under the same id.
create type plane.request_claim as enum ('first', 'repeated', 'taken');

create type plane.token_outcome as enum ('issued', 'not_held', 'tag_differs', 'repeated', 'request_id_taken');

create type plane.acquire_outcome as enum (
    'acquired', 'held', 'drone_unfit', 'backend_id_taken', 'repeated', 'request_id_taken', 'held_off', 'service_full', 'crash_loop', 'namespace_owned',
    'service_gone', 'service_changed', 'none_warm');

create type plane.change_outcome as enum ('not_found', 'unchanged', 'changed');

create type plane.service_write_outcome as enum ('unchanged', 'created', 'changed', 'too_many');

create type plane.signing_key_outcome as enum ('no_such_service', 'unchanged', 'added', 'kid_taken', 'too_many');

-- Advisory locks: plane.lock_id has their numbers.
create type plane.advisory_lock as enum (
    'fencing_tokens', 'migrations', 'sweep_lost', 'sweep_idle', 'sweep_lifetime', 'clean_up', 'services', 'certificate_orders', 'service_backends');

-- The rules for texts, those of the contract (Grains.Interfaces). They are part of the tables' constraints: a changed one must be checked for the rows that exist, so
-- they are changed by a migration alone.

create function plane.is_text(p_text text, p_least integer) returns boolean language sql immutable parallel safe as $$
    select char_length(p_text) between p_least and 255 and p_text !~ '[\u0001-\u001f\u007f-\u009f]'
$$;
comment on function plane.is_text is 'a text of at most 255 characters without control characters';

create function plane.is_cluster(p_text text) returns boolean language sql immutable parallel safe as $$
    select char_length(p_text) <= 259
        and p_text ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*(:[1-9][0-9]{0,4})?$'
$$;
comment on function plane.is_cluster is 'a host name with an optional port';

create function plane.is_service(p_text text) returns boolean language sql immutable parallel safe as $$
    select char_length(p_text) <= 30 and p_text ~ '^[a-z](-?[a-z0-9])*$'
$$;
comment on function plane.is_service is 'the name of a service';
