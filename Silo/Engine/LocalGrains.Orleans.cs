using System.Diagnostics.CodeAnalysis;
using Orleans.Concurrency;
using Orleans.GrainDirectory;
using Orleans.Metadata;
using Orleans.Runtime;
using Orleans.Runtime.GrainDirectory;

namespace Plane.Silo;

/// <summary>
/// The directory of grains that each silo has for itself (<see cref="StatelessWorkerAttribute"/>): there is nothing to know, and so nobody to ask. Orleans by
/// itself looks up every grain that a silo calls for the first time, these too, in the silo whose part of the directory it would be in: a call to another
/// silo for each new key, which fails while that one is gone and not yet known to be.
/// </summary>
internal sealed class LocalGrains : IGrainDirectoryResolver, IGrainDirectory
{
    // Orleans' name of the placement that the attribute stands for (Orleans.Runtime.StatelessWorkerPlacement, internal).
    private const string Placement = "StatelessWorkerPlacement";

    public bool TryResolveGrainDirectory(GrainType grainType, GrainProperties? properties, [NotNullWhen(true)] out IGrainDirectory? grainDirectory)
    {
        var isLocal = properties is not null && properties.Properties.TryGetValue(WellKnownGrainTypeProperties.PlacementStrategy, out var placement) && placement == Placement;
        grainDirectory = isLocal ? this : null;
        return isLocal;
    }

    public Task<GrainAddress?> Lookup(GrainId grainId) => Task.FromResult<GrainAddress?>(null);

    public Task<GrainAddress?> Register(GrainAddress address) => Task.FromResult<GrainAddress?>(address);

    public Task Unregister(GrainAddress address) => Task.CompletedTask;

    public Task UnregisterSilos(List<SiloAddress> siloAddresses) => Task.CompletedTask;
}
