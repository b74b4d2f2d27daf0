using Plane.Hosting.Configuration;

namespace Plane.Cli.Operator;

/// <summary>What <c>plane connect</c> was asked for.</summary>
internal sealed record ConnectOptions
{
    public string? Key { get; init; }

    public string? Namespace { get; init; }

    public string? Tag { get; init; }

    public ServiceName? Service { get; init; }

    /// <summary>What to start; null where no flag says what to run.</summary>
    public SpawnConfig? Spawn { get; init; }

    public string? User { get; init; }

    public JsonText? Auth { get; init; }

    public string? RequestId { get; init; }

    public int? WaitSeconds { get; init; }

    public bool Immediate { get; init; }

    /// <summary>The flags that were given and say how a backend is started.</summary>
    public string[] GivenForStart { get; init; } = [];

    /// <summary>Whether it was said how long to wait for a start.</summary>
    public bool WaitIsGiven { get; init; }

    /// <summary>Refuses what the controller would not see: flags that contradict each other.</summary>
    /// <exception cref="UsageException">They do.</exception>
    public void Validate()
    {
        if (Key is null && (Namespace is not null || Tag is not null))
        {
            throw new UsageException("--namespace and --tag need --key");
        }

        if (Service is not null && (Spawn is not null || GivenForStart.Length > 0))
        {
            throw new UsageException($"{string.Join(", ", Spawn is not null ? ["--image and --command"] : GivenForStart)}: cannot be combined with --service, which defines how to start a backend");
        }

        if (Spawn is null && Key is null && Service is null)
        {
            throw new UsageException("give --key to connect to, --image, --command or --service to start, or both");
        }

        // If they were ignored, the user would believe that the backend is as they say.
        string[] idle = Service is not null || !WaitIsGiven ? GivenForStart : [.. GivenForStart, "--wait-seconds"];
        if (Spawn is null && idle.Length > 0)
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
        SpawnConfig = Spawn,
    };
}
