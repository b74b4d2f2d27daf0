using Plane.Client;
using System.CommandLine;
using Plane.Cli.Output;
using Plane.Hosting;

namespace Plane.Cli.Operator;

/// <summary><c>plane connect</c>: a URL to the backend that holds a key, started first if need be.</summary>
internal static class ConnectVerb
{
    public static Command Create(OperatorContext context)
    {
        var flags = new ConnectFlags();
        var command = flags.AddTo(new Command("connect", "Connect to a key: prints the URL of the backend that holds it, started first if need be."));
        context.SetAction(command, async (parsed, client, printer, cancellationToken) =>
        {
            var options = flags.Bind(parsed);
            options.Validate();
            var response = await ConnectAsync(client, options.ToRequest(), cancellationToken).ConfigureAwait(false);
            if (!options.Immediate && response.Status < BackendStatus.Ready)
            {
                var last = await new ReadyWait(client, printer, TimeProvider.System).WaitAsync(response.BackendId, cancellationToken).ConfigureAwait(false);
                response = response with { Status = last.Status };
            }

            Render(printer, response);
            if (response.Status <= BackendStatus.Ready)
            {
                return ExitCodes.Done;
            }

            BackendEnd.Print(printer, await client.BackendAsync(response.BackendId, cancellationToken).ConfigureAwait(false));
            return ExitCodes.Refused;
        });
        return command;
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

    private static void Render(Printer printer, ConnectResponse response)
    {
        if (printer.IsJson)
        {
            printer.Json(response);
            return;
        }

        printer.Facts(
            ("backend", response.BackendId.Value),
            ("spawned", response.Spawned ? "yes" : "no"),
            ("status", response.Status.WireName()),
            ("key", response.Key.Namespace.Length > 0 ? $"{response.Key.Namespace}/{response.Key.Name}" : response.Key.Name),
            ("fencing token", response.Key.FencingToken.ToString()),
            ("drone", response.Drone?.Value),
            ("url", response.Url),
            ("browser url", response.BrowserUrl),
            ("service url", response.ServiceUrl));
    }
}
