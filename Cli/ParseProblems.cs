using System.CommandLine;
using System.CommandLine.Parsing;

namespace Plane.Cli;

/// <summary>What is wrong with a command line, in the words of its user.</summary>
internal static class ParseProblems
{
    /// <summary>The problems, one line each.</summary>
    public static IReadOnlyList<string> Of(ParseResult parsed) =>
        // The parser complains of every word behind one that it doesn't know, and of what it then finds missing: all that follows from the one.
        parsed.UnmatchedTokens is [var unknown, ..] ? [Unknown(parsed.CommandResult, unknown)] : [.. parsed.Errors.Select(Text)];

    /// <summary>The line that ends them.</summary>
    public static string SeeHelp(CommandResult command) => $"plane: see {Path(command)} --help";

    // "plane cert show", as it was typed.
    private static string Path(CommandResult command) => command.Parent is CommandResult parent ? $"{Path(parent)} {command.Command.Name}" : "plane";

    private static string Unknown(CommandResult at, string word)
    {
        if (word.StartsWith('-'))
        {
            var name = word.Split('=')[0];
            return $"{name} is no option of {Path(at)}{DidYouMean(name, OptionsOf(at))}";
        }

        return at.Command is { Subcommands.Count: > 0, Arguments.Count: 0 }
            ? $"{word} is no command of {Path(at)}{DidYouMean(word, at.Command.Subcommands.Select(c => c.Name))}"
            : $"{word} is one argument too many for {Path(at)}";
    }

    private static IEnumerable<string> OptionsOf(CommandResult at) => at.Command.Options
        .Concat(at.Command.Parents.OfType<Command>().SelectMany(c => c.Options).Where(o => o.Recursive))
        .Select(o => o.Name);

    private static string DidYouMean(string word, IEnumerable<string> names) =>
        NearestName.Of(word, names) is { } nearest ? $"; did you mean {nearest}?" : "";

    private static string Text(ParseError error) => error.SymbolResult switch
    {
        ArgumentResult { Tokens.Count: 0, Argument.Arity.MinimumNumberOfValues: > 0, Parent: CommandResult command } missing =>
            $"{Path(command)} needs {missing.Argument.Name}",
        OptionResult { Tokens.Count: 0, Implicit: false, Option.Arity.MinimumNumberOfValues: > 0 } valueless => $"{valueless.Option.Name} needs a value",
        ArgumentResult { Tokens.Count: 0, Argument.Arity.MinimumNumberOfValues: > 0, Parent: OptionResult { Implicit: false } valueless } =>
            $"{valueless.Option.Name} needs a value",
        _ => error.Message,
    };
}
