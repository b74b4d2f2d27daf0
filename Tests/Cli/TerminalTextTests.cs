using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Plane.Cli.Output;

namespace Plane.Tests.Cli;

public sealed class TerminalTextTests
{
    [Theory]
    [InlineData("plain", "plain", "plain")]
    [InlineData("\u001b[1;31mred\u001b[0m", "\u001b[1;31mred\u001b[0m\u001b[0m", "red")]
    [InlineData("\u001b[2J\u001b[Hcleared", "cleared", "cleared")]
    [InlineData("\u001b]0;title\u0007text", "text", "text")]
    [InlineData("\u001b]8;;http://example.com\u001b\\link\u001b]8;;\u001b\\", "link", "link")]
    [InlineData("\u009b31mred", "red", "red")]
    [InlineData("a\u001b[31", "a", "a")]
    [InlineData("forged\rline\u0008\u0000", "forgedline", "forgedline")]
    [InlineData("a\tb", "a\tb", "a\tb")]
    [InlineData("\u001b[?1049hx", "x", "x")]
    public void Colours_stay_on_a_terminal_and_nothing_else_does(string text, string onTerminal, string elsewhere)
    {
        Assert.Equal(onTerminal, TerminalText.Of(text, keepColours: true));
        Assert.Equal(elsewhere, TerminalText.Of(text, keepColours: false));
    }

    [Property(MaxTest = 500)]
    public Property Whatever_was_written_no_control_character_is_left(NonNull<string> text) =>
        (!TerminalText.Of(text.Get, keepColours: false).Any(c => c != '\t' && char.IsControl(c))).ToProperty();
}
