using Plane.Client;
using System.CommandLine;
using Plane.Cli.Output;
using Plane.Hosting.Configuration;
using Plane.Hosting;

namespace Plane.Cli.Operator;

/// <summary>What every operator's command shares: where the controller is, the token, how to print, and how failures become exit codes.</summary>
internal sealed class OperatorContext
{
    private static readonly TimeSpan s_watchEvery = TimeSpan.FromSeconds(2);

    private readonly Option<Uri?> _controller = new("--controller")
    {
        Description = "The controller's address (PLANE_CONTROLLER; default http://127.0.0.1:8080).",
        HelpName = "URL",
        Recursive = true,
        CustomParser = result => CommandValues.HttpUrl(result),
    };

    private readonly Option<FileInfo?> _tokenFile = new("--token-file")
    {
        Description = "A file with the controller's bearer token (or PLANE_TOKEN).",
        HelpName = "FILE",
        Recursive = true,
    };

    private readonly Option<bool> _json = new("--json") { Description = "Print JSON.", Recursive = true };

    private readonly Option<bool> _wide = new("--wide") { Description = "Print all columns, however narrow the terminal is." };

    private readonly Option<bool> _watch = new("--watch") { Description = "Print it again every 2 s, until Ctrl-C." };

    /// <summary>Adds the flag of commands that print a table.</summary>
    public void AddWideTo(Command command) => command.Options.Add(_wide);

    /// <summary>Adds the flag of commands whose answer changes while one looks at it.</summary>
    public void AddWatchTo(Command command) => command.Options.Add(_watch);

    public void AddTo(Command command)
    {
        command.Options.Add(_controller);
        command.Options.Add(_tokenFile);
        command.Options.Add(_json);
    }

    /// <summary>Sets what a command does with the controller.</summary>
    public void SetAction(Command command, Func<ParseResult, ControllerClient, Printer, CancellationToken, Task<int>> action) =>
        command.SetAction(async (parsed, _) =>
        {
            using var interruption = new Interruption();
            var cancellationToken = interruption.Token;
            var json = parsed.GetValue(_json);
            var printer = new Printer(Console.Out, Console.Error, json, !Console.IsOutputRedirected, parsed.GetResult(_wide) is { Implicit: false });
            try
            {
                using var client = new ControllerClient(Controller(parsed), Token(parsed));
                if (parsed.GetResult(_watch) is { Implicit: false })
                {
                    await WatchAsync(printer, () => action(parsed, client, printer, cancellationToken), cancellationToken).ConfigureAwait(false);
                }

                return await action(parsed, client, printer, cancellationToken).ConfigureAwait(false);
            }
            catch (RefusedException e)
            {
                if (json)
                {
                    printer.Json(e.Error);
                }

                printer.Problem(e.Error.Kind == ErrorKind.Unauthorized ? $"{e.Message}: {TokenHint(parsed)}" : e.Message);
                BackendEnd.PrintOutput(printer, e.Error.OutputTail);
                return ExitCodes.Refused;
            }
            catch (ControllerUnreachableException e)
            {
                printer.Problem(InFlags(e));
                return ExitCodes.Unreachable;
            }
            catch (UsageException e)
            {
                printer.Problem(e.Message);
                return ExitCodes.Usage;
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                printer.ShowCursor();
                return interruption.ExitCode;
            }
        });

    /// <summary>Prints again and again, until the command is cancelled. What fails meanwhile is shown, and tried again.</summary>
    private static async Task WatchAsync(Printer printer, Func<Task<int>> print, CancellationToken cancellationToken)
    {
        while (true)
        {
            printer.Clear();
            try
            {
                await print().ConfigureAwait(false);
            }
            catch (Exception e) when (IsOfTheMoment(e))
            {
                printer.Problem(InFlags(e));
            }

            await Task.Delay(s_watchEvery, TimeProvider.System, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Whether a command that prints again and again goes on after a failure.</summary>
    internal static bool IsOfTheMoment(Exception e) => e is ControllerUnreachableException or RefusedException { IsTemporary: true };

    /// <summary>What failed, and the flag that changes it.</summary>
    internal static string InFlags(Exception e) => e.InnerException is HttpRequestException
        ? $"{e.Message}; start one, or give its address with --controller (or PLANE_CONTROLLER)"
        : e.Message.Replace("Check the controller's address", "Check the controller's address (--controller)", StringComparison.Ordinal);

    private string TokenHint(ParseResult parsed) => Token(parsed) is null
        ? "give the controller's token by --token-file or PLANE_TOKEN"
        : "the controller does not accept the token of --token-file or PLANE_TOKEN";

    private Uri Controller(ParseResult parsed)
    {
        if (parsed.GetValue(_controller) is { } given)
        {
            return given;
        }

        var fromEnvironment = Environment.GetEnvironmentVariable("PLANE_CONTROLLER");
        return string.IsNullOrEmpty(fromEnvironment) ? new Uri("http://127.0.0.1:8080")
            : CommandValues.TryHttpUrl(fromEnvironment, out var url) ? url
            : throw new UsageException("PLANE_CONTROLLER must be an http:// or https:// address");
    }

    private string? Token(ParseResult parsed)
    {
        var token = Environment.GetEnvironmentVariable("PLANE_TOKEN");
        if (parsed.GetValue(_tokenFile) is { } file)
        {
            try
            {
                token = File.ReadAllText(file.FullName);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new UsageException($"--token-file: {e.Message}");
            }
        }

        token = token?.Trim();
        return string.IsNullOrEmpty(token) ? null
            : token.All(c => c is > ' ' and <= '~') ? token
            : throw new UsageException("the token of --token-file or PLANE_TOKEN must be one line of printable ASCII characters without spaces");
    }
}
