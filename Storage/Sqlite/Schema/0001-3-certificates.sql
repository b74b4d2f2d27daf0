-- oldest: 1
-- What proxies need to get certificates: values that the DNS servers answer with, and who orders.

-- TXT values of a cluster's challenges.
create table txt_values (
    cluster text not null,
    owner text not null,
    item text not null,
    expires_at integer not null,
    primary key (cluster, owner, item),
    check (length(cluster) between 1 and 259 and cluster not glob '*[^a-z0-9.:-]*'),
    check (length(owner) between 1 and 255 and instr(owner, char(0)) = 0 and owner not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    check (length(item) between 1 and 255 and item not glob '*[^ -~]*')
) without rowid, strict;

-- Which proxy of a cluster may order a certificate.
create table challenge_leases (
    cluster text primary key,
    owner text not null,
    expires_at integer not null,
    check (length(cluster) between 1 and 259 and cluster not glob '*[^a-z0-9.:-]*'),
    check (length(owner) between 1 and 255 and instr(owner, char(0)) = 0 and owner not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*')
) without rowid, strict;

-- Orders of the last days, which are bounded for each cluster and authority.
create table certificate_orders (
    cluster text not null,
    id text not null,
    authority text not null,
    owner text not null,
    ordered_at integer not null,
    primary key (cluster, id),
    check (length(cluster) between 1 and 259 and cluster not glob '*[^a-z0-9.:-]*'),
    check (length(id) between 1 and 255 and instr(id, char(0)) = 0 and id not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    check (length(authority) between 1 and 255 and instr(authority, char(0)) = 0 and authority not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    check (length(owner) between 1 and 255 and instr(owner, char(0)) = 0 and owner not glob '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*')
) without rowid, strict;
