using Plane.Simulation;
using Plane.Simulation.Judging;

namespace Plane.Tests.SimulationTests;

/// <summary>The lease protocol on virtual time: thousands of schedules are clean, and each planted mistake is found.</summary>
public sealed class ScheduleTests
{
    [Fact]
    public void Thousands_of_schedules_break_no_rule_and_each_kind_of_trouble_comes_up_in_them()
    {
        var campaign = new Exploration();
        campaign.Run(1, 4_000, threads: 2);

        Assert.True(campaign.Failures.Count == 0, Replay(campaign, Bug.None, null));
        Assert.Equal(4_000, campaign.Done);
        var unseen = Enum.GetValues<Seen>().Where(s => campaign.Coverage[s] == 0);
        Assert.Empty(unseen);
    }

    /// <summary>The same seed without the mistake is clean: what is found is the mistake. On one thread, so that it is always the same seed.</summary>
    [Theory]
    [InlineData(Bug.HardEqualsSoft, Focus.Mixed, 200, "asked before killed")]
    [InlineData(Bug.ExpiredIsRenewed, Focus.Messages, 1_500, "expired is final")]
    [InlineData(Bug.ExpiryMovesBack, Focus.Database, 3_000, "at most one")]
    [InlineData(Bug.ReleaseWithoutToken, Focus.Ids, 2_500, "at most one")]
    [InlineData(Bug.TokenBeforeRow, Focus.Database, 1_500, "tokens grow")]
    [InlineData(Bug.TerminateOvertakesSpawn, Focus.Mixed, 200, "everyone ends")]
    [InlineData(Bug.LookThenStart, Focus.Agents, 3_000, "at most one")]
    [InlineData(Bug.FreedByReport, Focus.Mixed, 500, "at most one")]
    [InlineData(Bug.HardEqualsExpiry, Focus.Agents, 2_000, "at most one")]
    [InlineData(Bug.TerminatedTooEarly, Focus.Agents, 200, "terminated is final")]
    [InlineData(Bug.DeadlinesFromAnswer, Focus.Messages, 1_500, "at most one")]
    [InlineData(Bug.ExpiredByStart, Focus.Clock, 2_000, "at most one")]
    [InlineData(Bug.ClaimWithoutRow, Focus.Warm, 1_500, "claimed once")]
    [InlineData(Bug.ClaimTokenBeforeRow, Focus.Warm, 2_500, "tokens grow")]
    [InlineData(Bug.ReadyBeforeClaim, Focus.Warm, 200, "ready is claimed")]
    [InlineData(Bug.ClaimNotStored, Focus.Warm, 500, "everyone ends")]
    public void A_planted_mistake_is_found(Bug bug, Focus focus, int within, string rule)
    {
        var campaign = new Exploration();
        campaign.Run(1, within, 1, bug, focus);

        Assert.True(campaign.Failures.Count > 0, $"{bug} was not found in {campaign.Done} schedules");
        var found = campaign.Failures[0];
        Assert.Equal(rule, found.Rule);
        var clean = Schedule.Run(found.Seed, Bug.None, focus: focus);
        Assert.True(clean.Rule is null, clean.ToString());
    }

    /// <summary>The assumptions are needed: where one is broken, a rule is.</summary>
    [Theory]
    [InlineData(Bug.ClockStepTooFar, Focus.Partitions, 3_000)]
    [InlineData(Bug.NoGuard, Focus.Agents, 500)]
    public void Beyond_an_assumption_two_backends_of_one_key_run(Bug broken, Focus focus, int within)
    {
        var campaign = new Exploration();
        campaign.Run(1, within, 1, broken, focus);

        Assert.True(campaign.Failures.Count > 0, $"{broken} did no harm in {campaign.Done} schedules");
        Assert.Equal("at most one", campaign.Failures[0].Rule);
    }

    [Fact]
    public void A_seed_is_the_same_schedule_again_with_and_without_a_trace()
    {
        foreach (var seed in (ulong[])[1, 2, 3, 44])
        {
            var first = Schedule.Run(seed, Bug.FreedByReport);
            var again = Schedule.Run(seed, Bug.FreedByReport, trace: 50);
            Assert.Equal((first.Rule, first.Text, first.Events), (again.Rule, again.Text, again.Events));
            Assert.Empty(first.Trace);
            Assert.InRange(again.Trace.Count, 1, 50);
        }
    }

    private static string Replay(Exploration campaign, Bug bug, Focus? focus) =>
        campaign.Failures is [var first, ..] ? Schedule.Run(first.Seed, bug, trace: 200, focus: focus).ToString() : "";
}
