using System.CommandLine;
using Plane.Cli.Output;
using Plane.Hosting;

namespace Plane.Cli.Operator;

/// <summary><c>plane connect</c>: a URL to the backend that holds a key, started first if need be.</summary>
internal static class ConnectVerb
{
    public static Command Create(OperatorContext context)
    {
        var key = new Option<string?>("--key") { Description = "The key's name; a random one where not given.", HelpName = "NAME" };
        var ns = new Option<string?>("--namespace") { Description = "The key's namespace.", HelpName = "NAME" };
        var tag = new Option<string?>("--tag") { Description = "The key's tag; must equal the holder's.", HelpName = "TAG" };
        var image = new Option<string?>("--image") { Description = "Start this image where nothing holds the key.", HelpName = "REFERENCE" };
        var command = new Option<string[]?>("--command")
        {
            Description = "The command, as shell words or a JSON array; without --image a process on the drone.",
            HelpName = "COMMAND",
            CustomParser = CommandValues.CommandLine,
        };
        var workingDirectory = new Option<string?>("--working-directory") { Description = "Where a process starts.", HelpName = "DIR" };
        var cluster = new Option<string?>("--cluster") { Description = "The cluster; the controller's default where not given.", HelpName = "NAME" };
        var pool = new Option<string?>("--pool") { Description = "Only drones of this pool.", HelpName = "NAME" };
        var env = new Option<Dictionary<string, string>?>("--env")
        {
            Description = "An environment variable; may be repeated.",
            HelpName = "K=V",
            Arity = ArgumentArity.OneOrMore,
            CustomParser = CommandValues.Environment,
        };
        var idle = new Option<int?>("--max-idle-seconds")
        {
            Description = "End it after so long without a connection.",
            HelpName = "SECONDS",
            CustomParser = CommandValues.WholeNumber,
        };
        var lifetime = new Option<int?>("--lifetime-seconds")
        {
            Description = "End it after so long in any case.",
            HelpName = "SECONDS",
            CustomParser = CommandValues.WholeNumber,
        };
        var grace = new Option<int?>("--stop-grace-seconds")
        {
            Description = "From its stop signal to its kill, 0 to 600.",
            HelpName = "SECONDS",
            CustomParser = CommandValues.WholeNumber,
        };
        var user = new Option<string?>("--user") { Description = "Who connects; the backend is told.", HelpName = "NAME" };
        var auth = new Option<JsonText?>("--auth") { Description = "A JSON object for the backend.", HelpName = "JSON", CustomParser = CommandValues.Json };
        var staticToken = new Option<bool>("--static-token") { Description = "One token for everybody, which stays in the path." };
        var subdomain = new Option<string?>("--subdomain") { Description = "Answer only under this subdomain.", HelpName = "LABEL" };
        var mount = new Option<string?>("--mount")
        {
            Description = "Mount a directory at /plane-data: the key's own, or this relative path.",
            HelpName = "PATH",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var id = new Option<BackendName?>("--id") { Description = "The backend's name.", HelpName = "NAME", CustomParser = CommandValues.Name<BackendName> };
        var requestId = new Option<string?>("--request-id")
        {
            Description = "The request's own id: repeated with it, the same command gets the same answer for 10 minutes.",
            HelpName = "ID",
        };
        var wait = new Option<int?>("--wait-seconds")
        {
            Description = "How long to wait, up to 20, for a drone that is free and for a holder that is ending.",
            HelpName = "SECONDS",
            CustomParser = CommandValues.WholeNumber,
        };
        var immediate = new Option<bool>("--immediate") { Description = "Return at once instead of when the backend is ready." };

        var result = new Command("connect", "Connect to a key: prints the URL of the backend that holds it, started first if need be.")
        {
            key, ns, tag, image, command, workingDirectory, cluster, pool, env, idle, lifetime, grace, user, auth, staticToken, subdomain, mount, id, requestId,
            wait, immediate,
        };
        Option[] ofStart = [workingDirectory, cluster, pool, env, idle, lifetime, grace, staticToken, subdomain, mount, id, wait];
        // An option of an array that isn't given reads as an empty one.
        string[]? CommandLine(ParseResult parsed) => parsed.GetValue(command) is { Length: > 0 } words ? words : null;
        context.SetAction(result, async (parsed, client, printer, cancellationToken) =>
        {
            if (parsed.GetValue(key) is null && (parsed.GetValue(ns) is not null || parsed.GetValue(tag) is not null))
            {
                throw new UsageException("--namespace and --tag need --key");
            }

            var spawns = parsed.GetValue(image) is not null || CommandLine(parsed) is not null;
            if (!spawns && parsed.GetValue(key) is null)
            {
                throw new UsageException("give --key to connect to, --image or --command to start, or both");
            }

            // Taken no notice of, they would leave their user in the belief that the backend is as they say.
            var unused = ofStart.Where(o => parsed.GetResult(o) is { Implicit: false }).Select(o => o.Name).ToArray();
            if (!spawns && unused.Length > 0)
            {
                throw new UsageException($"{string.Join(", ", unused)}: say how to start a backend, and neither --image nor --command says what");
            }

            var request = new ConnectRequest
            {
                WaitSeconds = parsed.GetValue(wait),
                Key = parsed.GetValue(key) is { } name
                    ? new KeyConfig { Name = name, Namespace = parsed.GetValue(ns) ?? "", Tag = parsed.GetValue(tag) ?? "" }
                    : null,
                User = parsed.GetValue(user),
                Auth = parsed.GetValue(auth),
                RequestId = parsed.GetValue(requestId),
                SpawnConfig = !spawns ? null : new SpawnConfig
                {
                    Id = parsed.GetValue(id),
                    Cluster = parsed.GetValue(cluster),
                    Pool = parsed.GetValue(pool) ?? "",
                    LifetimeLimitSeconds = parsed.GetValue(lifetime),
                    MaxIdleSeconds = parsed.GetValue(idle),
                    UseStaticToken = parsed.GetValue(staticToken),
                    Subdomain = parsed.GetValue(subdomain),
                    Executable = new Executable
                    {
                        Image = parsed.GetValue(image),
                        Command = CommandLine(parsed),
                        WorkingDirectory = parsed.GetValue(workingDirectory),
                        Env = parsed.GetValue(env),
                        StopGraceSeconds = parsed.GetValue(grace),
                        Mount = parsed.GetResult(mount) is { Implicit: false } ? new MountRequest(parsed.GetValue(mount)) : null,
                    },
                },
            };
            var response = await ConnectAsync(client, request, cancellationToken).ConfigureAwait(false);
            var status = response.Status;
            StatusEntry? last = null;
            if (!parsed.GetValue(immediate) && status < BackendStatus.Ready)
            {
                last = await ProgressView.WaitAsync(
                    printer, client.FollowAsync(response.BackendId, cancellationToken), s => s >= BackendStatus.Ready, cancellationToken).ConfigureAwait(false);
                status = last?.Status ?? status;
            }

            if (printer.IsJson)
            {
                printer.Json(response with { Status = status });
            }
            else
            {
                printer.Facts(
                    ("backend", response.BackendId.Value),
                    ("spawned", response.Spawned ? "yes" : "no"),
                    ("status", status.WireName()),
                    ("key", response.Key.Namespace.Length > 0 ? $"{response.Key.Namespace}/{response.Key.Name}" : response.Key.Name),
                    ("fencing token", response.Key.FencingToken.ToString()),
                    ("drone", response.Drone?.Value),
                    ("url", response.Url));
            }

            if (status is BackendStatus.Terminated)
            {
                printer.Problem($"the backend has ended{(last is null ? "" : $" ({Printer.Why(last)})")}: see plane backend {response.BackendId}");
                return ExitCodes.Refused;
            }

            return ExitCodes.Done;
        });
        return result;
    }

    private static async Task<ConnectResponse> ConnectAsync(ControllerClient client, ConnectRequest request, CancellationToken cancellationToken)
    {
        try
        {
            return await client.ConnectAsync(request, cancellationToken).ConfigureAwait(false);
        }
        catch (RefusedException e)
        {
            throw new RefusedException(e.Error, ConnectRefusal.InFlags(e.Error));
        }
    }
}
