using System.Diagnostics.CodeAnalysis;
using Orleans.Concurrency;
using Orleans.GrainDirectory;
using Orleans.Metadata;
using Orleans.Runtime;
using Orleans.Runtime.GrainDirectory;

namespace Plane.Silo.Cluster;

/// <summary>
/// The directory of stateless workers (<see cref="StatelessWorkerAttribute"/>), which each silo has for itself: it is empty. Without it, Orleans looks up each grain
/// that a silo calls for the first time, stateless workers too, in the silo that keeps that part of the directory. That is a call to another silo for each new key,
/// and it fails while that silo is dead and not yet declared dead.
/// </summary>
internal sealed class LocalGrainDirectory : IGrainDirectoryResolver, IGrainDirectory
{
    // The name of Orleans' placement strategy for the attribute (Orleans.Runtime.StatelessWorkerPlacement, internal). OrleansTests fails when it changes.
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
