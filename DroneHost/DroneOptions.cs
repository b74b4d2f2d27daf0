using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using Plane.Hosting.Configuration;

namespace Plane.DroneHost;

/// <summary>How a drone runs. Checked at start: a bad value names itself and the program ends with exit code 2.</summary>
public sealed class DroneOptions
{
    /// <summary>As <see cref="PortRange"/>: draw the ports.</summary>
    public const string AutoPorts = "auto";

    internal const string OwnGuard = "own";
    internal const string ExternalGuard = "external";

    private string? _unreadableRange;

    /// <summary>The cluster that it serves, as <c>example.com</c> or <c>localhost:9090</c>. Must be given.</summary>
    [Required]
    [Description("the cluster that it serves, as example.com")]
    public string Cluster { get; set; } = "";

    /// <summary>Its name, as <c>dr-one</c>. Default: the one in the state file, or a random one that is kept there.</summary>
    [Description("its name, as dr-one; by default the state file's, or a random one")]
    public string? Name { get; set; }

    /// <summary>Its pool: spawns that name a pool run only there. Default: the empty one.</summary>
    [Description("its pool")]
    public string Pool { get; set; } = "";

    /// <summary>The address that backends answer on, reachable for proxies. Default 127.0.0.1. Never a wildcard: ports are published on this one alone.</summary>
    [Description("the address that backends answer on")]
    public string Ip { get; set; } = "127.0.0.1";

    /// <summary>The state file. Default <c>.plane/drone.db</c>. One agent per file.</summary>
    [DisplayName("State")]
    [Description("the state file")]
    public string StateFile { get; set; } = Path.Combine(".plane", "drone.db");

    /// <summary>
    /// The directory in memory (tmpfs) that agent and guard share: leases, and marks of what was ended. One drone per directory. Default: <c>/run/plane/NAME</c>, for a user
    /// that may not write there <c>/run/user/UID/plane/NAME</c> or <c>/dev/shm/plane-UID/NAME</c>, and without any of these, <c>guard</c> beside the state file.
    /// </summary>
    [Description("the directory in memory that agent and guard share; by default /run/plane/NAME")]
    public string? RunDir { get; set; }

    /// <summary>Where the processes' pid, exit and output files are. Default: <c>run</c> beside the state file.</summary>
    [Description("where processes' files are; by default run beside the state file")]
    public string? ProcessDir { get; set; }

    /// <summary>
    /// Who starts the guard, which ends backends when this agent is dead or stopped: <c>own</c>, the agent, where the run directory has none yet; or
    /// <c>external</c>, a service of its own (<c>plane guard</c>). Without a guard no actions are taken. Default <c>own</c>.
    /// </summary>
    [Description("who starts the guard: own (the agent) or external (a service of its own)")]
    public string Guard { get; set; } = OwnGuard;

    /// <summary>The program that <c>plane guard</c> is, with its first arguments. Set by the command line; a host without one has no guard of its own.</summary>
    public IReadOnlyList<string>? GuardProgram { get; set; }

    /// <summary>
    /// <c>docker</c>, <c>process</c>, both with a comma, or <c>auto</c>: processes, and Docker where its engine answers when the drone starts. Default
    /// <c>docker</c>: processes are isolated from nothing, so they run only where the operator says so.
    /// </summary>
    [Description("what runs backends: docker, process (isolated from nothing), docker,process, or auto (processes, and Docker if its engine answers at the start)")]
    public string Runtime { get; set; } = "docker";

    /// <summary>The Docker engine's address. Default: <c>unix:///var/run/docker.sock</c>. The command line reads the variable <c>DOCKER_HOST</c> too.</summary>
    [Description("the Docker engine's address; DOCKER_HOST is read too")]
    public string DockerHost { get; set; } = "unix:///var/run/docker.sock";

    /// <summary>The OCI runtime for containers, as <c>runsc</c>. Default: the engine's own.</summary>
    [Description("the OCI runtime for containers, as runsc")]
    public string? OciRuntime { get; set; }

    /// <summary>The directory under which backends' mounts lie. Without one, a spawn with a mount fails.</summary>
    [Description("the directory under which backends' mounts lie")]
    public string? MountBase { get; set; }

    /// <summary>The most backends that it is given at a time, 1 to 100,000, and never more than it has ports. Default 1,000.</summary>
    [Description("the most backends at a time; never more than it has ports")]
    public int MaxBackends { get; set; } = 1_000;

    /// <summary>The CPUs that its backends may reserve, before <see cref="CpuOvercommit"/>. Default: those of the machine, or of the Docker engine's.</summary>
    [Description("the CPUs that backends may reserve, as 3.5; by default the machine's, or the Docker engine's")]
    public double? Cpus { get; set; }

    /// <summary>The memory that its backends may reserve, before <see cref="MemoryOvercommit"/>. Default: that of the machine, or of the Docker engine's.</summary>
    [Description("the memory that backends may reserve, as 14GiB; by default the machine's, or the Docker engine's")]
    public ByteSize? Memory { get; set; }

    /// <summary>The disk that its backends may reserve. Default: the size of the file system that the state file is in.</summary>
    [Description("the disk that backends may reserve, as 200GiB; by default the size of the file system with the state file")]
    public ByteSize? Disk { get; set; }

    /// <summary>The GPUs that its backends may reserve. Default: NVIDIA's of this machine, where the Docker engine has their runtime.</summary>
    [Description("the GPUs that backends may reserve; by default NVIDIA's of this machine, if the Docker engine has their runtime")]
    public int? Gpus { get; set; }

    /// <summary>How many times its CPUs may be reserved, 0.01 to 100: backends seldom use all that they reserve at once. Default 1.</summary>
    [Description("how many times the CPUs may be reserved")]
    public double CpuOvercommit { get; set; } = 1;

    /// <summary>How many times its memory may be reserved, 0.01 to 100. Above 1 the kernel ends backends when memory runs short. Default 1.</summary>
    [Description("how many times the memory may be reserved; above 1, the kernel kills backends where memory is short")]
    public double MemoryOvercommit { get; set; } = 1;

    /// <summary>
    /// The ports of its backends as one text: <c>20000-29999</c> (<see cref="PortFrom"/> and <see cref="PortTo"/>) or <c>auto</c> (<see cref="DrawPorts"/>).
    /// </summary>
    [Description("the ports of its backends, as 20000-29999; auto draws 1,000 that no other drone that draws its ports uses on this machine")]
    public string PortRange
    {
        get => _unreadableRange ?? (DrawPorts ? AutoPorts : string.Create(CultureInfo.InvariantCulture, $"{PortFrom}-{PortTo}"));
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            DrawPorts = value == AutoPorts;
            _unreadableRange = DrawPorts ? null : value;
            if (value.Split('-') is [var first, var last]
                && ushort.TryParse(first, NumberStyles.None, CultureInfo.InvariantCulture, out var from)
                && ushort.TryParse(last, NumberStyles.None, CultureInfo.InvariantCulture, out var to))
            {
                (PortFrom, PortTo, _unreadableRange) = (from, to, null);
            }
        }
    }

    /// <summary>The first port of its backends. Default 20,000: below the ephemeral range, so that no outgoing connection takes one.</summary>
    public int PortFrom { get; set; } = 20_000;

    /// <summary>The last port of its backends. Default 29,999.</summary>
    public int PortTo { get; set; } = 29_999;

    /// <summary>
    /// Draw a block of 1,000 ports that no other drone which draws one uses on this machine, instead of <see cref="PortFrom"/> and <see cref="PortTo"/>, which are then set. For
    /// installations beside others, without planned ports. Default false.
    /// </summary>
    public bool DrawPorts { get; set; }

    /// <summary>
    /// How long a port rests after its backend is gone. Default 10 min: longer than any proxy may remember an address. Shorter lets a small range serve more.
    /// </summary>
    [Description("how long a port rests after its backend")]
    public TimeSpan PortRest { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>The output of an ended backend, which is kept beside the state file, is removed after this. Default 1 h.</summary>
    [Description("how long what an ended backend left is kept")]
    public TimeSpan PruneAge { get; set; } = TimeSpan.FromHours(1);

    /// <summary>How often to prune. Default 5 min.</summary>
    [Description("how often to prune")]
    public TimeSpan PruneEvery { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// Whether to remove dangling images too, those that no name and no container uses and that are older than <see cref="PruneAge"/>: of the whole engine, also those
    /// that other programs pulled. Default false.
    /// </summary>
    [Description("also remove dangling images of the Docker engine")]
    public bool PruneImages { get; set; }

    /// <summary>How often the usage of backends is read. Default 10 s.</summary>
    [Description("how often usage is read")]
    public TimeSpan UsageEvery { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How often a runtime is asked whether it answers; every sixth time with a listing, beside its own events. Default 5 s.</summary>
    [Description("how often the runtime is checked")]
    public TimeSpan CheckEvery { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>A backend that has not answered HTTP so long after it was started ends with <c>startuptimeout</c>. Default 300 s.</summary>
    [Description("how long a backend may take to answer")]
    public TimeSpan StartupLimit { get; set; } = TimeSpan.FromSeconds(300);

    /// <summary>When a backend has not answered for this long after its start, its message and the log say where it must listen; again when what is seen has changed.</summary>
    internal TimeSpan ListenHintAfter { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// How long a backend waits, before it runs, for a runtime that doesn't answer; then it ends with <c>internalerror</c>. Counted anew after each answer. Default 60 s.
    /// </summary>
    [Description("how long a start waits for the runtime")]
    public TimeSpan RuntimeAwayLimit { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>How long to try to register under a name that another instance uses, before giving up with exit code 2. Default 30 s.</summary>
    [Description("how long to try for a name in use")]
    public TimeSpan NameInUseLimit { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// End all backends when the drone's program stops. Default false: backends outlive the agent, and the next start continues with them. For programs that are
    /// demonstrations or tests.
    /// </summary>
    [Description("end all backends when the program stops")]
    public bool EndBackendsOnStop { get; set; }

    /// <summary>With <see cref="EndBackendsOnStop"/>: how long backends get from the stop signal to the kill, at most. Default 5 s.</summary>
    [Description("the grace of backends that end with the program")]
    public TimeSpan StopGrace { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>With <see cref="EndBackendsOnStop"/>: how long the ends may take beyond <see cref="StopGrace"/>; what has not ended then is left to the guard and the next start.</summary>
    internal TimeSpan EndLimit { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>With <see cref="EndBackendsOnStop"/>: whether the output of ended backends goes with the program too, whatever its age.</summary>
    [Description("with --end-backends-on-stop: also remove what ended backends left")]
    public bool PruneOnStop { get; set; }

    /// <summary>The port that serves <c>/metrics</c> as Prometheus text; 0 takes a free one. Default none.</summary>
    [Description("a port of its own for /metrics, without authentication")]
    public int? MetricsPort { get; set; }

    /// <summary>The address of that port. Default <c>127.0.0.1</c>.</summary>
    [Description("the address of --metrics-port")]
    public string MetricsHost { get; set; } = "127.0.0.1";

    /// <summary>How many backends it is given: each needs a port, and one that found none would only be started and fail.</summary>
    internal int Places => Math.Min(MaxBackends, PortTo - PortFrom + 1);

    /// <summary>Where the processes' files are, as an absolute path.</summary>
    internal string ProcessDirectory => Path.GetFullPath(ProcessDir ?? Path.Combine(Path.GetDirectoryName(Path.GetFullPath(StateFile)) ?? "/", "run"));

    /// <summary>Where the output of ended containers is kept, as an absolute path.</summary>
    internal string ContainerDirectory => Path.Combine(Path.GetDirectoryName(Path.GetFullPath(StateFile)) ?? "/", "containers");

    /// <summary>Whether <see cref="PortRange"/> was set to something else than ports.</summary>
    internal bool HasUnreadableRange => _unreadableRange is not null;

    /// <summary>The kinds named by <see cref="Runtime"/>; empty for <c>auto</c>, null where it is invalid.</summary>
    internal ExecutorKind[]? ParseRuntime() => Runtime switch
    {
        "auto" => [],
        "docker" => [ExecutorKind.Docker],
        "process" => [ExecutorKind.Process],
        "docker,process" or "process,docker" => [ExecutorKind.Docker, ExecutorKind.Process],
        _ => null,
    };
}
