using Plane.ProxyHost;
using Plane.ProxyHost.Routes;

namespace Plane.Tests.Proxy;

/// <summary>Answers and changes in any order leave only routes that are right.</summary>
public sealed class RouteCacheTests
{
    private readonly BearerToken _token = BearerToken.NewRandom();

    [Fact]
    public void An_answer_read_before_a_change_that_was_already_seen_is_neither_kept_nor_used()
    {
        var cache = Cache();
        cache.Apply(State("b", at: 20));
        Assert.Null(cache.Admit(Entry(_token, readAt: 19)));
        Assert.Equal(0, cache.Count);
    }

    [Fact]
    public void An_answer_read_at_or_after_the_change_is_kept()
    {
        var cache = Cache();
        cache.Apply(State("b", at: 20));
        Assert.NotNull(cache.Admit(Entry(_token, readAt: 20)));
        Assert.Equal(1, cache.Count);
    }

    [Fact]
    public void A_change_of_another_backend_does_not_matter()
    {
        var cache = Cache();
        cache.Apply(State("other", at: 20));
        Assert.NotNull(cache.Admit(Entry(_token, readAt: 10)));
        Assert.Equal(1, cache.Count);
    }

    [Fact]
    public void A_revoked_token_is_not_revived_by_an_older_answer_and_its_siblings_stay()
    {
        var cache = Cache();
        var sibling = BearerToken.NewRandom();
        cache.Admit(Entry(_token, readAt: 10));
        cache.Admit(Entry(sibling, readAt: 10));
        cache.Apply(Revoked(_token, at: 20));
        Assert.False(cache.TryGet(_token.Value, out _));
        Assert.True(cache.TryGet(sibling.Value, out _));
        Assert.Null(cache.Admit(Entry(_token, readAt: 15)));
    }

    [Fact]
    public void A_change_removes_what_was_read_before_it_and_nothing_that_was_read_after()
    {
        var cache = Cache();
        cache.Admit(Entry(_token, readAt: 30));
        cache.Apply(State("b", at: 20));
        Assert.True(cache.TryGet(_token.Value, out _));
        cache.Apply(State("b", at: 31));
        Assert.False(cache.TryGet(_token.Value, out _));
    }

    [Fact]
    public void An_older_fencing_token_never_replaces_a_newer_one()
    {
        var cache = Cache();
        var newer = cache.Admit(Entry(_token, readAt: 10, fencing: 5));
        Assert.Same(newer, cache.Admit(Entry(_token, readAt: 50, fencing: 4)));
        Assert.True(cache.TryGet(_token.Value, out var kept));
        Assert.Equal(5, kept.Route.Backend.Token.Value);
        Assert.Null(cache.Admit(Entry(BearerToken.NewRandom(), readAt: 50, fencing: 4)));
    }

    [Fact]
    public void A_newer_fencing_token_replaces_all_of_the_older()
    {
        var cache = Cache();
        var sibling = BearerToken.NewRandom();
        cache.Admit(Entry(_token, readAt: 10, fencing: 4));
        cache.Admit(Entry(sibling, readAt: 10, fencing: 5));
        Assert.False(cache.TryGet(_token.Value, out _));
        Assert.True(cache.TryGet(sibling.Value, out _));
    }

    [Fact]
    public void A_newer_fencing_token_replaces_the_older_route_of_the_same_token()
    {
        var cache = Cache();
        cache.Admit(Entry(_token, readAt: 10, fencing: 4));
        cache.Admit(Entry(_token, readAt: 10, fencing: 5));
        Assert.True(cache.TryGet(_token.Value, out var kept));
        Assert.Equal(5, kept.Route.Backend.Token.Value);
        Assert.Equal(1, cache.Count);
    }

    [Fact]
    public void The_oldest_that_was_not_used_goes_first_and_the_bound_holds()
    {
        var cache = Cache(size: 64);
        var tokens = Enumerable.Range(0, 64).Select(_ => BearerToken.NewRandom()).ToArray();
        foreach (var (i, token) in tokens.Index())
        {
            cache.Admit(Entry(token, readAt: 10, backend: $"b{i}"));
        }

        Assert.True(cache.TryGet(tokens[0].Value, out var first));
        first.LastUsed = 1000;
        cache.Admit(Entry(_token, readAt: 10, backend: "new"));
        Assert.InRange(cache.Count, 1, 64);
        Assert.True(cache.TryGet(tokens[0].Value, out _));
        Assert.True(cache.TryGet(_token.Value, out _));
        Assert.False(cache.TryGet(tokens[1].Value, out _));
        Assert.True(cache.TryGet(tokens[63].Value, out _));
    }

    [Fact]
    public void An_evicted_route_knows_that_it_must_ask_about_changes()
    {
        var cache = Cache(size: 1);
        var evicted = cache.Admit(Entry(_token, readAt: 10))!;
        cache.Admit(Entry(BearerToken.NewRandom(), readAt: 10, backend: "other"));
        Assert.True(evicted.IsDetached);
        Assert.False(cache.IsOvertaken(evicted));
        cache.Apply(Revoked(_token, at: 20));
        Assert.True(cache.IsOvertaken(evicted));
    }

    [Fact]
    public void What_was_read_before_missed_changes_is_checked_and_later_such_answers_serve_once()
    {
        var cache = Cache();
        var before = cache.Admit(Entry(_token, readAt: 10))!;
        cache.MissedUpTo(new LogPosition(20, 0));
        Assert.True(cache.MustCheck(before));
        var late = cache.Admit(Entry(BearerToken.NewRandom(), readAt: 15, backend: "other"))!;
        Assert.True(late.IsDetached);
        Assert.Equal(1, cache.Count);
    }

    [Fact]
    public void More_changes_than_are_remembered_raise_the_floor()
    {
        var memory = new ChangeMemory(capacity: 2);
        for (var i = 1; i <= 3; i++)
        {
            memory.Add(BackendName.Parse($"b{i}"), null, new LogPosition(i, 0));
        }

        Assert.Equal(new LogPosition(1, 0), memory.Floor);
        Assert.False(memory.HasLater(BackendName.Parse("b1"), "", LogPosition.Start));
        Assert.True(memory.HasLater(BackendName.Parse("b3"), "", LogPosition.Start));
    }

    [Fact]
    public void A_flood_of_unknown_tokens_is_bounded()
    {
        var negative = new NegativeAnswers(new ProxyOptions { NegativeAnswer = TimeSpan.FromMinutes(1) }, TimeProvider.System);
        var tokens = Enumerable.Range(0, 12_000).Select(i => $"token-{i}").ToArray();
        foreach (var token in tokens)
        {
            negative.Add(token, Resolution.Gone);
        }

        Assert.Equal(10_000, tokens.Count(t => negative.Find(t) is not null));
    }

    [Fact]
    public void No_order_of_answers_and_changes_leaves_a_revoked_route()
    {
        // The log: the route is valid up to position 5, where its token is revoked; an answer read at r says found for r < 5, else gone.
        var random = new Random(1);
        for (var round = 0; round < 2_000; round++)
        {
            var cache = Cache();
            var events = Enumerable.Range(0, 6).Select(_ => random.Next(1, 5)).Cast<int?>().Append(null).ToArray();
            random.Shuffle(events);
            var revoked = false;
            foreach (var readAt in events)
            {
                if (readAt is { } position)
                {
                    var used = cache.Admit(Entry(_token, position));
                    Assert.True(!revoked || used is null);
                }
                else
                {
                    cache.Apply(Revoked(_token, at: 5));
                    revoked = true;
                }

                Assert.False(revoked && cache.TryGet(_token.Value, out _));
            }
        }
    }

    private static RouteCache Cache(int size = 100) => new(new ProxyOptions { RouteCacheSize = size });

    private static RouteEntry Entry(BearerToken token, long readAt, long fencing = 1, string backend = "b")
    {
        var route = new Route
        {
            Backend = new BackendIdentity(BackendName.Parse(backend), new FencingToken(fencing)),
            Cluster = ClusterName.Parse("c.test"),
            Address = "127.0.0.1:1",
            Status = BackendStatus.Ready,
        };
        return RouteEntry.From(token, token.Hash(), route, new LogPosition(readAt, 0), now: 0)!;
    }

    private static Change State(string backend, long at) => new()
    {
        Position = new LogPosition(at, 0),
        Kind = ChangeKind.BackendState,
        Cluster = ClusterName.Parse("c.test"),
        Backend = new BackendIdentity(BackendName.Parse(backend), new FencingToken(1)),
        Status = BackendStatus.Terminated,
    };

    private static Change Revoked(BearerToken token, long at) => State("b", at) with { Kind = ChangeKind.TokenRevoked, Status = null, TokenHash = token.Hash() };
}
