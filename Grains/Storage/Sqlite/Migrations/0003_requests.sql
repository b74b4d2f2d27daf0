-- oldest: 1
-- Connects that carry an id of their own: the answer that each repeat gets. And since when controllers have served without a gap.

create table requests (
    id text primary key,
    digest text not null,
    sealed blob not null,
    backend_id text not null,
    fencing_token integer not null,
    tag text not null,
    cluster text not null,
    drone text not null,
    subdomain text,
    static_token text,
    spawned integer not null,
    expires_lease integer not null
) without rowid;
create index requests_expiry on requests (expires_lease);

create table service (
    single integer primary key check (single = 1),
    away_lease integer,
    served_lease integer not null default 0
);
insert into service (single) values (1);
