using System.CommandLine;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;

namespace Plane.Cli;

/// <summary>What is wrong with a command line, in the words of its user.</summary>
internal static class ParseProblems
{
    /// <summary>The problems, one line each.</summary>
    public static IReadOnlyList<string> Of(ParseResult parsed) =>
        // The parser complains of every word behind one that it doesn't know, and of what it then finds missing: all that follows from the one.
        parsed.UnmatchedTokens is [var unknown, ..] ? [Unknown(parsed, unknown)] : [.. parsed.Errors.Select(Text)];

    /// <summary>The line that ends them.</summary>
    public static string SeeHelp(CommandResult command) => $"plane: see {Path(command)} --help";

    // "plane cert show", as it was typed.
    private static string Path(CommandResult command) => command.Parent is CommandResult parent ? $"{Path(parent)} {command.Command.Name}" : "plane";

    private static string Unknown(ParseResult parsed, string word)
    {
        var at = parsed.CommandResult;
        word = word.StartsWith('-') ? word.Split('=')[0] : word;
        return word.StartsWith('-') ? $"{word} is not an option of {Path(at)}{DidYouMean(parsed, word)}"
            : at.Command is { Subcommands.Count: > 0, Arguments.Count: 0 } ? $"{word} is not a command of {Path(at)}{DidYouMean(parsed, word)}"
            : $"{word} is one argument too many for {Path(at)}";
    }

    // The parser's own suggestion, from a command with the same names and no arguments, which could take the word.
    private static string DidYouMean(ParseResult parsed, string word)
    {
        var names = new Command("plane");
        var at = parsed.CommandResult.Command;
        foreach (var option in at.Options.Concat(at.Parents.OfType<Command>().SelectMany(c => c.Options).Where(o => o.Recursive)).DistinctBy(o => o.Name))
        {
            names.Options.Add(new Option<bool>(option.Name));
        }

        foreach (var command in at.Subcommands)
        {
            names.Subcommands.Add(new Command(command.Name));
        }

        using var said = new StringWriter();
        var alone = names.Parse([word]);
        if (alone.Action is ParseErrorAction suggesting)
        {
            suggesting.ShowHelp = false;
            alone.Invoke(new InvocationConfiguration { Output = said, Error = TextWriter.Null });
        }

        return said.ToString().Split(Environment.NewLine) is [_, { Length: > 0 } nearest, ..] ? $"; did you mean {nearest}?" : "";
    }

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
