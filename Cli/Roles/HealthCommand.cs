using System.CommandLine;
using Plane.Cli.Operator;
using Plane.Cli.Output;
using Plane.Hosting;

namespace Plane.Cli.Roles;

/// <summary><c>plane health</c>: for containers without a shell or an HTTP client.</summary>
internal static class HealthCommand
{
    public static Command Create()
    {
        var url = new Argument<Uri?>("URL")
        {
            Description = "The route to ask: a controller's /pub/health (default http://127.0.0.1:8080/pub/health), a proxy's /ready.",
            Arity = ArgumentArity.ZeroOrOne,
            CustomParser = result => result.Tokens.Count == 0 ? null : CommandValues.HttpUrl(result),
        };
        var timeout = new Option<int>("--timeout-seconds")
        {
            Description = "How long to wait for the answer.",
            DefaultValueFactory = _ => 5,
            CustomParser = CommandValues.RequiredWholeNumber,
        };
        var json = new Option<bool>("--json") { Description = "Print JSON." };
        var command = new Command("health", "Ask a role whether it is healthy: exit code 0 yes, 1 no, 3 no answer.") { url, timeout, json };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var seconds = parsed.GetValue(timeout);
            if (seconds is < 1 or > 3_600)
            {
                await Console.Error.WriteLineAsync("plane: --timeout-seconds must be from 1 to 3600").ConfigureAwait(false);
                return ExitCodes.Usage;
            }

            var result = await new HealthProbe(TimeProvider.System).CheckAsync(
                parsed.GetValue(url) ?? new Uri("http://127.0.0.1:8080/pub/health"), TimeSpan.FromSeconds(seconds), cancellationToken).ConfigureAwait(false);
            if (parsed.GetValue(json))
            {
                new Printer(Console.Out, Console.Error, json: true, !Console.IsOutputRedirected)
                    .Json(new { healthy = result.ExitCode == ExitCodes.Done, result.Message });
            }
            else
            {
                await (result.ExitCode == ExitCodes.Done ? Console.Out : Console.Error).WriteLineAsync(result.Message).ConfigureAwait(false);
            }

            return result.ExitCode;
        });
        return command;
    }
}
