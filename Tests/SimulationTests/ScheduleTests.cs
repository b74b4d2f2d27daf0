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
        campaign.Run(1, 2_000, threads: 2);

        Assert.True(campaign.Failures.Count == 0, Replay(campaign, Bug.None, null));
        Assert.Equal(2_000, campaign.Done);
        var unseen = Enum.GetValues<Seen>().Where(s => campaign.Coverage[s] == 0);
        Assert.Empty(unseen);
    }

    /// <summary>The same seed without the mistake is clean: what is found is the mistake.</summary>
    [Theory]
    [InlineData(Bug.HardEqualsSoft, Focus.Mixed, 2, "asked before killed")]
    [InlineData(Bug.ExpiredIsRenewed, Focus.Messages, 186, "expired is final")]
    [InlineData(Bug.ExpiryMovesBack, Focus.Database, 584, "at most one")]
    [InlineData(Bug.ReleaseWithoutToken, Focus.Ids, 61, "at most one")]
    [InlineData(Bug.TokenBeforeRow, Focus.Database, 64, "tokens grow")]
    [InlineData(Bug.TerminateOvertakesSpawn, Focus.Mixed, 29, "everyone ends")]
    [InlineData(Bug.LookThenStart, Focus.Agents, 2070, "at most one")]
    [InlineData(Bug.FreedByReport, Focus.Mixed, 19, "at most one")]
    [InlineData(Bug.HardEqualsExpiry, Focus.Agents, 983, "at most one")]
    [InlineData(Bug.TerminatedTooEarly, Focus.Agents, 12, "terminated is final")]
    [InlineData(Bug.DeadlinesFromAnswer, Focus.Messages, 544, "at most one")]
    [InlineData(Bug.ExpiredByStart, Focus.Clock, 830, "at most one")]
    [InlineData(Bug.ClaimWithoutRow, Focus.Warm, 96, "claimed once")]
    [InlineData(Bug.ClaimTokenBeforeRow, Focus.Warm, 61, "tokens grow")]
    [InlineData(Bug.ReadyBeforeClaim, Focus.Warm, 1, "ready is claimed")]
    [InlineData(Bug.ClaimNotStored, Focus.Warm, 17, "everyone ends")]
    public void A_planted_mistake_is_found(Bug bug, Focus focus, ulong seed, string rule)
    {
        var found = Find(bug, focus, seed);
        Assert.Equal(rule, found.Rule);
        var clean = Schedule.Run(found.Seed, Bug.None, focus: focus);
        Assert.True(clean.Rule is null, clean.ToString());
    }

    /// <summary>The assumptions are needed: where one is broken, a rule is.</summary>
    [Theory]
    [InlineData(Bug.ClockStepTooFar, Focus.Partitions, 248)]
    [InlineData(Bug.NoGuard, Focus.Agents, 14)]
    public void Beyond_an_assumption_two_backends_of_one_key_run(Bug broken, Focus focus, ulong seed) =>
        Assert.Equal("at most one", Find(broken, focus, seed).Rule);

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

    /// <summary>The seed that found it before. Where a change of the model has moved the schedules, it is searched for as that one was: from the first on, on one thread.</summary>
    private static Outcome Find(Bug bug, Focus focus, ulong seed)
    {
        var known = Schedule.Run(seed, bug, focus: focus);
        if (known.Rule is not null)
        {
            return known;
        }

        var campaign = new Exploration();
        campaign.Run(1, 3_000, 1, bug, focus);
        Assert.True(campaign.Failures.Count > 0, $"{bug} was not found in {campaign.Done} schedules");
        return campaign.Failures[0];
    }

    private static string Replay(Exploration campaign, Bug bug, Focus? focus) =>
        campaign.Failures is [var first, ..] ? Schedule.Run(first.Seed, bug, trace: 200, focus: focus).ToString() : "";
}
