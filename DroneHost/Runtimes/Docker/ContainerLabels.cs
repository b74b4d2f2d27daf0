using System.Globalization;

namespace Plane.DroneHost.Runtimes.Docker;

/// <summary>The labels by which a container says whose it is.</summary>
internal static class ContainerLabels
{
    /// <summary>On every backend: <c>true</c>.</summary>
    public const string Backend = "dev.plane.backend";

    /// <summary>The drone's instance id.</summary>
    public const string Drone = "dev.plane.drone";

    /// <summary>The backend's name.</summary>
    public const string Name = "dev.plane.backend.name";

    /// <summary>The fencing token it runs under.</summary>
    public const string Token = "dev.plane.backend.token";

    /// <summary>The labels of a container.</summary>
    public static Dictionary<string, string> For(BackendIdentity backend, string instanceId) => new()
    {
        [Backend] = "true",
        [Drone] = instanceId,
        [Name] = backend.Backend.Value,
        [Token] = backend.Token.ToString(),
    };

    /// <summary>The filter that finds this instance's containers and no others.</summary>
    public static string[] Filter(string instanceId) => [$"{Backend}=true", $"{Drone}={instanceId}"];

    /// <summary>The filter that finds what was made for this backend, whatever its name is by now: a container, and copies of it.</summary>
    public static string[] Filter(string instanceId, BackendIdentity backend) => [.. Filter(backend), $"{Drone}={instanceId}"];

    /// <summary>The same, of whatever drone.</summary>
    public static string[] Filter(BackendIdentity backend) => [$"{Backend}=true", $"{Name}={backend.Backend.Value}", $"{Token}={backend.Token}"];

    /// <summary>One label, or one attribute of an event; null where there is none.</summary>
    public static string? ValueOf(this IDictionary<string, string>? labels, string name) => labels is not null && labels.TryGetValue(name, out var value) ? value : null;

    /// <summary>Which backend of this instance a container is, or null.</summary>
    public static BackendIdentity? TryRead(IDictionary<string, string>? labels, string instanceId) =>
        labels.ValueOf(Backend) == "true"
        && labels.ValueOf(Drone) == instanceId
        && BackendName.TryParse(labels.ValueOf(Name), out var name)
        && long.TryParse(labels.ValueOf(Token), NumberStyles.None, CultureInfo.InvariantCulture, out var token)
            ? new BackendIdentity(name, new FencingToken(token))
            : null;
}
