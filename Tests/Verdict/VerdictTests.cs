using Plane.Chaos.Faults;
using Plane.Chaos.Verdict;

namespace Plane.Tests.Verdict;

/// <summary>The verdict over planted records: each rule finds its own violation, and a run without one is left in peace.</summary>
public sealed class VerdictTests
{
    private const long Second = 1_000_000_000;

    [Fact]
    public void A_run_in_which_a_key_moves_between_backends_breaks_no_rule()
    {
        Life[] lives = [Lived("one", 10, "k", 2, 5), Lived("two", 11, "k", 6, 9)];
        Entry[] entries =
        [
            Connected("k", "one", 10, 1, 2, spawned: true), Saw("one", "ready", 3, 3.1), Connected("k", "one", 10, 4, 4.1), Saw("one", "terminated", 5.2, 5.3),
            Connected("k", "two", 11, 5.4, 5.6, spawned: true), Phase(Ops.Settled, 8), Connected("k", "two", 11, 8.1, 8.2), Saw("two", "terminated", 9.1, 9.2), Phase(Ops.Over, 9.5),
            Told("one", "scheduled", "ready", "terminated"), Told("two", "scheduled", "loading", "starting", "waiting", "ready", "terminating", "terminated"),
        ];
        Assert.Empty(Judgement.Of(lives, entries));
    }

    [Fact]
    public void Two_lives_of_a_key_that_overlap_are_found() =>
        OnlyFinds(Rules.AtMostOne, [Lived("one", 10, "k", 1, 5), Lived("two", 11, "k", 4.999, 9)], []);

    [Fact]
    public void A_life_within_another_is_found_behind_one_that_came_between() =>
        Assert.Equal(
            2,
            Judgement.Of([Lived("one", 10, "k", 1, 9), Lived("two", 11, "k", 2, 3), Lived("three", 12, "k", 5, 6)], []).Count(f => f.Rule == Rules.AtMostOne));

    [Fact]
    public void A_backend_that_was_started_twice_is_found() =>
        OnlyFinds(Rules.AtMostOne, [Lived("one", 10, "k", 1, 5), Lived("one", 10, "k", 3, 4)], []);

    private static readonly string s_claimed = $"{Second} start one 10 -\n{2 * Second} claim one 12 k\n{3 * Second} claim one 12 k\n{9 * Second} stop one 12 k\n";

    [Fact]
    public void A_warm_backend_lives_for_no_key_until_its_claim_and_for_that_key_then()
    {
        var lives = Life.ParseAll(s_claimed, "warm");
        Assert.Equal([(true, 10L, 1L, 2L), (false, 12L, 2L, 9L)], lives.Select(l => (l.IsWarm, l.Token, l.First / Second, l.Last / Second)));
        Assert.Equal("k", lives[1].Key);
        Assert.Empty(Judgement.Of([.. lives, Lived("two", 11, "k", 0.2, 1.9), Lived("other", 13, "-", 1, 5)], [Connected("k", "one", 12, 1.5, 3)]));
    }

    [Fact]
    public void A_claim_of_a_key_whose_backend_still_lives_is_found() =>
        OnlyFinds(Rules.AtMostOne, [.. Life.ParseAll(s_claimed, "warm"), Lived("two", 11, "k", 0.2, 2.5)], []);

    [Fact]
    public void A_claim_with_a_token_that_is_not_greater_is_found() =>
        OnlyFinds(Rules.TokensGrow, [.. Life.ParseAll(s_claimed, "warm"), Lived("two", 13, "k", 0.2, 0.5)], []);

    [Fact]
    public void A_warm_backend_that_is_told_two_keys_is_found() =>
        OnlyFinds(Rules.ClaimedOnce, [.. Life.ParseAll($"{s_claimed.Replace("stop", "alive", StringComparison.Ordinal)}{10 * Second} claim one 14 other\n", "warm")], []);

    [Fact]
    public void A_backend_that_was_given_to_two_keys_is_found() =>
        OnlyFinds(Rules.ClaimedOnce, [], [Connected("k", "one", 10, 1, 2), Connected("other", "one", 11, 1, 3)]);

    [Fact]
    public void A_visit_before_the_claim_is_found() =>
        OnlyFinds(Rules.NotBeforeClaim, [.. Life.ParseAll($"{Second} start one 10 -\n{2 * Second} visit one 10 -\n", "warm")], []);

    [Fact]
    public void Lives_of_different_keys_may_overlap() =>
        Assert.Empty(Judgement.Of([Lived("one", 10, "k", 1, 5), Lived("two", 11, "other", 2, 5)], []));

    /// <summary>A killed process may have lived for up to 50 ms after its last mark, and may not: that is no proof.</summary>
    [Fact]
    public void A_life_that_begins_within_the_resolution_after_another_is_no_violation() =>
        Assert.Empty(Judgement.Of([Lived("one", 10, "k", 1, 5), Lived("two", 11, "k", 5.01, 9)], []));

    [Fact]
    public void A_frozen_life_lasts_until_its_last_mark()
    {
        var frozen = Life.Parse($"{Second} start one 10 k\n{9 * Second} alive one 10 k\n", "frozen")!;
        Assert.Equal(8 * Second, frozen.LongestGap);
        OnlyFinds(Rules.AtMostOne, [frozen, Lived("two", 11, "k", 3, 4)], []);
    }

    [Fact]
    public void A_token_that_is_smaller_than_an_earlier_lifes_is_found() =>
        OnlyFinds(Rules.TokensGrow, [Lived("one", 10, "k", 1, 2), Lived("two", 9, "k", 3, 4)], []);

    [Fact]
    public void A_token_that_two_backends_got_is_found() =>
        OnlyFinds(Rules.TokensGrow, [], [Connected("k", "one", 10, 1, 2), Connected("k", "two", 10, 1, 3)]);

    [Fact]
    public void An_acknowledged_connect_that_names_a_holder_of_the_past_is_found() =>
        OnlyFinds(Rules.ConnectNamesHolder, [], [Connected("k", "two", 11, 1, 2), Connected("k", "one", 10, 3, 4)]);

    [Fact]
    public void An_acknowledged_connect_may_name_the_older_of_two_that_held_the_key_while_it_ran() =>
        Assert.Empty(Judgement.Of([], [Connected("k", "two", 11, 1, 4), Connected("k", "one", 10, 3, 5)]));

    [Fact]
    public void An_acknowledged_connect_that_names_a_predecessor_of_a_life_is_found() =>
        OnlyFinds(Rules.ConnectNamesHolder, [Lived("two", 11, "k", 1, 9)], [Connected("k", "one", 10, 3, 5)]);

    [Fact]
    public void An_acknowledged_connect_that_names_a_backend_seen_as_terminated_is_found() =>
        OnlyFinds(Rules.ConnectNamesHolder, [], [Saw("one", "terminated", 1, 2), Connected("k", "one", 10, 3, 5)]);

    [Fact]
    public void A_connect_that_was_told_another_token_than_the_backend_is_found() =>
        OnlyFinds(Rules.ConnectNamesHolder, [Lived("one", 10, "k", 3, 5)], [Connected("k", "one", 12, 1, 2)]);

    [Fact]
    public void A_repeat_by_its_request_id_is_answered_as_the_first_one_was_though_others_came_since() =>
        Assert.Empty(Judgement.Of(
            [],
            [
                Connected("k", "one", 10, 1, 2) with { Request = "r", Ticket = 1 },
                Saw("one", "terminated", 3, 4),
                Connected("k", "two", 11, 5, 6),
                Connected("k", "one", 10, 7, 8) with { Request = "r", Ticket = 1 },
            ]));

    [Fact]
    public void A_request_id_with_two_answers_is_found() => OnlyFinds(
        Rules.AnsweredOnce,
        [],
        [Connected("k", "one", 10, 1, 2) with { Request = "r", Ticket = 1 }, Connected("k", "one", 10, 3, 4) with { Request = "r", Ticket = 2 }]);

    [Fact]
    public void A_repeat_that_is_refused_as_another_request_is_found() => OnlyFinds(
        Rules.AnsweredOnce,
        [],
        [Connected("k", "one", 10, 1, 2) with { Request = "r" }, Connected("k", "one", 10, 3, 4) with { Request = "r", Ok = false, Error = "RequestIdTaken" }]);

    [Fact]
    public void A_status_that_moves_back_is_found() =>
        OnlyFinds(Rules.StatesForward, [], [Saw("one", "ready", 1, 2), Saw("one", "starting", 3, 4)]);

    [Fact]
    public void Looks_that_overlap_may_see_either_status() =>
        Assert.Empty(Judgement.Of([], [Saw("one", "ready", 1, 4), Saw("one", "starting", 3, 5)]));

    [Fact]
    public void A_history_out_of_order_is_found() =>
        OnlyFinds(Rules.StatesForward, [], [Told("one", "scheduled", "ready", "waiting", "terminated")]);

    [Fact]
    public void A_history_with_two_ends_is_found() =>
        OnlyFinds(Rules.StatesForward, [], [Told("one", "scheduled", "terminated", "terminated")]);

    [Fact]
    public void A_backend_that_writes_after_it_was_seen_as_terminated_is_found() =>
        OnlyFinds(Rules.TerminatedIsGone, [Lived("one", 10, "k", 1, 5)], [Saw("one", "terminated", 3, 4)]);

    [Fact]
    public void A_backend_that_never_ends_is_found() =>
        OnlyFinds(Rules.EveryoneEnds, [Lived("one", 10, "k", 1, 5)], [Phase(Ops.Over, 6)]);

    [Fact]
    public void A_backend_that_runs_after_the_end_is_found()
    {
        var findings = Judgement.Of([Lived("one", 10, "k", 1, 7)], [Phase(Ops.Over, 6), Told("one", "terminated") with { End = 8 * Second }]);
        Assert.Equal([Rules.EveryoneEnds], findings.Select(f => f.Rule));
    }

    [Fact]
    public void A_ticket_that_opens_another_backend_is_found() => OnlyFinds(
        Rules.RightBackend, [], [Connected("k", "one", 10, 1, 2) with { Ticket = 7 }, Visited(7, 3, answered: "two")]);

    [Fact]
    public void A_revoked_ticket_that_opens_its_backend_is_found() => OnlyFinds(
        Rules.NothingLost,
        [],
        [Connected("k", "one", 10, 1, 2) with { Ticket = 7 }, Revoked(7, 3), Phase(Ops.Settled, 5), Visited(7, 6, answered: "one")]);

    [Fact]
    public void A_ticket_that_does_not_open_its_living_backend_is_found() => OnlyFinds(
        Rules.NothingLost,
        [Lived("one", 10, "k", 2, 20)],
        [Connected("k", "one", 10, 1, 2) with { Ticket = 7 }, Phase(Ops.Settled, 5), Visited(7, 6, answered: null)]);

    [Fact]
    public void A_ticket_whose_revocation_got_no_answer_may_open_its_backend_or_not()
    {
        var unknown = Revoked(7, 3) with { Ok = false, Error = "timeout" };
        Assert.Empty(Judgement.Of(
            [Lived("one", 10, "k", 2, 20)],
            [Connected("k", "one", 10, 1, 2) with { Ticket = 7 }, unknown, Phase(Ops.Settled, 5), Visited(7, 6, answered: "one"), Visited(7, 8, answered: null)]));
    }

    [Fact]
    public void An_acknowledged_end_that_never_came_is_found() => OnlyFinds(
        Rules.NothingLost,
        [Lived("one", 10, "k", 1, 9)],
        [new Entry { Op = Ops.Terminate, Backend = "one", Ok = true, Start = 2 * Second, End = 3 * Second }, Phase(Ops.Settled, 5)]);

    [Fact]
    public void A_key_that_cannot_be_had_again_is_found() => OnlyFinds(
        Rules.Recovers, [], [Phase(Ops.Settled, 5), new Entry { Op = Ops.Connect, Key = "k", Error = "NoDroneAvailable", Start = 6 * Second, End = 7 * Second }]);

    [Fact]
    public void A_controller_that_does_not_come_back_is_found()
    {
        var asked = Connected("k", "one", 10, 6, 7);
        OnlyFinds(Rules.ServesAgain, [], [Phase(Ops.Settled, 5), asked with { Controller = "co-1" }, asked with { Ok = false, Error = "away", Controller = "co-2" }]);
        Assert.Empty(Judgement.Of([], [Phase(Ops.Settled, 5), asked with { Ok = false, Error = "away", Controller = "co-1" }, asked with { Controller = "co-1" }]));
    }

    [Fact]
    public void A_backend_that_was_spawned_on_a_draining_drone_is_found()
    {
        Entry drain = new() { Op = Ops.Drain, Drone = "dr-1", Ok = true, Start = Second, End = 2 * Second };
        Entry undrain = new() { Op = Ops.Undrain, Drone = "dr-1", Ok = true, Start = 5 * Second, End = 6 * Second };
        OnlyFinds(Rules.DrainHolds, [], [drain, Connected("k", "one", 10, 3, 4, spawned: true), undrain]);
        Assert.Empty(Judgement.Of([], [drain, Connected("k", "one", 10, 4, 5.5, spawned: true), undrain, Connected("j", "two", 11, 7, 8, spawned: true)]));
    }

    [Theory]
    [InlineData(Probes.First, 0.9, 0, true)]
    [InlineData(Probes.First, 1.1, 0, false)]
    [InlineData(Probes.First, 1.1, 0.2, true)]
    [InlineData(Probes.First, 1.3, 0.2, false)]
    [InlineData(Probes.Held, 0.9, 0, true)]
    [InlineData(Probes.Held, 1.1, 0, false)]
    public void Who_waits_for_longer_than_a_second_and_the_machines_own_noise_while_one_controller_is_well_is_found(string probe, double took, double noise, bool isFine)
    {
        Entry[] entries = [.. Window(FaultKinds.FreezeSilo), Probe(probe, 10, 10 + took), Probe(Probes.Known, 10.1, 10.1 + noise)];
        Assert.Equal(isFine ? [] : [Rules.ShortWaits], Judgement.Of([], entries).Select(f => f.Rule));
    }

    [Fact]
    public void A_probe_that_fails_while_one_controller_is_well_is_found_with_its_way()
    {
        var finding = Assert.Single(Judgement.Of([], [.. Window(FaultKinds.FreezeSilo), Probe(Probes.First, 10, 10.1) with { Ok = false, Error = "503" }]));
        Assert.Equal(Rules.ShortWaits, finding.Rule);
        Assert.Equal(["px-1", "co-2"], finding.Trace!.Parts);
        Assert.Equal(DateTimeOffset.FromUnixTimeSeconds(1_010), finding.Trace.From);
    }

    [Fact]
    public void What_takes_long_while_no_window_is_open_is_not_judged() =>
        Assert.Empty(Judgement.Of([], [.. Window(FaultKinds.FreezeSilo), Probe(Probes.First, 60, 70)]));

    [Theory]
    [InlineData(FaultKinds.PartDatabase, 18, false)]
    [InlineData(FaultKinds.PartDatabase, 8, true)]
    [InlineData(FaultKinds.FreezeSilo, 18, true)]
    public void An_unwell_controller_that_calls_itself_healthy_is_found(string kind, double at, bool isFine) =>
        Assert.Equal(isFine ? [] : [Rules.SaysSo], Judgement.Of([], [.. Window(kind), Healthy(at)]).Select(f => f.Rule));

    [Fact]
    public void A_controller_that_is_not_well_again_after_its_fault_is_found() =>
        OnlyFinds(Rules.WellAgain, [], [.. Window(FaultKinds.SlowSilo)[..2], Healthy(40) with { Ok = false, Error = "timeout" }]);

    [Fact]
    public void A_last_line_that_a_kill_cut_off_does_not_count()
    {
        var life = Life.Parse("1000 start one 10 a%20room\n2000 alive one 10 a%20room\n30", "cut")!;
        Assert.Equal(("one", 10L, "a room", 1000L, 2000L, false), (life.Backend, life.Token, life.Key, life.First, life.Last, life.Stopped));
        Assert.Null(Life.Parse("1000 sta", "cut"));
    }

    [Fact]
    public void A_line_that_is_none_is_refused() => Assert.Throws<InvalidDataException>(() => Life.Parse("1000 start one 10 k\nnonsense\n", "bad"));

    [Fact]
    public void The_longest_time_without_a_backend_counts_from_the_first_request_that_found_none()
    {
        var figures = Figures.Of(
            [Lived("one", 10, "k", 2, 5), Lived("two", 11, "k", 12, 20)],
            [Connected("k", "one", 10, 1, 2), new Entry { Op = Ops.Connect, Key = "k", Error = "timeout", Start = 8 * Second, End = 9 * Second }, Connected("k", "two", 11, 10, 11)]);
        Assert.Equal(TimeSpan.FromSeconds(4), figures.LongestWithout);
        Assert.Equal(TimeSpan.FromSeconds(7), figures.NarrowestHandover);
    }

    [Fact]
    public void Entries_are_read_as_they_were_written()
    {
        var entry = Connected("a room", "one", 10, 1, 2, spawned: true) with { Drone = "dr-1", Status = "ready", Ticket = 3, History = ["scheduled"] };
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, EntryFile.Line(entry) + "\n");
            var read = Assert.Single(EntryFile.Read(file));
            Assert.Equal(entry with { History = null }, read with { History = null });
            Assert.Equal(entry.History, read.History);
        }
        finally
        {
            File.Delete(file);
        }
    }

    /// <summary>A fault of co-2 from 2 to 30 s, after which it is healthy again.</summary>
    private static Entry[] Window(string kind) =>
    [
        new() { Op = Ops.Window, Key = kind, Start = 0, End = 50 * Second, Utc = 1_000_000 },
        new() { Op = Ops.Fault, Key = kind, Controller = "co-2", Start = 2 * Second, End = 30 * Second },
        Healthy(40),
    ];

    private static Entry Healthy(double at) => new() { Op = Ops.Health, Controller = "co-2", Ok = true, Start = (long)(at * Second), End = (long)((at + 0.1) * Second) };

    private static Entry Probe(string probe, double from, double to) => new()
    {
        Op = probe == Probes.Held ? Ops.Connect : Ops.Visit, Probe = probe, Key = "steady 1", Ok = true, Controller = probe == Probes.Held ? "co-1" : null,
        Proxy = probe == Probes.Held ? null : "px-1", Backend = "one", Token = 10, Start = (long)(from * Second), End = (long)(to * Second),
    };

    private static void OnlyFinds(string rule, Life[] lives, Entry[] entries)
    {
        var finding = Assert.Single(Judgement.Of(lives, entries));
        Assert.Equal(rule, finding.Rule);
    }

    private static Life Lived(string backend, long token, string key, double from, double to) =>
        new(backend, token, key, At(from), At(to), Stopped: true, 0, backend);

    private static Entry Connected(string key, string backend, long token, double from, double to, bool spawned = false) => new()
    {
        Op = Ops.Connect, Key = key, Backend = backend, Token = token, Spawned = spawned, Drone = spawned ? "dr-1" : null, Ok = true, Start = At(from), End = At(to),
    };

    private static Entry Saw(string backend, string status, double from, double to) =>
        new() { Op = Ops.Status, Backend = backend, Status = status, Ok = true, Start = At(from), End = At(to) };

    private static Entry Told(string backend, params string[] history) =>
        new() { Op = Ops.History, Backend = backend, History = history, Ok = true, Start = At(9.6), End = At(9.7) };

    private static Entry Visited(int ticket, double at, string? answered) => new()
    {
        Op = Ops.Visit, Ticket = ticket, Ok = answered is not null, Answered = answered, Error = answered is null ? "410" : null, Start = At(at), End = At(at + 0.1),
    };

    private static Entry Revoked(int ticket, double at) => new() { Op = Ops.Revoke, Ticket = ticket, Ok = true, Start = At(at), End = At(at + 0.1) };

    private static Entry Phase(string name, double at) => new() { Op = Ops.Phase, Key = name, Ok = true, Start = At(at), End = At(at) };

    private static long At(double seconds) => (long)(seconds * Second);
}
