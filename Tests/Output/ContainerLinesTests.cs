using System.Text;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Plane.DroneHost.Runtimes.Docker;

namespace Plane.Tests.Output;

public sealed class ContainerLinesTests
{
    private const string Stamp = "2026-11-30T04:13:33.000000001Z ";
    private const string Later = "2026-11-30T04:13:34.5Z ";

    [Fact]
    public void Each_piece_is_a_line_with_its_time()
    {
        var lines = Read((OutputStream.Stdout, $"{Stamp}one\n{Later}two\r\n"));

        Assert.Equal(["one", "two"], lines.Select(l => l.Text));
        Assert.Equal(new DateTimeOffset(2026, 11, 30, 4, 13, 34, 500, TimeSpan.Zero), lines[1].Time);
        Assert.Equal(1_796_012_013_000_000_001, lines[0].Position);
    }

    [Fact]
    public void The_two_streams_are_put_together_apart_from_each_other()
    {
        var lines = Read((OutputStream.Stdout, $"{Stamp}one, "), (OutputStream.Stderr, $"{Stamp}error\n"), (OutputStream.Stdout, "two\n"));

        Assert.Equal([(OutputStream.Stderr, "error"), (OutputStream.Stdout, "one, two")], lines.Select(l => (l.Stream, l.Text)));
    }

    [Fact]
    public void The_pieces_that_the_engine_makes_of_a_long_line_are_one_line_again()
    {
        var piece = new string('x', 16 * 1024);

        var lines = Read((OutputStream.Stdout, $"{Stamp}{piece}{Later}{piece}{Later}end\n{Later}next\n"));

        Assert.Equal([piece + piece + "end", "next"], lines.Select(l => l.Text));
        Assert.Equal(1_796_012_013_000_000_001, lines[0].Position);
    }

    [Fact]
    public void A_line_of_the_size_of_a_piece_is_a_line()
    {
        var piece = new string('x', 16 * 1024);

        var lines = Read((OutputStream.Stdout, $"{Stamp}{piece}{Later}\n{Later}next\n"));

        Assert.Equal([piece, "next"], lines.Select(l => l.Text));
    }

    [Fact]
    public void A_line_that_is_too_long_is_cut()
    {
        var pieces = string.Concat(Enumerable.Repeat(Stamp + new string('x', 16 * 1024), 5));

        var line = Assert.Single(Read((OutputStream.Stdout, $"{pieces}{Stamp}\n")));

        Assert.True(line.Cut);
        Assert.Equal(OutputLine.MaxBytes, line.Text.Length);
    }

    [Fact]
    public void Lines_without_a_time_are_lines()
    {
        var lines = Read((OutputStream.Stdout, "no time at all in these lines, they are long enough\nshort\n"));

        Assert.Equal(["no time at all in these lines, they are long enough", "short"], lines.Select(l => l.Text));
        Assert.All(lines, l => Assert.Null(l.Time));
    }

    [Fact]
    public void What_is_not_UTF_8_is_replaced()
    {
        var complete = new List<OutputLine>();
        new ContainerLines(null, 0).Add(OutputStream.Stdout, [.. Encoding.ASCII.GetBytes(Stamp), 0xFF, (byte)'a', 0, (byte)'\n'], complete);

        Assert.Equal("\uFFFDa\0", Assert.Single(complete).Text);
    }

    [Fact]
    public void A_new_reading_goes_on_after_the_last_line()
    {
        var lines = new ContainerLines(null, 0);
        var complete = new List<OutputLine>();
        lines.Add(OutputStream.Stdout, Encoding.ASCII.GetBytes($"{Stamp}one\n{Later}half of"), complete);
        lines.Resume();

        lines.Add(OutputStream.Stdout, Encoding.ASCII.GetBytes($"{Stamp}one\n{Later}half of two\n"), complete);

        Assert.Equal(["one", "half of two"], complete.Select(l => l.Text));
    }

    [Property(MaxTest = 200)]
    public Property However_it_is_cut_into_reads_the_lines_are_the_same(byte[] cuts, NonNull<string>[] texts)
    {
        var written = texts.Select(t => t.Get.ReplaceLineEndings(" ").Replace('\n', ' ').TrimEnd('\r')).ToArray();
        var bytes = Encoding.UTF8.GetBytes(string.Concat(written.Select(t => $"{Stamp}{t}\n")));
        var lines = new ContainerLines(null, 0);
        var complete = new List<OutputLine>();
        var at = 0;
        for (var i = 0; at < bytes.Length; i++)
        {
            var size = Math.Min(bytes.Length - at, cuts.Length == 0 ? bytes.Length : 1 + cuts[i % cuts.Length]);
            lines.Add(OutputStream.Stdout, bytes.AsSpan(at, size), complete);
            at += size;
        }

        var expected = written.Select(t => Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(t)));
        return complete.Select(l => l.Text).SequenceEqual(expected).ToProperty();
    }

    private static List<OutputLine> Read(params (OutputStream Stream, string Text)[] reads)
    {
        var lines = new ContainerLines(null, 0);
        var complete = new List<OutputLine>();
        foreach (var (stream, text) in reads)
        {
            lines.Add(stream, Encoding.ASCII.GetBytes(text), complete);
        }

        return complete;
    }
}
