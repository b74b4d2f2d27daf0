using Plane.ProxyHost.Services;

namespace Plane.Tests.Proxy;

/// <summary>What is kept for texts: as many as there is room for, and those in use last to go.</summary>
public sealed class BoundedCacheTests
{
    [Fact]
    public void It_never_holds_more_than_its_room_and_keeps_what_is_used()
    {
        var cache = new BoundedCache<string>(100);
        for (var i = 0; i < 10_000; i++)
        {
            cache.Set($"t{i}", $"v{i}");
            cache.Set("used", "v");
            Assert.True(cache.TryGet("used", out _));
            Assert.InRange(cache.Count, 1, 100);
        }

        Assert.True(cache.TryGet("t9999", out var last));
        Assert.Equal("v9999", last);
        Assert.False(cache.TryGet("t1", out _));
    }

    [Fact]
    public void What_is_set_again_or_forgotten_is_seen_at_once_and_takes_no_room_twice()
    {
        var cache = new BoundedCache<string>(10);
        for (var i = 0; i < 1_000; i++)
        {
            cache.Set("a", $"{i}");
            Assert.True(cache.TryGet("a", out var value));
            Assert.Equal($"{i}", value);
            cache.Remove("a");
            Assert.False(cache.TryGet("a", out _));
        }

        for (var i = 0; i < 10; i++)
        {
            cache.Set($"b{i}", "x");
        }

        Assert.Equal(10, cache.Count);
        Assert.Equal("x", cache.GetOrAdd("b3", "y"));
        Assert.Equal("y", cache.GetOrAdd("b10", "y"));
        Assert.Equal(10, cache.Count);
    }

    [Fact]
    public async Task Many_threads_at_once_leave_it_within_its_room()
    {
        var cache = new BoundedCache<string>(50, StringComparer.OrdinalIgnoreCase);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(t => Task.Run(() =>
        {
            for (var i = 0; i < 5_000; i++)
            {
                var text = $"T{(i * (t + 1)) % 200}";
                cache.Set(text, text);
                _ = cache.TryGet(text.ToLowerInvariant(), out var found);
                Assert.True(found is null || found == text);
                if (i % 7 == 0)
                {
                    cache.Remove(text);
                }
            }
        })));
        Assert.InRange(cache.Count, 0, 50);
    }
}
