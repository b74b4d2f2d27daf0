using Microsoft.Extensions.DependencyInjection;
using Orleans;
using Plane.Tests.Support;

namespace Plane.Tests.Engine;

public sealed class CallsTests(ProbeCluster cluster) : IClassFixture<ProbeCluster>
{
    [Fact]
    public async Task A_call_reaches_the_grain_with_its_key_and_returns()
    {
        var grain = cluster.Client.GetGrain<IProbe>("somebody");
        Assert.Equal("somebody", await grain.WhoAreYou());
        Assert.Equal("somebody", grain.GetPrimaryKeyString());
    }

    [Theory]
    [InlineData("with space")]
    [InlineData("3:abc\"\\/{}[]")]
    [InlineData("ключ-鍵-🔑")]
    [InlineData("a\u2028b")]
    public async Task A_key_may_be_any_text(string key) => Assert.Equal(key, await cluster.Client.GetGrain<IProbe>(key).WhoAreYou());

    [Theory]
    [InlineData("")]
    [InlineData(" \t")]
    public void A_blank_key_is_refused(string key) => Assert.ThrowsAny<ArgumentException>(() => cluster.Client.GetGrain<IProbe>(key));

    [Fact]
    public async Task A_grain_calls_another_grain() => Assert.Equal("the-other", await cluster.NewProbe().AskOther("the-other"));

    [Fact]
    public async Task The_silo_has_a_client_of_its_own()
    {
        var inSilo = cluster.Cluster.GetSiloServiceProvider().GetRequiredService<IClusterClient>();
        Assert.Equal("inside", await inSilo.GetGrain<IProbe>("inside").WhoAreYou());
    }

    [Fact]
    public async Task Client_and_silo_reach_the_same_activation()
    {
        var key = Guid.NewGuid().ToString("N");
        var inSilo = cluster.Cluster.GetSiloServiceProvider().GetRequiredService<IGrainFactory>();
        await cluster.Client.GetGrain<IProbe>(key).Increment(null);
        Assert.Equal(2, await inSilo.GetGrain<IProbe>(key).Increment(null));
    }

    [Fact]
    public async Task Many_calls_at_once_all_return()
    {
        var grains = Enumerable.Range(0, 50).Select(_ => cluster.NewProbe()).ToArray();
        var calls = Enumerable.Range(0, 5000).Select(i => grains[i % grains.Length].Increment(null)).ToArray();
        var results = await Task.WhenAll(calls);
        Assert.Equal(5000, results.Length);
        Assert.All(grains.Select((_, i) => results.Where((_, n) => n % grains.Length == i)), of => Assert.Equal(Enumerable.Range(1, 100), of.Order()));
    }

    [Fact]
    public async Task A_grain_gets_its_services_by_its_constructor() => Assert.True(await cluster.NewProbe().Instance() > 0);

    [Fact]
    public async Task A_one_way_call_returns_at_once_and_is_carried_out()
    {
        var grain = cluster.NewProbe();
        var text = Guid.NewGuid().ToString("N");
        await grain.Note(text);
        await cluster.Signals.HeardAsync($"noted {text}");
    }

    [Fact]
    public async Task A_one_way_call_that_fails_harms_nobody()
    {
        var grain = cluster.NewProbe();
        await grain.FailOneWay();
        await grain.Note("after");

        // One-way calls have no order among themselves, nor with what follows them.
        await Eventually.SeenAsync(_ => grain.Notes(), notes => notes.Contains("after"), "the grain goes on");
    }

    [Fact]
    public async Task A_known_exception_of_the_grain_arrives_as_what_it_is()
    {
        var grain = cluster.NewProbe();
        Assert.Equal("a bad one", (await Assert.ThrowsAsync<ArgumentException>(() => grain.Throw("argument", "a bad one"))).Message);
        Assert.Equal("not now", (await Assert.ThrowsAsync<InvalidOperationException>(() => grain.Throw("invalid", "not now"))).Message);
    }

    [Fact]
    public async Task An_exception_of_the_grain_is_not_an_unknown_outcome()
    {
        var e = await Assert.ThrowsAnyAsync<Exception>(() => cluster.NewProbe().Throw("invalid", "the grain's own"));
        Assert.False(CallFailed.IsUnknownOutcome(e));
    }

    [Fact]
    public async Task An_exception_of_a_foreign_type_keeps_its_message()
    {
        var e = await Assert.ThrowsAnyAsync<Exception>(() => cluster.NewProbe().Throw("other", "only here"));
        Assert.Contains("only here", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_failed_call_leaves_the_grain_usable()
    {
        var grain = cluster.NewProbe();
        await grain.Increment(null);
        await Assert.ThrowsAsync<ArgumentException>(() => grain.Throw("argument", "x"));
        Assert.Equal(2, await grain.Increment(null));
    }

    [Fact]
    public void References_to_one_grain_are_equal()
    {
        Assert.Equal(cluster.Client.GetGrain<IProbe>("same"), cluster.Client.GetGrain<IProbe>("same"));
        Assert.NotEqual(cluster.Client.GetGrain<IProbe>("same"), cluster.Client.GetGrain<IProbe>("other"));
    }

    [Fact]
    public void The_set_of_unknown_outcomes_is_time_outs_and_failures_of_the_engine()
    {
        Assert.True(CallFailed.IsUnknownOutcome(new TimeoutException()));
        Assert.True(CallFailed.IsUnknownOutcome(new Orleans.Runtime.SiloUnavailableException()));
        Assert.True(CallFailed.IsUnknownOutcome(new Orleans.Runtime.OrleansException()));
        Assert.False(CallFailed.IsUnknownOutcome(new OperationCanceledException()));
        Assert.False(CallFailed.IsUnknownOutcome(new InvalidOperationException()));
    }
}
