-- oldest: 1
-- The challenge lease and the orders of certificates.

create table challenge_leases (
    cluster text primary key,
    owner text not null,
    expires_lease integer not null
) without rowid;

create table certificate_orders (
    cluster text not null,
    id text not null,
    authority text not null,
    owner text not null,
    ordered_at integer not null,
    primary key (cluster, id)
) without rowid;
