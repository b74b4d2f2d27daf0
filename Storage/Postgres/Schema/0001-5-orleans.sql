-- oldest: 1
-- The membership of several controllers, as the ADO.NET clustering of Microsoft Orleans asks for it: it brings no schema, reads its statements by name from
-- "OrleansQuery", and finds all three tables by the search path, which the controllers set to "plane". Names of tables, keys, parameters and result columns are
-- the provider's; the statements are ours.

create table plane.orleansquery (
    querykey text collate "C" primary key,
    querytext text not null
);

create table plane.orleansmembershipversiontable (
    deploymentid text collate "C" primary key,
    version integer not null default 0,
    changed_at timestamptz not null default now()
);
comment on table plane.orleansmembershipversiontable is
    'One row for each cluster: a change of a member states the version that it has seen, so that two changes never both succeed on one view.';

create table plane.orleansmembershiptable (
    deploymentid text collate "C" not null,
    address text collate "C" not null,
    port integer not null,
    generation integer not null,
    siloname text not null,
    hostname text not null,
    status integer not null,
    proxyport integer not null,
    suspecttimes text,
    starttime timestamptz not null,
    iamalivetime timestamptz not null,
    primary key (deploymentid, address, port, generation)
);

create table plane.orleans_cluster (
    single boolean primary key default true check (single),
    cluster_id text not null,
    service_id text not null
);
comment on table plane.orleans_cluster is 'The cluster of controllers that the database belongs to: one row. Two clusters would each sweep and decide for the other''s drones. Written by plane.pin_cluster.';

insert into plane.orleansquery (querykey, querytext) values
('InsertMembershipVersionKey', $query$
    with made as (
        insert into orleansmembershipversiontable (deploymentid) values (@DeploymentId) on conflict do nothing returning 1
    )
    select exists (select from made)
$query$),
('InsertMembershipKey', $query$
    with moved as (
        update orleansmembershipversiontable set version = version + 1, changed_at = now()
        where deploymentid = @DeploymentId and version = @Version and not exists (
            select from orleansmembershiptable m
            where m.deploymentid = @DeploymentId and m.address = @Address and m.port = @Port and m.generation = @Generation)
        returning deploymentid
    ), made as (
        insert into orleansmembershiptable
            (deploymentid, address, port, generation, siloname, hostname, status, proxyport, starttime, iamalivetime)
        select deploymentid, @Address, @Port, @Generation, @SiloName, @HostName, @Status, @ProxyPort, @StartTime, @IAmAliveTime from moved
        returning 1
    )
    select exists (select from made)
$query$),
('UpdateMembershipKey', $query$
    with moved as (
        update orleansmembershipversiontable set version = version + 1, changed_at = now()
        where deploymentid = @DeploymentId and version = @Version and exists (
            select from orleansmembershiptable m
            where m.deploymentid = @DeploymentId and m.address = @Address and m.port = @Port and m.generation = @Generation)
        returning deploymentid
    ), made as (
        update orleansmembershiptable m set status = @Status, suspecttimes = @SuspectTimes, iamalivetime = @IAmAliveTime
        from moved
        where m.deploymentid = moved.deploymentid and m.address = @Address and m.port = @Port and m.generation = @Generation
        returning 1
    )
    select exists (select from made)
$query$),
('UpdateIAmAlivetimeKey', $query$
    update orleansmembershiptable set iamalivetime = @IAmAliveTime
    where deploymentid = @DeploymentId and address = @Address and port = @Port and generation = @Generation
$query$),
('MembershipReadRowKey', $query$
    select v.deploymentid, m.address, m.port, m.generation, m.siloname, m.hostname, m.status, m.proxyport, m.suspecttimes, m.starttime, m.iamalivetime, v.version
    from orleansmembershipversiontable v
    left join orleansmembershiptable m
        on m.deploymentid = v.deploymentid and m.address = @Address and m.port = @Port and m.generation = @Generation
    where v.deploymentid = @DeploymentId
$query$),
('MembershipReadAllKey', $query$
    select v.deploymentid, m.address, m.port, m.generation, m.siloname, m.hostname, m.status, m.proxyport, m.suspecttimes, m.starttime, m.iamalivetime, v.version
    from orleansmembershipversiontable v
    left join orleansmembershiptable m on m.deploymentid = v.deploymentid
    where v.deploymentid = @DeploymentId
$query$),
('GatewaysQueryKey', $query$
    select address, proxyport, generation from orleansmembershiptable
    where deploymentid = @DeploymentId and status = @Status and proxyport > 0
$query$),
('DeleteMembershipTableEntriesKey', $query$
    with gone as (delete from orleansmembershiptable where deploymentid = @DeploymentId)
    delete from orleansmembershipversiontable where deploymentid = @DeploymentId
$query$),
-- 6: dead. Whether a silo lives that has not reported for long is for its peers to judge.
('CleanupDefunctSiloEntriesKey', $query$
    delete from orleansmembershiptable where deploymentid = @DeploymentId and status = 6 and iamalivetime < @IAmAliveTime
$query$);
