using System.CommandLine;
using System.CommandLine.Help;
using Plane.Cli.Operator;
using Plane.Cli.Roles;
using Plane.Hosting;

namespace Plane.Cli;

internal static class Program
{
    /// <summary>Every command that there is, or the one role that is named: the options of all roles take longer to make than to read.</summary>
    internal static RootCommand Commands(string? only = null)
    {
        var operators = new OperatorContext();
        var root = new RootCommand("Plane on Orleans: one container per room, document or session, addressed by a key.");

        // The library's aliases for Windows: each completion would offer them.
        var help = root.Options.OfType<HelpOption>().Single();
        help.Aliases.Remove("/h");
        help.Aliases.Remove("/?");
        (string Name, Func<Command> Create)[] roles =
        [
            ("up", UpCommand.Create),
            ("demo", DemoCommand.Create),
            ("controller", ControllerCommand.Create),
            ("drone", DroneCommand.Create),
            ("guard", GuardCommand.Create),
            ("proxy", ProxyCommand.Create),
        ];
        if (Array.Find(roles, r => r.Name == only).Create is { } create)
        {
            root.Subcommands.Add(create());
            return root;
        }

        foreach (var role in roles)
        {
            root.Subcommands.Add(role.Create());
        }

        root.Subcommands.Add(DnsCommand.Create(operators));
        root.Subcommands.Add(HealthCommand.Create());
        root.Subcommands.Add(CertCommands.Create());
        root.Subcommands.Add(CompletionCommand.Create());
        var connect = ConnectVerb.Create(operators);
        foreach (var command in (Command[])[connect, .. ClusterCommands.Create(operators), .. BackendCommands.Create(operators), ServiceCommands.Create(operators)])
        {
            operators.AddTo(command);
            root.Subcommands.Add(command);
        }

        return root;
    }

    private static async Task<int> Main(string[] args)
    {
        var root = Commands(args.FirstOrDefault());
        var parsed = root.Parse(args);

        // A shell that asks for completions brings a command line that is not whole, as one word.
        if (parsed.Errors.Count > 0 && args is not [['[', 's', 'u', 'g', 'g', 'e', 's', 't', ..], ..])
        {
            foreach (var problem in ParseProblems.Of(parsed))
            {
                await Console.Error.WriteLineAsync("plane: " + problem).ConfigureAwait(false);
            }

            await Console.Error.WriteLineAsync(ParseProblems.SeeHelp(parsed.CommandResult)).ConfigureAwait(false);
            return ExitCodes.Usage;
        }

        // A role takes signals by itself; an operator's command is simply cancelled.
        return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null })
            .ConfigureAwait(false);
    }
}
