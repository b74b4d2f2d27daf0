using Orleans.Contract;

namespace Orleans.Calls;

/// <summary>Makes references that call by one transport.</summary>
internal sealed class ClusterClient(IServiceProvider services, ICallTransport transport) : IClusterClient
{
    public IServiceProvider ServiceProvider => services;

    public TGrainInterface GetGrain<TGrainInterface>(string primaryKey, string? grainClassNamePrefix = null)
        where TGrainInterface : IGrainWithStringKey
    {
        if (grainClassNamePrefix is not null)
        {
            throw new NotSupportedException("the embedded engine has one grain class per interface");
        }

        ArgumentException.ThrowIfNullOrWhiteSpace(primaryKey);
        return (TGrainInterface)(object)Cache<TGrainInterface>.Model.CreateReference(transport, primaryKey);
    }

    public IGrain GetGrain(Type grainInterfaceType, string grainPrimaryKey)
    {
        ArgumentNullException.ThrowIfNull(grainInterfaceType);
        ArgumentException.ThrowIfNullOrWhiteSpace(grainPrimaryKey);
        return InterfaceModel.Of(grainInterfaceType).CreateReference(transport, grainPrimaryKey);
    }

    private static class Cache<T>
    {
        public static readonly InterfaceModel Model = InterfaceModel.Of(typeof(T));
    }
}
