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
            local line="${(j: :)words[1,CURRENT-1]} $PREFIX"
            offered=("${(@f)$(plane "[suggest:$#line]" "$line" 2>/dev/null)}")
            if (( $#offered && $#offered[1] )); then
                compadd -a offered
            else
                _files
            fi
        }
        compdef _plane plane

        # Where it was found by its name, this is the first completion.
        [[ $funcstack[1] == _plane ]] && _plane "$@"
        """;

    private const string Fish = """
        # plane completion fish >~/.config/fish/completions/plane.fish
        function __plane_offered
            set -l line (commandline -cp)
            set -l offered (plane "[suggest:"(string length -- "$line")"]" "$line" 2>/dev/null)
            if test -n "$offered"
                printf '%s\n' $offered
            else
                __fish_complete_path (commandline -ct)
            end
        end
        complete -c plane -f -a '(__plane_offered)'
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
