using Plane.Testing;

namespace Plane.Tests.Cli;

/// <summary>What a shell is offered.</summary>
public sealed class CompletionTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("plane lo", "logs")]
    [InlineData("plane backends --sta", "--status")]
    [InlineData("plane completion ", "bash", "fish", "zsh")]
    [InlineData("plane service ", "set", "list", "show", "delete", "url", "key")]
    [InlineData("plane service key ", "add", "list", "delete")]
    public async Task The_program_completes_a_command_line(string line, params string[] expected)
    {
        var (code, lines) = await RunningProgram.RunAsync(Checkout.Dotnet, [Checkout.Cli, $"[suggest:{line.Length}]", line]);

        Assert.Equal(0, code);
        Assert.Superset(expected.ToHashSet(), lines.Select(l => l.Trim()).ToHashSet());
        Assert.DoesNotContain(lines, l => l.StartsWith('/'));
    }

    /// <summary>A terminal in which a person types; the first completion of a shell that has found the script by its name counts too.</summary>
    [Theory]
    [InlineData("fpath=({0} $fpath); autoload -Uz compinit; compinit -u -D", "plane eve", "plane events")]
    [InlineData("autoload -Uz compinit; compinit -u -D; source <(plane completion zsh)", "true; plane eve", "plane events")]
    public async Task Zsh_completes_by_the_script(string setUp, string typed, string expected)
    {
        await InstallAsync();
        await File.WriteAllTextAsync(_directory["_plane"], string.Join('\n', (await RunningProgram.RunAsync(Checkout.Dotnet, [Checkout.Cli, "completion", "zsh"])).Lines) + "\n");
        var script = $"""
            zmodload zsh/zpty
            zpty -b shell env TERM=vt100 zsh -f -i
            zpty -w shell 'PS1=; PATH={_directory.Path}:$PATH; {string.Format(System.Globalization.CultureInfo.InvariantCulture, setUp, _directory.Path)}; echo set""up'
            zpty -r shell seen '*setup*'
            zpty -w -n shell $'{typed}\t'
            zpty -r shell seen '*{expected}*'
            print -r -- "completed: $seen"
            zpty -d shell
            """;

        var (code, lines) = await RunningProgram.RunAsync("zsh", ["-f", "-c", script]);

        Assert.True(code == 0, string.Join('\n', lines));
        Assert.Contains(lines, l => l.Contains(expected, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("plane eve", "events")]
    [InlineData("true; plane completion ", "bash", "fish", "zsh")]
    public async Task Fish_completes_by_the_script(string typed, params string[] expected)
    {
        await InstallAsync();
        await File.WriteAllTextAsync(_directory["a-file"], "");
        var (code, lines) = await RunningProgram.RunAsync(
            "fish", ["--no-config", "-c", $"set PATH {_directory.Path} $PATH; cd {_directory.Path}; plane completion fish | source; complete -C '{typed}'"]);

        Assert.Equal(0, code);
        Assert.Superset(expected.ToHashSet(), lines.ToHashSet());
        Assert.DoesNotContain("a-file", lines);
    }

    [Fact]
    public async Task Bash_completes_by_the_script()
    {
        await InstallAsync();
        var script = $"PATH={_directory.Path}:$PATH; source <(plane completion bash); COMP_LINE='plane eve'; COMP_POINT=9; COMP_WORDS=(plane eve); COMP_CWORD=1; _plane; echo \"offered: ${{COMPREPLY[*]}}\"";

        var (code, lines) = await RunningProgram.RunAsync("bash", ["-c", script]);

        Assert.Equal(0, code);
        Assert.Contains(lines, l => l == "offered: events");
    }

    private async Task InstallAsync()
    {
        await File.WriteAllTextAsync(_directory["plane"], $"#!/bin/sh\nexec {Checkout.Dotnet} {Checkout.Cli} \"$@\"\n");
        File.SetUnixFileMode(_directory["plane"], UnixFileMode.UserRead | UnixFileMode.UserExecute);
    }

    [Theory]
    [InlineData("bash", "complete -o default -F _plane plane")]
    [InlineData("zsh", "compdef _plane plane")]
    [InlineData("fish", "complete -c plane")]
    public async Task Each_shell_has_its_script(string shell, string mentions)
    {
        var (code, lines) = await RunningProgram.RunAsync(Checkout.Dotnet, [Checkout.Cli, "completion", shell]);

        Assert.Equal(0, code);
        Assert.Contains(lines, l => l.StartsWith(mentions, StringComparison.Ordinal));
    }
}
