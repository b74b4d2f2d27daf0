using Plane.Chaos.Faults;

namespace Plane.Tests.Verdict;

/// <summary>What a seed draws.</summary>
public sealed class FaultPlanTests
{
    private static readonly TimeSpan Expiry = TimeSpan.FromSeconds(9);

    private static readonly Victims All = new(Guard: true, Controllers: 1);

    [Fact]
    public void The_same_seed_draws_the_same_faults() => Assert.Equal(Draw(7), Draw(7));

    [Fact]
    public void Another_seed_draws_others() => Assert.NotEqual(Draw(7), Draw(8));

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Every_kind_is_drawn_in_the_end_for_every_target(int controllers)
    {
        var victims = All with { Controllers = controllers };
        Assert.Equal(
            FaultKinds.All(victims).SelectMany(k => k.Targets.Select(t => (k.Kind, t))).Distinct().Order(),
            Enumerable.Range(1, 100).SelectMany(seed => Draw(seed, victims)).Select(f => (f.Kind, f.Target)).Distinct().Order());
    }

    [Fact]
    public void Without_a_guard_no_agent_is_away_for_as_long_as_it_may_not_be() => Assert.All(
        Enumerable.Range(1, 20).SelectMany(seed => FaultPlan.Draw(seed, TimeSpan.FromMinutes(5), Expiry, All with { Guard = false }, only: null)).Where(f => f.Kind is FaultKinds.KillAgent or FaultKinds.FreezeAgent),
        f => Assert.InRange(f.Length, TimeSpan.Zero, Expiry * 0.1));

    [Fact]
    public void Only_what_was_asked_for_is_drawn() =>
        Assert.Equal([FaultKinds.Unplug], FaultPlan.Draw(7, TimeSpan.FromMinutes(5), Expiry, All, [FaultKinds.Unplug]).Select(f => f.Kind).Distinct());

    [Fact]
    public void Of_what_makes_one_controller_unwell_each_kind_comes_before_any_comes_again()
    {
        var drawn = Unwell(7).Select(f => f.Kind).ToList();
        Assert.True(drawn.Count > FaultKinds.Unwell.Count);
        Assert.Equal(FaultKinds.Unwell.Order(), drawn.Take(FaultKinds.Unwell.Count).Order());
        Assert.Equal(["co-1", "co-2", "co-3"], Enumerable.Range(1, 20).SelectMany(s => Unwell(s)).Select(f => f.Target).Distinct().Order());
        Assert.Equal(Unwell(7), Unwell(7));
    }

    [Fact]
    public void One_controller_alone_is_never_made_unwell() => Assert.Empty(FaultPlan.DrawUnwell(7, TimeSpan.FromMinutes(5), Expiry, All, only: null));

    private static IReadOnlyList<PlannedFault> Unwell(int seed) => FaultPlan.DrawUnwell(seed, TimeSpan.FromMinutes(5), Expiry, All with { Controllers = 3 }, only: null);

    private static IReadOnlyList<PlannedFault> Draw(int seed, Victims? victims = null) => FaultPlan.Draw(seed, TimeSpan.FromMinutes(5), Expiry, victims ?? All, only: null);
}
