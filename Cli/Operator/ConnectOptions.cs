using Plane.Hosting.Configuration;


namespace Plane.Cli.Operator;

/// <summary>What <c>plane connect</c> was asked for.</summary>
internal sealed record ConnectOptions
{
    public string? Key { get; init; }

    public string? Namespace { get; init; }

    public string? Tag { get; init; }

    public ServiceName? Service { get; init; }

    public string? Image { get; init; }

    public string[]? Command { get; init; }

    public string? WorkingDirectory { get; init; }

    public string? Cluster { get; init; }

    public string? Pool { get; init; }

    public Dictionary<string, string>? Env { get; init; }

    public int? MaxIdleSeconds { get; init; }

    public int? LifetimeSeconds { get; init; }

    public int? StopGraceSeconds { get; init; }

    public string? User { get; init; }

    public JsonText? Auth { get; init; }

    public bool UseStaticToken { get; init; }

    public string? Subdomain { get; init; }

    public bool Browser { get; init; }

    public bool Embed { get; init; }

    public BackendProtocol? Protocol { get; init; }

    public string[]? AllowedOrigins { get; init; }

    public MountRequest? Mount { get; init; }

    public ResourceRequests? Requests { get; init; }

    public BackendName? Id { get; init; }

    public string? RequestId { get; init; }

    public int? WaitSeconds { get; init; }

    public bool Immediate { get; init; }

    /// <summary>The flags that were given and say how a backend is started.</summary>
    public string[] GivenForStart { get; init; } = [];

    /// <summary>Whether it was said how long to wait for a start.</summary>
    public bool WaitIsGiven { get; init; }

    private bool Spawns => Image is not null || Command is not null;

    /// <summary>Refuses what the controller would not see: flags that contradict each other.</summary>
    /// <exception cref="UsageException">They do.</exception>
    public void Validate()
    {
        if (Key is null && (Namespace is not null || Tag is not null))
        {
            throw new UsageException("--namespace and --tag need --key");
        }

        if (Service is not null && (Spawns || GivenForStart.Length > 0))
        {
            throw new UsageException($"{string.Join(", ", Spawns ? ["--image and --command"] : GivenForStart)}: cannot be combined with --service, which defines how to start a backend");
        }

        if (!Spawns && Key is null && Service is null)
        {
            throw new UsageException("give --key to connect to, --image, --command or --service to start, or both");
        }

        // If they were ignored, the user would believe that the backend is as they say.
        string[] idle = Service is not null || !WaitIsGiven ? GivenForStart : [.. GivenForStart, "--wait-seconds"];
        if (!Spawns && idle.Length > 0)
        {
            throw new UsageException($"{string.Join(", ", idle)}: needs --image or --command, which say what to start");
        }
    }

    public ConnectRequest ToRequest() => new()
    {
        WaitSeconds = WaitSeconds,
        Key = Key is null ? null : new KeyConfig { Name = Key, Namespace = Namespace ?? "", Tag = Tag ?? "" },
        User = User,
        Auth = Auth,
        RequestId = RequestId,
        Service = Service,
        SpawnConfig = !Spawns ? null : new SpawnConfig
        {
            Id = Id,
            Cluster = Cluster,
            Pool = Pool ?? "",
            LifetimeLimitSeconds = LifetimeSeconds,
            MaxIdleSeconds = MaxIdleSeconds,
            UseStaticToken = UseStaticToken,
            Subdomain = Subdomain,
            Browser = Browser,
            Embed = Embed,
            Protocol = Protocol,
            AllowedOrigins = AllowedOrigins,
            Executable = new Executable
            {
                Image = Image,
                Command = Command,
                WorkingDirectory = WorkingDirectory,
                Env = Env,
                StopGraceSeconds = StopGraceSeconds,
                Mount = Mount,
                ResourceRequests = Requests,
            },
        },
    };
}
