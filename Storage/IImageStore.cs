namespace Plane.Storage;

/// <summary>Images that drones pull before they are needed. The rules of <see cref="IPlaneStore"/> hold for each member.</summary>
public interface IImageStore
{
    /// <summary>The services whose image is to be pulled before it is needed, by name.</summary>
    Task<IReadOnlyList<ServiceDefinition>> ListPrepullAsync(CancellationToken cancellationToken);

    /// <summary>Stores how far a drone is with its images, in place of its last report.</summary>
    /// <param name="session">The reporting drone's session.</param>
    /// <param name="images">The images.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    Task<SessionState> ReportImagesAsync(DroneSession session, IReadOnlyList<ImageState> images, CancellationToken cancellationToken);

    /// <summary>The drones that run containers and whose heartbeat is fresh, by cluster and name, with what they reported.</summary>
    Task<IReadOnlyList<DroneImages>> ListImagesAsync(CancellationToken cancellationToken);
}
