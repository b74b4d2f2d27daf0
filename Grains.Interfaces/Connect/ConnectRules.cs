using System.Globalization;
using System.Text;

namespace Plane;

/// <summary>What a connect request must fulfil. The one place where it is checked.</summary>
public static class ConnectRules
{
    /// <summary>The longest <c>auth</c>, serialised: it becomes a request header.</summary>
    public const int MaxAuthBytes = 8 * 1024;

    /// <summary>The longest <c>wait_seconds</c>: what callers and the proxies between commonly wait for a response.</summary>
    public const int MaxWaitSeconds = 20;

    /// <summary>The most that the texts of an executable have in all, in UTF-8: it travels to its drone in one message, among others.</summary>
    public const int MaxExecutableBytes = 1024 * 1024;

    /// <summary>The most origins that a spawn config allows.</summary>
    public const int MaxOrigins = 16;

    private const int MaxSecret = 256;
    private const int MaxCommand = 256;
    private const int MaxEnv = 512;
    private const int MaxValue = 32 * 1024;

    /// <summary>The first thing that is wrong with the request, or <see langword="null"/>.</summary>
    /// <param name="request">The request.</param>
    public static FieldError? Validate(ConnectRequest request)
    {
        if (request.Key is null && request.SpawnConfig is null && request.Service is null)
        {
            return new FieldError("key", "is missing: give key, spawn_config or service");
        }

        if (request is { Service: not null, SpawnConfig: not null })
        {
            return new FieldError("service", "cannot be combined with spawn_config: the service has one");
        }

        return FieldError.From("service", NameRules.NameProblem(request.Service))
            ?? KeyProblem(request)
            ?? (request.User is null ? null : FieldError.From("user", NameRules.TextProblem(request.User, 0)))
            ?? FieldError.From("auth", AuthProblem(request.Auth))
            ?? (request.RequestId is null ? null : FieldError.From("request_id", NameRules.TextProblem(request.RequestId, 1)))
            ?? FieldError.From("wait_seconds", RangeProblem(request.WaitSeconds, 0, MaxWaitSeconds))
            ?? (request.SpawnConfig is { } spawn ? Validate(spawn, request) : null);
    }

    /// <summary>
    /// The first thing that is wrong with a command, or <see langword="null"/>: its request by the same rules, and what was drawn for it. Applications that are cluster clients
    /// send commands of their own making.
    /// </summary>
    /// <param name="command">The command.</param>
    public static FieldError? Validate(ConnectCommand? command) => command switch
    {
        null => new FieldError("command", "must be given"),
        { Request: null } => new FieldError("request", "must be given"),
        { Drawn: null } => new FieldError("drawn", "must be given"),
        _ => Validate(command.Request) ?? FieldError.From("cluster", NameRules.NameProblem(command.Cluster)) ?? Validate(command.Drawn, command.Request),
    };

    /// <summary>What is wrong with the secret of a connection, or <see langword="null"/>.</summary>
    /// <param name="secret">The secret.</param>
    public static FieldError? ValidateSecret(string? secret) =>
        secret is { Length: > 0 and <= MaxSecret } && secret.All(static c => c is > ' ' and <= '~')
            ? null
            : new FieldError("secret_token", string.Create(CultureInfo.InvariantCulture, $"must have 1 to {MaxSecret} printable ASCII characters without spaces"));

    /// <summary>What is wrong with a spawn config itself, or <see langword="null"/>: not with what goes with it in a request.</summary>
    /// <param name="spawn">The spawn config.</param>
    /// <param name="at">Its path in the request.</param>
    internal static FieldError? Validate(SpawnConfig spawn, string at) =>
        spawn.Executable is null ? new FieldError($"{at}.executable", "must be given")
        : FieldError.From($"{at}.id", NameRules.NameProblem(spawn.Id))
            ?? FieldError.From($"{at}.pool", NameRules.TextProblem(spawn.Pool, 0))
            ?? FieldError.From($"{at}.lifetime_limit_seconds", RangeProblem(spawn.LifetimeLimitSeconds, 1, int.MaxValue))
            ?? FieldError.From($"{at}.max_idle_seconds", RangeProblem(spawn.MaxIdleSeconds, 1, int.MaxValue))
            ?? FieldError.From($"{at}.protocol", NameRules.EnumProblem(spawn.Protocol))
            ?? FieldError.From($"{at}.allowed_origins", OriginsProblem(spawn.AllowedOrigins))
            ?? Validate(spawn.Executable, $"{at}.executable");

    private static FieldError? KeyProblem(ConnectRequest request) => request switch
    {
        { Key: null } => null,
        { Key: { } key, Service: { } service } => ServiceKeys.Validate(service, key, "key"),
        { Key: { } key } when ServiceKeys.IsReserved(key.Namespace) => new FieldError("key.namespace", $"must not begin with {ServiceKeys.Reserved}"),
        { Key: { } key } => key.Validate("key"),
    };

    private static FieldError? Validate(DrawnValues drawn, ConnectRequest request) =>
        drawn.Key is null == request.Key is null ? new FieldError("drawn.key", "must be given where the request has no key, and only then")
        : KeyProblem(request with { Key = request.Key ?? drawn.Key })
            ?? FieldError.From("drawn.backend_id", NameRules.NameProblem(drawn.BackendId))
            ?? (drawn.Token == default || drawn.Token.IsStatic ? new FieldError("drawn.token", "must be a random token of one connection") : null)
            ?? ValidateSecret(drawn.SecretToken)
            ?? StaticTokenProblem(drawn.StaticToken, request.SpawnConfig?.UseStaticToken == true)
            ?? (request.SpawnConfig is not { Browser: true, Subdomain: null } || NameRules.IsDnsLabel(drawn.Subdomain ?? "")
                ? null
                : new FieldError("drawn.subdomain", "must be given with browser"));

    private static FieldError? StaticTokenProblem(BearerToken? token, bool isUsed) =>
        token is { } given && (given == default || !given.IsStatic) ? new FieldError("drawn.static_token", "must be a static token")
        : token is not null != isUsed ? new FieldError("drawn.static_token", "must be given with use_static_token, and only then")
        : null;

    private static string? AuthProblem(JsonText? auth) => auth switch
    {
        null => null,
        { } given when given == default => "must be JSON",
        { Text: "null" } => null,
        { Text: var text } when text[0] != '{' => "must be an object",
        { Text.Length: > MaxAuthBytes } => string.Create(CultureInfo.InvariantCulture, $"must have at most {MaxAuthBytes} bytes"),
        _ => null,
    };

    private static FieldError? Validate(SpawnConfig spawn, ConnectRequest request)
    {
        const string At = "spawn_config";
        if (spawn.UseStaticToken && (request.User is not null || request.Auth is { Text: not "null" }))
        {
            return new FieldError($"{At}.use_static_token", "cannot be combined with user or auth: all share the token");
        }

        if (spawn.Subdomain is { } subdomain && !NameRules.IsDnsLabel(subdomain))
        {
            return new FieldError($"{At}.subdomain", "must be 1 to 63 letters, digits and inner hyphens");
        }

        if (spawn is { Browser: true, UseStaticToken: true })
        {
            return new FieldError($"{At}.browser", "cannot be combined with use_static_token: that token stays in the path");
        }

        if (spawn is { Embed: true, Browser: false, Subdomain: null })
        {
            return new FieldError($"{At}.embed", "needs browser, or a subdomain");
        }

        return Validate(spawn, At);
    }

    private static string? OriginsProblem(string[]? origins) =>
        origins is null ? null
        : origins.Length > MaxOrigins ? string.Create(CultureInfo.InvariantCulture, $"must have at most {MaxOrigins} origins")
        : origins.Select(NameRules.OriginProblem).FirstOrDefault(p => p is not null);

    private static FieldError? Validate(Executable executable, string at)
    {
        if (executable.Image is null && executable.Command is null)
        {
            return new FieldError(at, "must have an image or a command");
        }

        return FieldError.From($"{at}.image", executable.Image is { } image ? ImageRules.Problem(image) : null)
            ?? FieldError.From($"{at}.command", CommandProblem(executable.Command))
            ?? FieldError.From($"{at}.env", EnvProblem(executable.Env))
            ?? FieldError.From($"{at}.working_directory", ValueProblem(executable.WorkingDirectory, 4096))
            ?? FieldError.From($"{at}.stop_grace_seconds", RangeProblem(executable.StopGraceSeconds, 0, 600))
            ?? FieldError.From($"{at}.gpus", executable.Gpus == -1 ? null : RangeProblem(executable.Gpus, 1, 64))
            ?? FieldError.From($"{at}.network_name", NetworkProblem(executable.NetworkName))
            ?? FieldError.From($"{at}.mount", MountProblem(executable.Mount))
            ?? FieldError.From($"{at}.pull_policy", NameRules.EnumProblem(executable.PullPolicy))
            ?? (executable.Credentials is { Username: null } or { Password: null } ? new FieldError($"{at}.credentials", "must have a username and a password") : null)
            ?? FieldError.From($"{at}.credentials.username", ValueProblem(executable.Credentials?.Username, 1024))
            ?? FieldError.From($"{at}.credentials.password", ValueProblem(executable.Credentials?.Password, MaxValue))
            ?? (executable.ResourceLimits is { } limits ? Validate(limits, $"{at}.resource_limits") : null)
            ?? (executable.ResourceRequests is { } requests ? Validate(requests, executable.ResourceLimits, $"{at}.resource_requests") : null)
            ?? (executable.Kind == ExecutorKind.Process ? ProcessOnly(executable, at) : executable.WorkingDirectory is null
                ? null
                : new FieldError($"{at}.working_directory", "is for process executables only"))
            ?? FieldError.From(at, SizeProblem(executable));
    }

    private static string? SizeProblem(Executable executable)
    {
        var size = Size(executable.Image) + Size(executable.WorkingDirectory) + Size(executable.NetworkName) + Size(executable.Mount?.Path)
            + Size(executable.Credentials?.Username) + Size(executable.Credentials?.Password)
            + (executable.Command?.Sum(Size) ?? 0)
            + (executable.Env?.Sum(e => Size(e.Key) + Size(e.Value)) ?? 0);
        return size > MaxExecutableBytes
            ? string.Create(CultureInfo.InvariantCulture, $"must have at most {MaxExecutableBytes} bytes in all")
            : null;

        static int Size(string? text) => text is null ? 0 : Encoding.UTF8.GetByteCount(text);
    }

    private static FieldError? ProcessOnly(Executable executable, string at) =>
        executable.ResourceLimits is not null ? new FieldError($"{at}.resource_limits", "needs an image: processes are not limited")
        : executable.NetworkName is not null ? new FieldError($"{at}.network_name", "needs an image")
        : executable.Gpus is not null ? new FieldError($"{at}.gpus", "needs an image")
        : executable.Credentials is not null ? new FieldError($"{at}.credentials", "needs an image")
        : executable.PullPolicy is not null ? new FieldError($"{at}.pull_policy", "needs an image")
        : executable.Mount is not null ? new FieldError($"{at}.mount", "needs an image")
        : null;

    private static FieldError? Validate(ResourceLimits limits, string at) =>
        FieldError.From($"{at}.cpu_period", RangeProblem(limits.CpuPeriod, 1_000, 1_000_000))
        ?? FieldError.From($"{at}.cpu_period_percent", RangeProblem(limits.CpuPeriodPercent, 1, 100_000))
        ?? FieldError.From($"{at}.cpu_time_limit", RangeProblem(limits.CpuTimeLimit, 1, int.MaxValue))
        ?? FieldError.From($"{at}.memory_limit_bytes", RangeProblem(limits.MemoryLimitBytes, 1, long.MaxValue))
        ?? FieldError.From($"{at}.disk_limit_bytes", RangeProblem(limits.DiskLimitBytes, 1, long.MaxValue));

    private static FieldError? Validate(ResourceRequests requests, ResourceLimits? limits, string at) =>
        FieldError.From($"{at}.cpu_millis", RequestProblem(requests.CpuMillis, ResourceRequests.MostCpuMillis, limits?.CpuMillis, "10 times resource_limits.cpu_period_percent"))
        ?? FieldError.From(
            $"{at}.memory_bytes", RequestProblem(requests.MemoryBytes, ResourceAmounts.Most, limits?.MemoryLimitBytes, "resource_limits.memory_limit_bytes"))
        ?? FieldError.From($"{at}.disk_bytes", RequestProblem(requests.DiskBytes, ResourceAmounts.Most, limits?.DiskLimitBytes, "resource_limits.disk_limit_bytes"));

    private static string? RequestProblem(long? value, long most, long? limit, string limitName) =>
        RangeProblem(value, 0, most) ?? (value > limit ? $"must not be more than {limitName}" : null);

    private static string? RangeProblem(long? value, long least, long most) =>
        value is null || (value >= least && value <= most)
            ? null
            : string.Create(CultureInfo.InvariantCulture, $"must be from {least} to {most}");

    private static string? CommandProblem(string[]? command) =>
        command is null ? null
        : command.Length == 0 ? "must not be empty"
        : command.Length > MaxCommand ? string.Create(CultureInfo.InvariantCulture, $"must have at most {MaxCommand} arguments")
        : command.Any(a => a is null) ? "must be strings"
        : command[0].Length == 0 ? "must name a program"
        : command.Select(a => ValueProblem(a, MaxValue)).FirstOrDefault(p => p is not null);

    private static string? EnvProblem(Dictionary<string, string>? env) =>
        env is null ? null
        : env.Count > MaxEnv ? string.Create(CultureInfo.InvariantCulture, $"must have at most {MaxEnv} variables")
        : env.Keys.Any(k => k.Length == 0 || k.Contains('=', StringComparison.Ordinal)) ? "names must not be empty or have ="
        : env.Select(e => ValueProblem(e.Key, 1024) ?? (e.Value is null ? "values must be strings" : ValueProblem(e.Value, MaxValue)))
            .FirstOrDefault(p => p is not null);

    private static string? ValueProblem(string? value, int longest) =>
        value is null ? null
        : value.Length > longest ? string.Create(CultureInfo.InvariantCulture, $"must have at most {longest} characters")
        : value.Contains('\0', StringComparison.Ordinal) ? "must not have NUL characters"
        : NameRules.HasUnpairedSurrogate(value) ? "must not have unpaired surrogates"
        : null;

    // host and none would undo the port and its isolation, container:… would share another backend's.
    private static string? NetworkProblem(string? network) =>
        network is null ? null
        : network.Length is 0 or > 255 ? "must have 1 to 255 characters"
        : network is "host" or "none" || network.StartsWith("container:", StringComparison.Ordinal) ? "must not be host, none or container:"
        : network.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('_' or '.' or '-')) ? "must be made of letters, digits, _, . and -"
        : null;

    private static string? MountProblem(MountRequest? mount) =>
        mount?.Path is not { } path ? null
        : path.Length is 0 or > 1024 ? "must have 1 to 1024 characters"
        : path[0] == '/' ? "must be a relative path"
        : path.Any(char.IsControl) ? "must not have control characters"
        : path.Split('/').Any(p => p is ".." or "." or "") ? "must not have empty, . or .. parts"
        : path.Split('/')[0] == ".plane" ? "must not begin with .plane"
        : NameRules.HasUnpairedSurrogate(path) ? "must not have unpaired surrogates"
        : null;
}
