namespace Plane.DroneHost.Runtimes.Process;

/// <summary>How a drone runs plain processes.</summary>
public sealed class ProcessRuntimeOptions
{
    /// <summary>Where the backends' files are; this instance's in a directory of its own below it. It must survive a restart of the agent.</summary>
    public string Directory { get; set; } = "";

    /// <summary>The drone's instance id.</summary>
    public string InstanceId { get; set; } = "";

    /// <summary>Where processes of earlier instances of the drone are found, whose state is lost: what still runs there is not supervised by any agent.</summary>
    public IReadOnlyList<string> EarlierPlaces { get; set; } = [];

    /// <summary>Where the guard marks what it ends, as files <c>&lt;backend&gt;.&lt;token&gt;</c>; null without a guard.</summary>
    public string? EndedDirectory { get; set; }

    /// <summary>What backends find as <c>PATH</c>, where they bring none.</summary>
    public string Path { get; set; } = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    /// <summary>What they find as <c>LANG</c>, where they bring none.</summary>
    public string Lang { get; set; } = "C.UTF-8";

    /// <summary>Bytes of output kept of a running backend: above it the newer half is moved aside and a new file begins.</summary>
    public long OutputLimit { get; set; } = 10 * 1024 * 1024;

    /// <summary>How often exits and the size of outputs are looked at. Between two looks a flood is not bounded.</summary>
    public TimeSpan LookEvery { get; set; } = TimeSpan.FromMilliseconds(250);

    /// <summary>How long a launcher may take to report.</summary>
    public TimeSpan StartTimeout { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>How long killing may take before it counts as failed and is left to be tried again.</summary>
    public TimeSpan KillTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Whether to put backends into cgroups, where the system lets us.</summary>
    public bool UseCgroups { get; set; } = true;

    /// <summary>What is wrong with these options.</summary>
    public IEnumerable<string> Problems()
    {
        if (!System.IO.Path.IsPathFullyQualified(Directory))
        {
            yield return $"process directory '{Directory}': must be an absolute path";
        }

        if (InstanceId is "" or "." or ".." || InstanceId.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_' or '.')))
        {
            yield return $"instance id '{InstanceId}': must be letters, digits, -, _ and .";
        }

        if (OutputLimit < 4096)
        {
            yield return $"output limit {OutputLimit}: must be at least 4096 bytes";
        }

        if (LookEvery <= TimeSpan.Zero || LookEvery > TimeSpan.FromSeconds(1) || StartTimeout <= TimeSpan.Zero || KillTimeout <= TimeSpan.Zero)
        {
            yield return "process time-outs: must be positive, and exits looked for every second at least";
        }
    }
}
