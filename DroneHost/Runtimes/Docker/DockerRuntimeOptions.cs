namespace Plane.DroneHost.Runtimes.Docker;

/// <summary>How a drone uses its Docker engine.</summary>
public sealed class DockerRuntimeOptions
{
    /// <summary>The engine's API: <c>unix:///PATH</c> or <c>tcp://HOST:PORT</c> (a trusted network: the API is the machine).</summary>
    public string Host { get; set; } = "unix:///var/run/docker.sock";

    /// <summary>The drone's instance id: several drones may share one engine, and none sees another's containers.</summary>
    public string InstanceId { get; set; } = "";

    /// <summary>Earlier instances of the drone: what still runs of them is ended.</summary>
    public IReadOnlyCollection<string> EarlierInstances { get; set; } = [];

    /// <summary>Where the output and the exit of ended containers are kept until they are pruned; this instance's in a directory of its own below it.</summary>
    public string OutputDirectory { get; set; } = "";

    /// <summary>The most bytes that are kept of a container's output: the last ones.</summary>
    public int OutputLimit { get; set; } = 1024 * 1024;

    /// <summary>How long reading a container's output may take at its end; what was read by then is kept.</summary>
    public TimeSpan OutputTimeout { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>The directory under which mounts lie; without one a backend that asks for a mount fails.</summary>
    public string? MountBase { get; set; }

    /// <summary>The OCI runtime, such as <c>runsc</c>; the engine's default where null.</summary>
    public string? Runtime { get; set; }

    /// <summary>Whether pruning removes the engine's dangling images too. They carry no mark of a drone, so other users' go with them.</summary>
    public bool PruneImages { get; set; }

    /// <summary>The log driver.</summary>
    public string LogDriver { get; set; } = "json-file";

    /// <summary>The log driver's options. The default bounds what a container can write to the disk by its log.</summary>
    public IDictionary<string, string> LogOptions { get; } = new Dictionary<string, string> { ["max-size"] = "10m", ["max-file"] = "3" };

    /// <summary>The network of backends that name none; the engine's default where null.</summary>
    public string? Network { get; set; }

    /// <summary>The networks that a backend may name; null for any but <c>host</c>, <c>none</c> and <c>container:…</c>, which are never allowed.</summary>
    public IReadOnlyList<string>? AllowedNetworks { get; set; }

    /// <summary>The most processes and threads of one backend: a fork bomb ends here.</summary>
    public long PidsLimit { get; set; } = 4096;

    /// <summary>How long one call may take; more means that the engine is unavailable.</summary>
    public TimeSpan CallTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long creating, starting or removing may take: a busy disk makes these slow.</summary>
    public TimeSpan StartTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>How long a pull may say nothing.</summary>
    public TimeSpan PullIdleTimeout { get; set; } = TimeSpan.FromMinutes(2);

    /// <summary>How often containers are listed beside the event stream: an engine drops events for a reader that it thinks slow.</summary>
    public TimeSpan ResyncEvery { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>What is wrong with these options.</summary>
    public IEnumerable<string> Problems()
    {
        if (DockerEndpoint.TryParse(Host, out var problem) is null)
        {
            yield return $"docker host '{Host}': {problem}";
        }

        if (InstanceId.Length == 0 || InstanceId.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_' or '.')))
        {
            yield return $"instance id '{InstanceId}': must be letters, digits, -, _ and .";
        }

        if (!Path.IsPathFullyQualified(OutputDirectory))
        {
            yield return $"output directory '{OutputDirectory}': must be an absolute path";
        }

        if (OutputLimit < 4096)
        {
            yield return $"output limit {OutputLimit}: must be at least 4096 bytes";
        }

        if (MountBase is not null && !Path.IsPathFullyQualified(MountBase))
        {
            yield return $"mount base '{MountBase}': must be an absolute path";
        }

        if (Network is not null && NetworkRules.IsForbidden(Network))
        {
            yield return $"network '{Network}': must not be host, none or container:…";
        }

        if (PidsLimit < 1)
        {
            yield return $"pids limit {PidsLimit}: must be at least 1";
        }

        if (CallTimeout <= TimeSpan.Zero || StartTimeout <= TimeSpan.Zero || PullIdleTimeout <= TimeSpan.Zero || OutputTimeout <= TimeSpan.Zero || ResyncEvery <= TimeSpan.Zero)
        {
            yield return "docker time-outs: must be positive";
        }
    }
}
