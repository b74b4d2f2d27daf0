using System.Text;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Plane.DroneHost.Runtimes;
using Plane.Testing;

namespace Plane.Tests.Runtimes;

public sealed class OutputTailTests
{
    [Theory]
    [InlineData("", null)]
    [InlineData("\n\n", null)]
    [InlineData("one\ntwo\n", "one\ntwo")]
    [InlineData("one\n\ntwo", "one\n\ntwo")]
    [InlineData("\u001b[1;31mred\u001b[0m \u001b]0;title\u0007and\r\n", "red and")]
    [InlineData("a\tb\0c\u0008\u009b", "a bc")]
    [InlineData("ü 🎈", "ü 🎈")]
    public void It_is_text_without_control_characters(string output, string? expected) => Assert.Equal(expected, OutputTail.Of(Encoding.UTF8.GetBytes(output)));

    [Fact]
    public void It_has_the_last_lines()
    {
        var output = string.Concat(Enumerable.Range(1, 1000).Select(i => $"line {i}\n"));

        var lines = OutputTail.Of(Encoding.UTF8.GetBytes(output))!.Split('\n');

        Assert.Equal(Enumerable.Range(951, 50).Select(i => $"line {i}"), lines);
    }

    [Fact]
    public void A_line_that_is_too_long_is_cut_at_its_beginning()
    {
        var tail = OutputTail.Of(Encoding.UTF8.GetBytes(new string('x', 100_000) + "the end"));

        Assert.EndsWith("xthe end", tail, StringComparison.Ordinal);
        Assert.InRange(tail!.Length, 1000, OutputTail.MaxBytes);
    }

    [Property(MaxTest = 300)]
    public Property Whatever_is_written_it_is_bounded_and_printable(byte[] output)
    {
        var tail = OutputTail.Of([.. Enumerable.Repeat(output, 200).SelectMany(o => o.Append((byte)'\n'))]) ?? "";
        return (Encoding.UTF8.GetByteCount(tail) <= OutputTail.MaxBytes && tail.Split('\n').Length <= OutputTail.MaxLines && !tail.Any(c => c != '\n' && char.IsControl(c))).ToProperty();
    }

    public static TheoryData<string> Kinds => ["docker", "process"];

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task The_end_of_what_it_wrote_is_read_after_its_exit(string kind)
    {
        Bench bench = kind == "docker" ? new DockerBench() : new ProcessBench();
        var start = await bench.StartOf("echo begun; echo failed >&2; exit 3");
        var runtime = bench.NewRuntime();
        await using (var exits = new Exits(runtime))
        {
            await runtime.StartAsync(start, default);
            await exits.OfAsync(start.Identity);
        }

        // An engine reads the two streams side by side: which line comes first is not said.
        await Eventually.SeenAsync(
            c => runtime.ReadOutputTailAsync(start.Identity, c), t => t?.Split('\n').Order(StringComparer.Ordinal).SequenceEqual(["begun", "failed"]) == true, "its end is read");
        Assert.Null(await runtime.ReadOutputTailAsync(Bench.NewIdentity(), default));
        await bench.EndAsync();
    }
}
