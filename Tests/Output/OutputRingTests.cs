using Plane.Hosting;

namespace Plane.Tests.Output;

public sealed class OutputRingTests
{
    [Fact]
    public void Readers_get_all_lines_each_at_its_own_place()
    {
        var ring = new OutputRing(0);
        ring.Add(Line(1, "one"));
        ring.Add(Line(2, "two"));

        var first = ring.Read(0, 1_000, out _);
        ring.Add(Line(3, "three"));

        Assert.Equal(["one", "two"], first.Lines.Select(l => l.Text));
        Assert.Equal(["three"], ring.Read(first.Sequence, 1_000, out _).Lines.Select(l => l.Text));
        Assert.Equal(["two", "three"], ring.Read(ring.NumberAt(1)!.Value, 1_000, out _).Lines.Select(l => l.Text));
    }

    [Fact]
    public void A_reader_that_is_too_slow_is_told_how_many_lines_it_missed()
    {
        var ring = new OutputRing(0, limit: 1_000);
        for (var i = 1; i <= 5_000; i++)
        {
            ring.Add(Line(i, $"line {i}"));
        }

        var batch = ring.Read(10, 100_000, out _);

        Assert.Equal(5_000, batch.Lines[^1].Position);
        Assert.Equal(5_000 - 10, batch.Lines[0].Dropped + batch.Lines.Length);
        Assert.All(batch.Lines[1..], l => Assert.Equal(0, l.Dropped));
        Assert.Null(ring.NumberAt(10));
    }

    [Fact]
    public void Lines_that_were_dropped_before_they_came_are_counted_once()
    {
        var ring = new OutputRing(0, limit: 1_000);
        for (var i = 1; i <= 100; i++)
        {
            ring.Add(Line(i * 10, "x") with { Dropped = 9 });
        }

        var batch = ring.Read(0, 100_000, out _);

        Assert.Equal(1_000, batch.Lines.Sum(l => l.Dropped) + batch.Lines.Length);
    }

    [Fact]
    public async Task A_reader_waits_for_a_line_and_for_the_end()
    {
        var ring = new OutputRing(7);
        Assert.Empty(ring.Read(0, 100, out var changed).Lines);
        Assert.False(changed.IsCompleted);

        ring.Add(Line(8, "late"));
        await changed;
        var batch = ring.Read(0, 100, out changed);
        Assert.False(batch.IsComplete);
        ring.Complete();
        await changed;

        Assert.True(ring.Read(batch.Sequence, 100, out _).IsComplete);
        Assert.Equal(8, ring.End);
    }

    [Fact]
    public void An_answer_is_bounded_and_one_line_comes_in_any_case()
    {
        var ring = new OutputRing(0);
        ring.Add(Line(1, new string('x', 5_000)));
        ring.Add(Line(2, "short"));

        var batch = ring.Read(0, 1_000, out _);

        Assert.Equal(1, Assert.Single(batch.Lines).Position);
    }

    private static OutputLine Line(long position, string text) => new() { Position = position, Stream = OutputStream.Stdout, Text = text };
}
