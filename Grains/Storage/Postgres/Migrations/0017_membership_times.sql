-- oldest: 1
-- Orleans compares the times in the membership with a silo's own wall clock: a time that lies ahead would keep a cluster whose silos were all lost from starting until it has come. A silo
-- whose clock is ahead of the database's is stored with the database's time.
update plane.orleansquery set querytext = replace(replace(querytext, '@StartTime', 'least(@StartTime, now())'), '@IAmAliveTime', 'least(@IAmAliveTime, now())')
where querykey in ('InsertMembershipKey', 'UpdateMembershipKey', 'UpdateIAmAlivetimeKey');

-- Pins the cluster that the database belongs to, where none is pinned, and answers it with the database's time. The silo that asks owns its address and port now, so a run of it that the table
-- dates later, because the clock was ahead then, is over: Orleans would take it for a newer run and end this one.
create function plane.pin_cluster(p_cluster text, p_service text, p_address text, p_port integer, out cluster_id text, out service_id text, out now timestamptz)
language plpgsql as $$
begin
    insert into plane.orleans_cluster as pinned (cluster_id, service_id) values (p_cluster, p_service)
    on conflict (single) do update set cluster_id = pinned.cluster_id
    returning pinned.cluster_id, pinned.service_id, clock_timestamp() into pin_cluster.cluster_id, pin_cluster.service_id, pin_cluster.now;
    with ended as (
        delete from plane.orleansmembershiptable m
        where m.deploymentid = p_cluster and m.address = p_address and m.port = p_port
            and m.generation > extract(epoch from pin_cluster.now - timestamptz '2022-01-01 00:00:00+00')
        returning 1
    )
    update plane.orleansmembershipversiontable v set version = version + 1, changed_at = now()
    where v.deploymentid = p_cluster and exists (select from ended);
end $$;
