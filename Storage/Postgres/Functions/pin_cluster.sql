-- Pins the cluster that the database belongs to, where none is pinned, and answers it with the database's time.
--
-- Orleans compares the times in the membership table with a silo's own wall clock. What a clock that was ahead has left there is corrected before a silo joins:
-- * A row of a later run at the silo's own address is deleted. The silo owns the address now, so that run is over; Orleans would take it for a newer run and end this one.
-- * Times after now become now. A silo that starts after all others were lost would wait until those times have come. A silo that lives writes its time again within seconds.
create or replace function plane.pin_cluster(p_cluster text, p_service text, p_address text, p_port integer, out cluster_id text, out service_id text, out now timestamptz)
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
    update plane.orleansmembershipversiontable v set version = version + 1, changed_at = pin_cluster.now
    where v.deploymentid = p_cluster and exists (select from ended);
    update plane.orleansmembershiptable m set starttime = least(m.starttime, pin_cluster.now), iamalivetime = least(m.iamalivetime, pin_cluster.now)
    where m.deploymentid = p_cluster and greatest(m.starttime, m.iamalivetime) > pin_cluster.now;
end $$;
