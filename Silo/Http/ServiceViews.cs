using Plane.Grains.Services;
using Plane.Storage;

namespace Plane.Silo.Http;

/// <summary>Services as they are shown.</summary>
internal static class ServiceViews
{
    /// <summary>A service with what runs for it, and where its image is.</summary>
    public static async Task<ServiceDetails> DetailsAsync(ServiceUse use, IImageStore store, CancellationToken cancellationToken) => Details(use) with
    {
        Images = use.Service.Config.Prepull ? [.. (await store.ListImagesAsync(cancellationToken)).Where(d => WantedImages.IsOn(use.Service, d)).Select(d => On(use.Service, d))] : null,
    };

    private static ServiceDetails Details(ServiceUse use)
    {
        var config = use.Service.Config;
        return new ServiceDetails
        {
            Name = use.Service.Name,
            Version = use.Service.Version,
            SpawnConfig = config.SpawnConfig.Executable.Credentials is null ? config.SpawnConfig : WithPassword(config.SpawnConfig, ServiceRules.HiddenPassword),
            Access = config.Access,
            MaxBackends = config.MaxBackends,
            Warm = Warm(use),
            Prepull = config.Prepull,
            Backends = use.Backends,
            CreatedAt = use.Service.CreatedAt,
            UpdatedAt = use.Service.UpdatedAt,
        };
    }

    public static ServiceSummary Summary(ServiceUse use)
    {
        var config = use.Service.Config;
        return new ServiceSummary
        {
            Name = use.Service.Name,
            Version = use.Service.Version,
            Executable = config.SpawnConfig.Executable.ToString(),
            Access = config.Access,
            MaxBackends = config.MaxBackends,
            Warm = Warm(use),
            Backends = use.Backends,
            UpdatedAt = use.Service.UpdatedAt,
        };
    }

    /// <summary>A spawn config with another password for its image's registry.</summary>
    public static SpawnConfig WithPassword(SpawnConfig spawn, string password) => spawn with
    {
        Executable = spawn.Executable with { Credentials = spawn.Executable.Credentials! with { Password = password } },
    };

    private static ServiceImage On(ServiceDefinition service, DroneImages drone)
    {
        // A drone that has not reported the image yet waits to.
        var state = drone.Images.FirstOrDefault(i => i.Image == service.Config.SpawnConfig.Executable.Image);
        return new ServiceImage
        {
            Drone = drone.Drone,
            Cluster = drone.Cluster,
            Status = state?.Status ?? ImageStatus.Pending,
            Percent = state?.Percent,
            Reason = state?.Reason,
        };
    }

    private static WarmState? Warm(ServiceUse use) => use.Service.Config.Warm is { } warm
        ? new WarmState { Count = warm.Count, MaxAgeSeconds = warm.MaxAgeSeconds, ClaimPath = warm.ClaimPath, Ready = use.WarmReady, Starting = use.WarmStarting }
        : null;
}
