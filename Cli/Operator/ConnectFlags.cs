using System.CommandLine;

namespace Plane.Cli.Operator;

/// <summary>The flags of <c>plane connect</c>.</summary>
internal sealed class ConnectFlags
{
    private readonly SpawnFlags _spawn = new();
    private readonly Option<string?> _key = new("--key") { Description = "The key's name; a random one where not given.", HelpName = "NAME" };
    private readonly Option<string?> _namespace = new("--namespace") { Description = "The key's namespace.", HelpName = "NAME" };
    private readonly Option<string?> _tag = new("--tag") { Description = "The key's tag; must equal the holder's.", HelpName = "TAG" };

    private readonly Option<ServiceName?> _service = new("--service")
    {
        Description = "Start what this service says where nothing holds the key.",
        HelpName = "NAME",
        CustomParser = CommandValues.Name<ServiceName>,
    };

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

    private readonly Option<int?> _wait = SpawnFlags.Seconds("--wait-seconds", "How long to wait, up to 20, for a drone that is free and for a holder that is ending.");
    private readonly Option<bool> _immediate = new("--immediate") { Description = "Return at once instead of when the backend is ready." };

    public Command AddTo(Command command)
    {
        foreach (var option in (Option[])
            [_key, _namespace, _tag, _service, .. _spawn.OfProgram, .. OfStart, _wait, _user, _auth, _requestId, _immediate])
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
        Service = parsed.GetValue(_service),
        Spawn = _spawn.Bind(parsed) is { } spawn
            ? spawn with
            {
                Id = parsed.GetValue(_id),
                UseStaticToken = parsed.GetValue(_staticToken),
                Subdomain = parsed.GetValue(_subdomain),
                Browser = parsed.GetValue(_browser),
            }
            : null,
        User = parsed.GetValue(_user),
        Auth = parsed.GetValue(_auth),
        RequestId = parsed.GetValue(_requestId),
        WaitSeconds = parsed.GetValue(_wait),
        Immediate = parsed.GetValue(_immediate),
        GivenForStart = Given(parsed, OfStart),
        WaitIsGiven = Given(parsed, [_wait]).Length > 0,
    };

    // What says how a backend is started, and nothing without one to start.
    private Option[] OfStart => [.. _spawn.OfStart, _staticToken, _subdomain, _browser, _id];

    private static string[] Given(ParseResult parsed, Option[] options) => [.. options.Where(o => parsed.GetResult(o) is { Implicit: false }).Select(o => o.Name)];
}
