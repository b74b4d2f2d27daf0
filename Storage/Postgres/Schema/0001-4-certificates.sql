-- oldest: 1
-- What proxies need to get certificates: values that the DNS servers answer with, and who orders.

create table plane.txt_values (
    cluster text collate "C" not null,
    owner text collate "C" not null,
    items text[] not null,
    expires_at timestamptz not null,
    primary key (cluster, owner),
    constraint txt_values_texts check (
        plane.is_cluster(cluster) and plane.is_text(owner, 1) and cardinality(items) <= 16 and array_position(items, null) is null
        and array_to_string(items, '') ~ '^[ -~]*$' and char_length(array_to_string(items, '')) <= 4080)
);
comment on table plane.txt_values is 'TXT values of a cluster''s challenges: an owner''s are replaced together.';

create table plane.challenge_leases (
    cluster text collate "C" primary key,
    owner text collate "C" not null,
    expires_at timestamptz not null,
    constraint challenge_leases_texts check (plane.is_cluster(cluster) and plane.is_text(owner, 1))
);
comment on table plane.challenge_leases is 'Which proxy of a cluster may order a certificate. Written by plane.hold_challenge.';

create table plane.certificate_orders (
    cluster text collate "C" not null,
    id text collate "C" not null,
    authority text collate "C" not null,
    owner text collate "C" not null,
    ordered_at timestamptz not null,
    primary key (cluster, id),
    constraint certificate_orders_texts check (
        plane.is_cluster(cluster) and plane.is_text(id, 1) and plane.is_text(authority, 1) and plane.is_text(owner, 1))
);
comment on table plane.certificate_orders is 'Orders of the last days, which are bounded for each cluster and authority. Written by plane.begin_order.';
