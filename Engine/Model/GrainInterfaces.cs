namespace Orleans.Runtime
{
    /// <summary>Anything that a grain reference can point to.</summary>
    public interface IAddressable;
}

namespace Orleans
{
    /// <summary>The base of every grain interface.</summary>
    public interface IGrain : Runtime.IAddressable;

    /// <summary>A grain addressed by a string.</summary>
    public interface IGrainWithStringKey : IGrain;

    /// <summary>Makes references to grains.</summary>
    public interface IGrainFactory
    {
        /// <summary>A reference to the grain with this key; nothing is activated or sent.</summary>
        /// <typeparam name="TGrainInterface">The grain's interface.</typeparam>
        /// <param name="primaryKey">The key; not empty and not only white space.</param>
        /// <param name="grainClassNamePrefix">Which class, where several implement the interface; not supported by the embedded engine.</param>
        TGrainInterface GetGrain<TGrainInterface>(string primaryKey, string? grainClassNamePrefix = null)
            where TGrainInterface : IGrainWithStringKey;

        /// <summary>A reference to the grain with this key, by the type of its interface.</summary>
        /// <param name="grainInterfaceType">The grain's interface.</param>
        /// <param name="grainPrimaryKey">The key; not empty and not only white space.</param>
        IGrain GetGrain(Type grainInterfaceType, string grainPrimaryKey);
    }
}
