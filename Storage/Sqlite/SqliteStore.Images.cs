namespace Plane.Storage.Sqlite;

// Images that drones pull before they are needed.
internal sealed partial class SqliteStore
{
    public Task<IReadOnlyList<ServiceDefinition>> ListPrepullAsync(CancellationToken cancellationToken) => _engine.ReadAsync<IReadOnlyList<ServiceDefinition>>(
        s => Readable(s, $"select {ServiceColumns} from services s where s.prepull = 1 order by s.name", ReadService), cancellationToken);

    public Task<SessionState> ReportImagesAsync(DroneSession session, IReadOnlyList<ImageState> images, CancellationToken cancellationToken)
    {
        var text = StoreText.WriteImages(images);
        return _engine.WriteAsync(
            s =>
            {
                var state = StateOf(s, session);
                if (state == SessionState.Current)
                {
                    s.Execute(
                        "insert or replace into drone_images (cluster, drone, images, updated_at) values ($1, $2, $3, $4)",
                        session.Cluster.Value,
                        session.Drone.Value,
                        text,
                        s.Record);
                }

                return state;
            },
            cancellationToken);
    }

    public Task<IReadOnlyList<DroneImages>> ListImagesAsync(CancellationToken cancellationToken) => _engine.ReadAsync<IReadOnlyList<DroneImages>>(
        s => Readable(
            s,
            """
            select d.cluster, d.name, d.pool, i.images
            from drones d left join drone_images i on i.cluster = d.cluster and i.drone = d.name
            where d.heartbeat_at > $1 and instr(',' || d.kinds || ',' || d.unavailable_kinds || ',', ',docker,') > 0
            order by d.cluster, d.name
            """,
            static r => new DroneImages(ClusterName.Parse(r.GetString(0)), DroneName.Parse(r.GetString(1)), r.GetString(2), StoreText.ReadImages(TextOrNull(r, 3))),
            s.Lease - _fresh),
        cancellationToken);
}
