namespace Plane.Cli.Operator;

/// <summary>Why a connect was refused, with the flags of <c>plane connect</c> in place of the fields that the API names.</summary>
internal static class ConnectRefusal
{
    private static readonly Dictionary<string, string> s_flags = new(StringComparer.Ordinal)
    {
        ["key.name"] = "--key",
        ["key.namespace"] = "--namespace",
        ["key.tag"] = "--tag",
        ["service"] = "--service",
        ["user"] = "--user",
        ["auth"] = "--auth",
        ["request_id"] = "--request-id",
        ["wait_seconds"] = "--wait-seconds",
        ["spawn_config.id"] = "--id",
        ["spawn_config.cluster"] = "--cluster",
        ["spawn_config.pool"] = "--pool",
        ["spawn_config.lifetime_limit_seconds"] = "--lifetime-seconds",
        ["spawn_config.max_idle_seconds"] = "--max-idle-seconds",
        ["spawn_config.use_static_token"] = "--static-token",
        ["spawn_config.subdomain"] = "--subdomain",
        ["spawn_config.browser"] = "--browser",
        ["spawn_config.embed"] = "--embed",
        ["spawn_config.protocol"] = "--protocol",
        ["spawn_config.allowed_origins"] = "--allow-origin",
        ["spawn_config.executable.image"] = "--image",
        ["spawn_config.executable.command"] = "--command",
        ["spawn_config.executable.env"] = "--env",
        ["spawn_config.executable.working_directory"] = "--working-directory",
        ["spawn_config.executable.stop_grace_seconds"] = "--stop-grace-seconds",
        ["spawn_config.executable.mount"] = "--mount",
    };

    /// <summary>The message for the user.</summary>
    public static string InFlags(PlaneError error) => error.Kind switch
    {
        ErrorKind.KeyUnheldNoSpawnConfig => "nothing holds the key: give --image, --command or --service to start a backend with",
        ErrorKind.NotFound => "there is no such service: plane service list has all, plane service set makes one",
        ErrorKind.NoClusterProvided => "the controller has no default cluster: give --cluster",

        // A problem of a field is a sentence that begins with it.
        ErrorKind.InvalidRequest when error.Message.Split(' ', 2) is [var field, var problem] && s_flags.TryGetValue(field, out var flag) => $"{flag} {problem}",
        _ => error.Message,
    };
}
