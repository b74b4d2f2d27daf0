namespace Plane.Storage;

/// <summary>Services, their signing keys, the labels of their URLs and the starts that failed. The rules of <see cref="IPlaneStore"/> hold for each member.</summary>
public interface IServiceStore
{
    /// <summary>Makes or changes a service. The configuration that it has already leaves its version as it is.</summary>
    Task<ServiceWrite> PutServiceAsync(ServiceName service, ServiceConfig config, CancellationToken cancellationToken);

    /// <summary>A service, or null.</summary>
    Task<ServiceDefinition?> FindServiceAsync(ServiceName service, CancellationToken cancellationToken);

    /// <summary>A service with what runs for it, or null.</summary>
    Task<ServiceUse?> ReadServiceAsync(ServiceName service, CancellationToken cancellationToken);

    /// <summary>All services by name, with what runs for them.</summary>
    Task<IReadOnlyList<ServiceUse>> ListServicesAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Deletes a service with its signing keys and labels, and queues the soft end of its backends.
    /// </summary>
    /// <param name="service">The service.</param>
    /// <param name="keepBackends">Whether backends that have a key continue: until their own end.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    /// <returns>Whether there was one.</returns>
    Task<bool> DeleteServiceAsync(ServiceName service, bool keepBackends, CancellationToken cancellationToken);

    /// <summary>A service with its signing keys, and the position in the change log that both were read at; null where there is none.</summary>
    Task<ServiceRead?> ReadServiceAccessAsync(ServiceName service, CancellationToken cancellationToken);

    /// <summary>Adds a signing key.</summary>
    Task<SigningKeyOutcome> AddSigningKeyAsync(ServiceName service, SigningKey key, CancellationToken cancellationToken);

    /// <summary>The signing keys of a service by kid, without their material; null where there is no such service.</summary>
    Task<IReadOnlyList<SigningKeyInfo>?> ListSigningKeysAsync(ServiceName service, CancellationToken cancellationToken);

    /// <summary>Deletes a signing key. NotFound where there is no such service or key.</summary>
    Task<ChangeOutcome> DeleteSigningKeyAsync(ServiceName service, string kid, CancellationToken cancellationToken);

    /// <summary>Keeps which key a label that is a hash stands for, as long as the service exists.</summary>
    Task KeepLabelAsync(ServiceName service, string label, KeyConfig key, CancellationToken cancellationToken);

    /// <summary>The key that a label was kept for, as the service's callers name it, or null.</summary>
    Task<KeyConfig?> FindLabelAsync(ServiceName service, string label, CancellationToken cancellationToken);

    /// <summary>The starts for a key that failed one after another, or null.</summary>
    /// <param name="key">The key that is held: <see cref="ServiceKeys.Within"/> was applied.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    Task<StartFailures?> ReadFailuresAsync(KeyConfig key, CancellationToken cancellationToken);
}
