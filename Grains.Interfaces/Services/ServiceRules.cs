using System.Globalization;

namespace Plane;

/// <summary>What a service's configuration must fulfil. The one place where it is checked.</summary>
public static class ServiceRules
{
    /// <summary>What is shown in place of the password of a registry; sent back, it stands for the stored one.</summary>
    public const string HiddenPassword = "********";

    /// <summary>The first thing that is wrong with it, or <see langword="null"/>.</summary>
    /// <param name="config">The configuration.</param>
    public static FieldError? Validate(ServiceConfig? config)
    {
        if (config is null)
        {
            return new FieldError("service", "must be given");
        }

        if (config.SpawnConfig is null)
        {
            return new FieldError("spawn_config", "must be given");
        }

        return Names(config.SpawnConfig, "spawn_config")
            ?? ConnectRules.Validate(config.SpawnConfig, "spawn_config")
            ?? (config.SpawnConfig.Cluster is { } cluster && !ClusterName.TryParse(cluster, out _) ? new FieldError("spawn_config.cluster", $"is not valid: {ClusterName.Rule}") : null)
            ?? (config.Access is null ? new FieldError("access", "must be given") : config.Access.Validate("access"))
            ?? (config.MaxBackends is < 1 or > ServiceConfig.MostBackends
                ? new FieldError("max_backends", string.Create(CultureInfo.InvariantCulture, $"must be from 1 to {ServiceConfig.MostBackends}"))
                : null)
            ?? config.Warm?.Validate("warm")
            ?? (config is { Warm: not null, SpawnConfig.Executable.Mount: not null }
                ? new FieldError("warm", "cannot be combined with a mount, which is of one key: a warm backend has none when it is started")
                : null)
            ?? (config is { Prepull: true, SpawnConfig.Executable.Image: null } ? new FieldError("prepull", "needs an image") : null);
    }

    // What names one backend or one way to it can't be of a service, which has many; its sessions have the service's URLs.
    private static FieldError? Names(SpawnConfig spawn, string at) =>
        spawn.Id is not null ? new FieldError($"{at}.id", "cannot be given: a service has many backends")
        : spawn.Subdomain is not null ? new FieldError($"{at}.subdomain", "cannot be given: each session has an address of its own")
        : spawn.Browser ? new FieldError($"{at}.browser", "cannot be given: browsers enter by the session's own address")
        : spawn.UseStaticToken ? new FieldError($"{at}.use_static_token", "cannot be given: the service's access decides who may enter")
        : null;
}
