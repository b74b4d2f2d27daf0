namespace Plane.Storage.Postgres;

// Images that drones pull before they are needed.
internal sealed partial class PostgresStore
{
    public async Task<IReadOnlyList<ServiceDefinition>> ListPrepullAsync(CancellationToken cancellationToken) => await QueryAsync(
        $"select {ServiceColumns} from plane.services s where s.prepull order by s.name", ReadService, cancellationToken);

    public Task<SessionState> ReportImagesAsync(DroneSession session, IReadOnlyList<ImageState> images, CancellationToken cancellationToken) => SessionAsync(
        $"""
        with s as (
            select {SessionSql} as state
        ), i as (
            insert into plane.drone_images (cluster, drone, images, updated_at)
            select $1, $2, $4, clock_timestamp() from s where s.state = 'current'
            on conflict (cluster, drone) do update set images = excluded.images, updated_at = excluded.updated_at
        )
        select state from s
        """,
        session,
        cancellationToken,
        Sql.Text(StoreText.WriteImages(images)));

    public async Task<IReadOnlyList<DroneImages>> ListImagesAsync(CancellationToken cancellationToken) => await QueryAsync(
        """
        select d.cluster, d.name, d.pool, i.images
        from plane.drones d left join plane.drone_images i on i.cluster = d.cluster and i.drone = d.name
        where d.heartbeat_at > now() - $1 and 'docker' = any (d.kinds || d.unavailable_kinds)
        order by d.cluster, d.name
        """,
        static r => new DroneImages(ClusterName.Parse(r.GetString(0)), DroneName.Parse(r.GetString(1)), r.GetString(2), StoreText.ReadImages(TextOrNull(r, 3))),
        cancellationToken,
        Sql.Span(_numbers.HeartbeatFresh));
}
