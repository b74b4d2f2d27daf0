using Microsoft.Extensions.DependencyInjection;
using Plane.Grains;
using Plane.Hosting;
using Plane.Storage;

namespace Plane.Silo;

/// <summary>Brings in what the other rooms offer: the store and the grains.</summary>
internal static class SiloServices
{
    public static void Add(IServiceCollection services, ControllerOptions options, ControllerName controller)
    {
        services.AddPlaneStore(Store(options, controller));
        services.AddPlaneGrains(new GrainOptions
        {
            ControllerName = controller,
            LeaseNumbers = options.LeaseNumbers,
            Version = PlaneVersion.Current.Version,
            Hash = PlaneVersion.Current.Hash,
            KeepEndedBackends = TimeSpan.FromDays(options.CleanupMinAgeDays),
        });
    }

    private static StoreOptions Store(ControllerOptions options, ControllerName controller) => new()
    {
        Url = options.Db,
        Numbers = options.LeaseNumbers,
        Holder = $"{controller}, process {Environment.ProcessId} on {Environment.MachineName}",
    };
}
