using System.CommandLine;
using Plane.Hosting.Configuration;

namespace Plane.Cli.Operator;

/// <summary>The flags that say how a backend is started, of <c>plane connect</c> and <c>plane service set</c>.</summary>
internal sealed class SpawnFlags
{
    public Option<string?> Image { get; } = new("--image") { Description = "Run this image.", HelpName = "REFERENCE" };

    public Option<string[]?> Command { get; } = new("--command")
    {
        Description = "The command, as shell words or a JSON array; without --image a process on the drone.",
        HelpName = "COMMAND",
        CustomParser = CommandValues.CommandLine,
    };

    public Option<string?> WorkingDirectory { get; } = new("--working-directory") { Description = "Where a process starts.", HelpName = "DIR" };

    public Option<string?> Cluster { get; } = new("--cluster") { Description = "The cluster; the controller's default where not given.", HelpName = "NAME" };

    public Option<string?> Pool { get; } = new("--pool") { Description = "Only drones of this pool.", HelpName = "NAME" };

    public Option<Dictionary<string, string>?> Env { get; } = new("--env")
    {
        Description = "An environment variable; may be repeated.",
        HelpName = "K=V",
        Arity = ArgumentArity.OneOrMore,
        CustomParser = CommandValues.Environment,
    };

    public Option<int?> Idle { get; } = Seconds("--max-idle-seconds", "End it after so long without a connection.");

    public Option<int?> Lifetime { get; } = Seconds("--lifetime-seconds", "End it after so long in any case.");

    public Option<int?> Grace { get; } = Seconds("--stop-grace-seconds", "From its stop signal to its kill, 0 to 600.");

    public Option<bool> Embed { get; } = new("--embed") { Description = "Let pages of other sites show it in a frame." };

    public Option<BackendProtocol?> Protocol { get; } = new("--protocol")
    {
        Description = "What it speaks: http1 or h2c (gRPC).",
        HelpName = "PROTOCOL",
        CustomParser = CommandValues.Protocol,
    };

    public Option<string[]?> Origins { get; } = new("--allow-origin")
    {
        Description = "An origin whose pages may use it with credentials, as https://app.example.com; may be repeated.",
        HelpName = "ORIGIN",
        Arity = ArgumentArity.OneOrMore,
    };

    public Option<double?> Cpus { get; } = new("--request-cpus")
    {
        Description = "Reserve so many CPUs for it on its drone, as 0.5.",
        HelpName = "CPUS",
        CustomParser = CommandValues.Cpus,
    };

    public Option<ByteSize?> Memory { get; } = Bytes("--request-memory", "Reserve so much memory for it on its drone, as 512MiB.");

    public Option<ByteSize?> Disk { get; } = Bytes("--request-disk", "Reserve so much disk for it on its drone, as 10GiB.");

    public Option<string?> Mount { get; } = new("--mount")
    {
        Description = "Mount a directory at /plane-data: the key's own, or this relative path.",
        HelpName = "PATH",
        Arity = ArgumentArity.ZeroOrOne,
    };

    /// <summary>What says what to run.</summary>
    public Option[] OfProgram => [Image, Command];

    /// <summary>The rest.</summary>
    public Option[] OfStart => [WorkingDirectory, Cluster, Pool, Env, Cpus, Memory, Disk, Idle, Lifetime, Grace, Embed, Protocol, Origins, Mount];

    // An option of an array that isn't given reads as an empty one.
    private string[]? CommandOf(ParseResult parsed) => parsed.GetValue(Command) is { Length: > 0 } words ? words : null;

    /// <summary>The spawn config that they say; null where neither image nor command is given.</summary>
    public SpawnConfig? Bind(ParseResult parsed) => parsed.GetValue(Image) is null && CommandOf(parsed) is null ? null : new SpawnConfig
    {
        Cluster = parsed.GetValue(Cluster),
        Pool = parsed.GetValue(Pool) ?? "",
        LifetimeLimitSeconds = parsed.GetValue(Lifetime),
        MaxIdleSeconds = parsed.GetValue(Idle),
        Embed = parsed.GetValue(Embed),
        Protocol = parsed.GetValue(Protocol),
        AllowedOrigins = parsed.GetValue(Origins) is { Length: > 0 } origins ? origins : null,
        Executable = new Executable
        {
            Image = parsed.GetValue(Image),
            Command = CommandOf(parsed),
            WorkingDirectory = parsed.GetValue(WorkingDirectory),
            Env = parsed.GetValue(Env),
            StopGraceSeconds = parsed.GetValue(Grace),
            Mount = MountOf(parsed),
            ResourceRequests = RequestsOf(parsed),
        },
    };

    private MountRequest? MountOf(ParseResult parsed) => parsed.GetResult(Mount) is { Implicit: false } ? new MountRequest(parsed.GetValue(Mount)) : null;

    private ResourceRequests? RequestsOf(ParseResult parsed)
    {
        var requests = new ResourceRequests
        {
            CpuMillis = parsed.GetValue(Cpus) is { } cpus ? (long)Math.Round(cpus * 1000) : null,
            MemoryBytes = parsed.GetValue(Memory)?.Bytes,
            DiskBytes = parsed.GetValue(Disk)?.Bytes,
        };
        return requests == new ResourceRequests() ? null : requests;
    }

    private static Option<ByteSize?> Bytes(string name, string description) =>
        new(name) { Description = description, HelpName = "SIZE", CustomParser = CommandValues.Bytes };

    /// <summary>A number of seconds.</summary>
    public static Option<int?> Seconds(string name, string description) =>
        new(name) { Description = description, HelpName = "SECONDS", CustomParser = CommandValues.WholeNumber };
}
