namespace Orleans;

/// <summary>A client of the cluster: calls grains over a gateway, or, inside a silo, directly.</summary>
public interface IClusterClient : IGrainFactory
{
    /// <summary>The services of the host that the client belongs to.</summary>
    IServiceProvider ServiceProvider { get; }
}
