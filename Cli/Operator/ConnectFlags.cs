using System.CommandLine;

namespace Plane.Cli.Operator;

/// <summary>The flags of <c>plane connect</c>.</summary>
internal sealed class ConnectFlags
{
    private readonly Option<string?> _key = new("--key") { Description = "The key's name; a random one where not given.", HelpName = "NAME" };
    private readonly Option<string?> _namespace = new("--namespace") { Description = "The key's namespace.", HelpName = "NAME" };
    private readonly Option<string?> _tag = new("--tag") { Description = "The key's tag; must equal the holder's.", HelpName = "TAG" };
    private readonly Option<string?> _image = new("--image") { Description = "Start this image where nothing holds the key.", HelpName = "REFERENCE" };

    private readonly Option<string[]?> _command = new("--command")
    {
        Description = "The command, as shell words or a JSON array; without --image a process on the drone.",
        HelpName = "COMMAND",
        CustomParser = CommandValues.CommandLine,
    };

    private readonly Option<string?> _workingDirectory = new("--working-directory") { Description = "Where a process starts.", HelpName = "DIR" };
    private readonly Option<string?> _cluster = new("--cluster") { Description = "The cluster; the controller's default where not given.", HelpName = "NAME" };
    private readonly Option<string?> _pool = new("--pool") { Description = "Only drones of this pool.", HelpName = "NAME" };

    private readonly Option<Dictionary<string, string>?> _env = new("--env")
    {
        Description = "An environment variable; may be repeated.",
        HelpName = "K=V",
        Arity = ArgumentArity.OneOrMore,
        CustomParser = CommandValues.Environment,
    };

    private readonly Option<int?> _idle = Seconds("--max-idle-seconds", "End it after so long without a connection.");
    private readonly Option<int?> _lifetime = Seconds("--lifetime-seconds", "End it after so long in any case.");
    private readonly Option<int?> _grace = Seconds("--stop-grace-seconds", "From its stop signal to its kill, 0 to 600.");
    private readonly Option<string?> _user = new("--user") { Description = "The user who connects; the backend gets the name.", HelpName = "NAME" };

    private readonly Option<JsonText?> _auth = new("--auth")
    {
        Description = "A JSON object for the backend.",
        HelpName = "JSON",
        CustomParser = CommandValues.Json,
    };

    private readonly Option<bool> _staticToken = new("--static-token") { Description = "One token for everybody, which stays in the path." };
    private readonly Option<string?> _subdomain = new("--subdomain") { Description = "Answer only under this subdomain.", HelpName = "LABEL" };

    private readonly Option<bool> _browser = new("--browser") { Description = "Give it a subdomain of its own, drawn where --subdomain is not given, and print the URL for browsers." };
    private readonly Option<bool> _embed = new("--embed") { Description = "Let pages of other sites show it in a frame." };

    private readonly Option<BackendProtocol?> _protocol = new("--protocol")
    {
        Description = "What it speaks: http1 or h2c (gRPC).",
        HelpName = "PROTOCOL",
        CustomParser = CommandValues.Protocol,
    };

    private readonly Option<string[]?> _origins = new("--allow-origin")
    {
        Description = "An origin whose pages may use it with credentials, as https://app.example.com; may be repeated.",
        HelpName = "ORIGIN",
        Arity = ArgumentArity.OneOrMore,
    };

    private readonly Option<string?> _mount = new("--mount")
    {
        Description = "Mount a directory at /plane-data: the key's own, or this relative path.",
        HelpName = "PATH",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<BackendName?> _id = new("--id")
    {
        Description = "The backend's name.",
        HelpName = "NAME",
        CustomParser = CommandValues.Name<BackendName>,
    };

    private readonly Option<string?> _requestId = new("--request-id")
    {
        Description = "The request's own id: repeated with it, the same command gets the same answer for 10 minutes.",
        HelpName = "ID",
    };

    private readonly Option<int?> _wait = Seconds("--wait-seconds", "How long to wait, up to 20, for a drone that is free and for a holder that is ending.");
    private readonly Option<bool> _immediate = new("--immediate") { Description = "Return at once instead of when the backend is ready." };

    public Command AddTo(Command command)
    {
        foreach (var option in (Option[])
            [_key, _namespace, _tag, _image, _command, .. OfStart, _user, _auth, _requestId, _immediate])
        {
            command.Options.Add(option);
        }

        return command;
    }

    public ConnectOptions Bind(ParseResult parsed) => new()
    {
        Key = parsed.GetValue(_key),
        Namespace = parsed.GetValue(_namespace),
        Tag = parsed.GetValue(_tag),
        Image = parsed.GetValue(_image),

        // An option of an array that isn't given reads as an empty one.
        Command = parsed.GetValue(_command) is { Length: > 0 } words ? words : null,
        WorkingDirectory = parsed.GetValue(_workingDirectory),
        Cluster = parsed.GetValue(_cluster),
        Pool = parsed.GetValue(_pool),
        Env = parsed.GetValue(_env),
        MaxIdleSeconds = parsed.GetValue(_idle),
        LifetimeSeconds = parsed.GetValue(_lifetime),
        StopGraceSeconds = parsed.GetValue(_grace),
        User = parsed.GetValue(_user),
        Auth = parsed.GetValue(_auth),
        UseStaticToken = parsed.GetValue(_staticToken),
        Subdomain = parsed.GetValue(_subdomain),
        Browser = parsed.GetValue(_browser),
        Embed = parsed.GetValue(_embed),
        Protocol = parsed.GetValue(_protocol),
        AllowedOrigins = parsed.GetValue(_origins) is { Length: > 0 } origins ? origins : null,
        Mount = parsed.GetResult(_mount) is { Implicit: false } ? new MountRequest(parsed.GetValue(_mount)) : null,
        Id = parsed.GetValue(_id),
        RequestId = parsed.GetValue(_requestId),
        WaitSeconds = parsed.GetValue(_wait),
        Immediate = parsed.GetValue(_immediate),
        GivenForStart = [.. OfStart.Where(o => parsed.GetResult(o) is { Implicit: false }).Select(o => o.Name)],
    };

    // What says how a backend is started, and nothing without one to start.
    private Option[] OfStart =>
    [
        _workingDirectory, _cluster, _pool, _env, _idle, _lifetime, _grace, _staticToken, _subdomain, _browser, _embed, _protocol, _origins, _mount, _id, _wait,
    ];

    private static Option<int?> Seconds(string name, string description) =>
        new(name) { Description = description, HelpName = "SECONDS", CustomParser = CommandValues.WholeNumber };
}
