using System.CommandLine;
using Plane.Hosting;

namespace Plane.Cli.Operator;

/// <summary>Prints what makes a shell complete this command line. The shell asks the program itself, by System.CommandLine's suggest directive, so what it offers is what this version has.</summary>
internal static class CompletionCommand
{
    private const string Bash = """
        # plane completion bash >/etc/bash_completion.d/plane, or: source <(plane completion bash)
        _plane() {
            local IFS=$'\n'
            COMPREPLY=($(compgen -W "$(plane "[suggest:$COMP_POINT]" "$COMP_LINE" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
        }
        complete -o default -F _plane plane
        """;

    private const string Zsh = """
        #compdef plane
        # plane completion zsh >"${fpath[1]}/_plane", or: source <(plane completion zsh)
        _plane() {
            local -a offered
            offered=("${(@f)$(plane "[suggest:$CURSOR]" "$BUFFER" 2>/dev/null)}")
            if (( $#offered && $#offered[1] )); then
                compadd -a offered
            else
                _files
            fi
        }
        compdef _plane plane
        """;

    private const string Fish = """
        # plane completion fish >~/.config/fish/completions/plane.fish
        complete -c plane -a '(set -l line (commandline -cp); plane "[suggest:"(string length -- $line)"]" "$line" 2>/dev/null)'
        """;

    public static Command Create()
    {
        var shell = new Argument<string>("SHELL") { Description = "bash, zsh or fish." };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        var command = new Command("completion", "Print a script that makes a shell complete plane's command lines.") { shell };
        command.SetAction(parsed =>
        {
            Console.Out.Write(parsed.GetValue(shell) switch { "bash" => Bash, "zsh" => Zsh, _ => Fish });
            Console.Out.Write('\n');
            return ExitCodes.Done;
        });
        return command;
    }
}
