using Plane.Grains.Feed;

namespace Plane.Tests.Grains;

public sealed class ChangeRingTests
{
    private static readonly ClusterName Mine = ClusterName.Parse("mine.test");
    private static readonly ClusterName Other = ClusterName.Parse("other.test");

    [Fact]
    public void A_ring_that_was_never_set_covers_nothing()
    {
        var ring = new ChangeRing(4);
        Assert.Null(ring.End);
        Assert.False(ring.Read(Mine, LogPosition.Start, 10).IsCovered);
    }

    [Fact]
    public void Changes_after_the_position_are_read_in_order_and_the_position_moves_to_the_end()
    {
        var ring = Filled(10, 1, 2, 3);
        var page = ring.Read(Mine, At(1), 10);
        Assert.True(page.IsCovered);
        Assert.Equal([At(2), At(3)], page.Changes.Select(c => c.Position));
        Assert.Equal(At(3), page.Next);
    }

    [Fact]
    public void Other_clusters_and_kinds_are_passed_over()
    {
        var ring = Filled(10);
        ring.Append([Change(1, Other), Change(2, Mine, ChangeKind.DroneAction), Change(3, Mine, ChangeKind.TxtValues), Change(4, Mine)], At(5));
        var page = ring.Read(Mine, At(0), 10);
        Assert.Equal(At(4), Assert.Single(page.Changes).Position);
        Assert.Equal(At(5), page.Next);
    }

    [Fact]
    public void What_was_pushed_out_is_not_covered()
    {
        var ring = Filled(3, 1, 2, 3, 4, 5);
        Assert.False(ring.Read(Mine, At(1), 10).IsCovered);
        var page = ring.Read(Mine, At(2), 10);
        Assert.True(page.IsCovered);
        Assert.Equal([At(3), At(4), At(5)], page.Changes.Select(c => c.Position));
    }

    [Fact]
    public void A_page_ends_at_its_limit_and_the_next_one_goes_on_there()
    {
        var ring = Filled(10, 1, 2, 3, 4, 5);
        var first = ring.Read(Mine, At(0), 2);
        var second = ring.Read(Mine, first.Next, 2);
        var third = ring.Read(Mine, second.Next, 2);
        Assert.Equal([At(1), At(2)], first.Changes.Select(c => c.Position));
        Assert.Equal([At(3), At(4)], second.Changes.Select(c => c.Position));
        Assert.Equal(At(5), Assert.Single(third.Changes).Position);
    }

    [Fact]
    public void A_reader_that_is_ahead_is_not_covered_since_only_the_log_can_tell_whether_it_went_back()
    {
        var ring = Filled(10, 1, 2);
        Assert.False(ring.Read(Mine, At(9), 10).IsCovered);
        Assert.True(ring.Read(Mine, At(2), 10).IsCovered);
    }

    [Fact]
    public void After_a_reset_only_what_comes_later_is_covered()
    {
        var ring = Filled(10, 1, 2);
        ring.Reset(At(5));
        Assert.False(ring.Read(Mine, At(4), 10).IsCovered);
        Assert.True(ring.Read(Mine, At(5), 10).IsCovered);
        Assert.Equal(At(5), ring.End);
    }

    private static LogPosition At(long n) => new(n / 2, n);

    private static Change Change(long n, ClusterName cluster, ChangeKind kind = ChangeKind.BackendState) => new()
    {
        Position = At(n),
        Kind = kind,
        Cluster = cluster,
        Backend = new BackendIdentity(BackendName.NewRandom(), new FencingToken(n)),
        Status = BackendStatus.Ready,
    };

    private static ChangeRing Filled(int capacity, params long[] positions)
    {
        var ring = new ChangeRing(capacity);
        ring.Reset(LogPosition.Start);
        ring.Append(positions.Select(p => Change(p, Mine)), positions.Length == 0 ? LogPosition.Start : At(positions[^1]));
        return ring;
    }
}
