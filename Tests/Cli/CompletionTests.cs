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
    }

    [Fact]
    public async Task Bash_completes_by_the_script()
    {
        await File.WriteAllTextAsync(_directory["plane"], $"#!/bin/sh\nexec {Checkout.Dotnet} {Checkout.Cli} \"$@\"\n");
        File.SetUnixFileMode(_directory["plane"], UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var script = $"PATH={_directory.Path}:$PATH; source <(plane completion bash); COMP_LINE='plane eve'; COMP_POINT=9; COMP_WORDS=(plane eve); COMP_CWORD=1; _plane; echo \"offered: ${{COMPREPLY[*]}}\"";

        var (code, lines) = await RunningProgram.RunAsync("bash", ["-c", script]);

        Assert.Equal(0, code);
        Assert.Contains(lines, l => l == "offered: events");
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
