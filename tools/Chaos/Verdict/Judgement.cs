namespace Plane.Chaos.Verdict;

/// <summary>
/// Judges a run from two records alone: what the backends wrote of their own lives and what the clients wrote of their requests. It knows nothing of what was
/// going on inside. But for the last, no rule depends on how fast anything was: a violation is a contradiction between two things that somebody saw.
/// <list type="number">
/// <item>Two lives of one key overlap only if both wrote marks within the overlap (<see cref="Life"/>).</item>
/// <item>The lives of a key, in order of start, have growing tokens; so have acknowledged connects of which one ended before the other began; what a client was told of a backend is what the backend was told.</item>
/// <item>A look at a status that began after another look had ended sees no earlier status; a history is in order, ends with the one <c>terminated</c>.</item>
/// <item>At the end every backend that anybody knows of is <c>terminated</c> and writes no more.</item>
/// <item>No mark is later than the end of a look that saw <c>terminated</c>.</item>
/// <item>An acknowledged connect names no backend that, before the request began, was seen as <c>terminated</c> or had a successor.</item>
/// <item>What is visited with a ticket is the backend that it was issued for.</item>
/// <item>Once faults are over: who was told to end has; a revoked ticket opens nothing; any other one reaches its backend while that lives.</item>
/// <item>Then, too, every key that is asked for is answered, and every controller answers.</item>
/// <item>Between the acknowledged drain of a drone and the request to end that, it gets no backend.</item>
/// <item>All acknowledged connects with one request id name one backend and one token.</item>
/// <item>A warm backend is visited by no client before it has its key, gets one key and token, and clients are answered one for it.</item>
/// <item>While nothing but one controller of several is unwell, see <see cref="Patience"/>.</item>
/// </list>
/// A connect that repeats another by its request id is judged as if it had begun with the first of them: it is answered what that one was.
/// </summary>
internal sealed class Judgement
{
    // Written down here once more, so that a mistake in the product's own table is found.
    private static readonly string[] Order = ["scheduled", "loading", "starting", "waiting", "ready", "terminating", "hard-terminating", "terminated"];

    private readonly List<Finding> _findings = [];
    private readonly IReadOnlyList<Life> _lives;
    private readonly IReadOnlyList<Entry> _entries;

    private Judgement(IReadOnlyList<Life> lives, IReadOnlyList<Entry> entries)
    {
        _lives = lives;
        var begun = entries.Where(e => e.Request is not null).GroupBy(e => e.Request!).ToDictionary(g => g.Key, g => g.Min(e => e.Start));
        _entries = [.. entries.Select(e => e.Request is null ? e : e with { Start = begun[e.Request] })];
    }

    public static IReadOnlyList<Finding> Of(IReadOnlyList<Life> lives, IReadOnlyList<Entry> entries) => new Judgement(lives, entries).Judge();

    private List<Finding> Judge()
    {
        Lives();
        Connects();
        States();
        Ends();
        Visits();
        Acknowledged();
        Drains();
        Repeats();
        Claims();
        _findings.AddRange(Patience.Judge(_entries));
        return [.. _findings.OrderBy(f => f.At)];
    }

    private void Lives()
    {
        foreach (var ofKey in _lives.GroupBy(l => l.Key))
        {
            var ordered = ofKey.OrderBy(l => l.First).ToList();
            for (var i = 0; i < ordered.Count; i++)
            {
                for (var j = i + 1; j < ordered.Count && ordered[j].First <= ordered[i].Last; j++)
                {
                    Find(
                        Rules.AtMostOne,
                        $"key {ofKey.Key}: {Name(ordered[j])} started {Seconds(ordered[i].Last - ordered[j].First)} before the last mark of {Name(ordered[i])}",
                        ordered[j].First);
                }

                if (i > 0 && ordered[i].Token <= ordered[i - 1].Token && (ordered[i].Backend != ordered[i - 1].Backend || ordered[i].Token < ordered[i - 1].Token))
                {
                    Find(Rules.TokensGrow, $"key {ofKey.Key}: {Name(ordered[i])} started after {Name(ordered[i - 1])}", ordered[i].First);
                }
            }
        }
    }

    private void Connects()
    {
        var ended = Terminated();
        var lifeOf = _lives.ToLookup(l => l.Backend);
        foreach (var ofKey in _entries.Where(e => e is { Op: Ops.Connect, Ok: true }).GroupBy(e => e.Key))
        {
            // Everything that proves that a token of this key was drawn by then.
            var drawn = ofKey.Select(e => (At: e.End, e.Token, What: $"{e.Backend} ({e.Token}) had been answered"))
                .Concat(_lives.Where(l => l.Key == ofKey.Key).Select(l => (At: l.First, l.Token, What: $"{Name(l)} had started")))
                .OrderBy(d => d.At)
                .ToList();
            var next = 0;
            (long At, long Token, string What) greatest = (0, 0, "");
            foreach (var connect in ofKey.OrderBy(e => e.Start))
            {
                for (; next < drawn.Count && drawn[next].At < connect.Start; next++)
                {
                    greatest = drawn[next].Token > greatest.Token ? drawn[next] : greatest;
                }

                if (greatest.Token > connect.Token)
                {
                    Find(Rules.ConnectNamesHolder, $"key {ofKey.Key}: answered {connect.Backend} ({connect.Token}) to a request that began after {greatest.What}", connect.End);
                }

                if (ended.TryGetValue(connect.Backend!, out var gone) && gone < connect.Start)
                {
                    Find(Rules.ConnectNamesHolder, $"key {ofKey.Key}: answered {connect.Backend}, which had been seen as terminated {Seconds(connect.Start - gone)} before the request", connect.End);
                }

                foreach (var life in lifeOf[connect.Backend!].Where(l => !l.IsWarm).Where(l => l.Token != connect.Token || l.Key != connect.Key))
                {
                    Find(Rules.ConnectNamesHolder, $"answered {connect.Backend} ({connect.Token}) of key {connect.Key}, which knows itself as {life.Token} of key {life.Key}", connect.End);
                }
            }

            foreach (var token in ofKey.GroupBy(e => e.Token).Where(g => g.Select(e => e.Backend).Distinct().Count() > 1))
            {
                Find(Rules.TokensGrow, $"key {ofKey.Key}: token {token.Key} was given to {string.Join(" and ", token.Select(e => e.Backend).Distinct())}", token.First().End);
            }
        }
    }

    private void States()
    {
        foreach (var ofBackend in _entries.Where(e => e is { Op: Ops.Status, Ok: true }).GroupBy(e => e.Backend))
        {
            var byEnd = ofBackend.OrderBy(e => e.End).ToList();
            var next = 0;
            Entry? furthest = null;
            foreach (var look in ofBackend.OrderBy(e => e.Start))
            {
                for (; next < byEnd.Count && byEnd[next].End < look.Start; next++)
                {
                    furthest = furthest is null || Rank(byEnd[next].Status) > Rank(furthest.Status) ? byEnd[next] : furthest;
                }

                if (furthest is not null && Rank(look.Status) < Rank(furthest.Status))
                {
                    Find(Rules.StatesForward, $"{ofBackend.Key} was {look.Status} {Seconds(look.Start - furthest.End)} after it was {furthest.Status}", look.End);
                }
            }
        }

        foreach (var entry in _entries.Where(e => e is { Op: Ops.History, Ok: true }))
        {
            var ranks = (entry.History ?? []).Select(Rank).ToList();
            if (ranks.Contains(-1) || !ranks.SequenceEqual(ranks.Distinct().Order()))
            {
                Find(Rules.StatesForward, $"{entry.Backend} went {string.Join(", ", entry.History ?? [])}", entry.End);
            }
        }
    }

    private void Ends()
    {
        var ended = Terminated();
        foreach (var life in _lives)
        {
            if (ended.TryGetValue(life.Backend, out var gone) && life.Last > gone)
            {
                Find(Rules.TerminatedIsGone, $"{Name(life)} of key {life.Key} wrote {Seconds(life.Last - gone)} after it had been seen as terminated", life.Last);
            }
        }

        if (Phase(Ops.Over) is not { } over)
        {
            return;
        }

        foreach (var life in _lives.Where(l => l.Last > over))
        {
            Find(Rules.EveryoneEnds, $"{Name(life)} of key {life.Key} runs on at the end", life.Last);
        }

        foreach (var backend in _lives.Select(l => l.Backend).Concat(_entries.Where(e => e is { Op: Ops.Connect, Ok: true }).Select(e => e.Backend!)).Distinct())
        {
            if (!ended.ContainsKey(backend))
            {
                Find(Rules.EveryoneEnds, $"{backend} was never seen as terminated", over);
            }
        }
    }

    private void Visits()
    {
        var issued = Issued();
        foreach (var visit in _entries.Where(e => e is { Op: Ops.Visit, Ok: true }))
        {
            if (issued.TryGetValue(visit.Ticket, out var connect) && visit.Answered != connect.Backend)
            {
                Find(Rules.RightBackend, $"ticket {visit.Ticket} of {connect.Backend} was answered by {visit.Answered}", visit.End);
            }
            else if (connect is not null && visit.AnsweredToken is > 0 and var token && token != connect.Token)
            {
                Find(Rules.RightBackend, $"ticket {visit.Ticket} of {connect.Backend} ({connect.Token}) was answered by it as {token}", visit.End);
            }
        }
    }

    private void Acknowledged()
    {
        if (Phase(Ops.Settled) is not { } settled)
        {
            return;
        }

        foreach (var ofKey in _entries.Where(e => e.Op == Ops.Connect && e.Start > settled).GroupBy(e => e.Key))
        {
            if (!ofKey.Any(e => e.Ok))
            {
                Find(Rules.Recovers, $"key {ofKey.Key} could not be had any more: {string.Join(", ", ofKey.Select(e => e.Error).Distinct())}", settled);
            }
        }

        foreach (var ofController in _entries.Where(e => e.Op == Ops.Connect && e.Controller is not null && e.Start > settled).GroupBy(e => e.Controller))
        {
            if (!ofController.Any(e => e.Ok))
            {
                Find(Rules.ServesAgain, $"controller {ofController.Key} does not serve any more: {string.Join(", ", ofController.Select(e => e.Error).Distinct())}", settled);
            }
        }

        var lifeOf = _lives.ToLookup(l => l.Backend);
        foreach (var terminate in _entries.Where(e => e is { Op: Ops.Terminate, Ok: true } && e.End < settled).DistinctBy(e => e.Backend))
        {
            foreach (var life in lifeOf[terminate.Backend!].Where(l => l.Last > settled))
            {
                Find(Rules.NothingLost, $"{Name(life)} was told to end {Seconds(settled - terminate.End)} before the faults were over for long, and runs", terminate.End);
            }
        }

        var issued = Issued();
        var revokes = _entries.Where(e => e.Op == Ops.Revoke).ToLookup(e => e.Ticket);
        foreach (var visit in _entries.Where(e => e.Op == Ops.Visit && e.Start > settled && issued.ContainsKey(e.Ticket)))
        {
            var backend = issued[visit.Ticket].Backend!;
            if (revokes[visit.Ticket].Any(r => r.Ok && r.End < settled))
            {
                if (visit.Ok)
                {
                    Find(Rules.NothingLost, $"ticket {visit.Ticket} of {backend} was revoked and opens it", visit.End);
                }
            }
            else if (!visit.Ok
                && !revokes[visit.Ticket].Any()
                && lifeOf[backend].Any(l => l.First < settled && l.Last > visit.End + (20 * Life.Resolution))
                && !_entries.Any(e => e.Op == Ops.Terminate && e.Backend == backend))
            {
                Find(Rules.NothingLost, $"ticket {visit.Ticket} was refused ({visit.Error}) though {backend} lives", visit.End);
            }
        }
    }

    private void Drains()
    {
        var undrains = _entries.Where(e => e.Op == Ops.Undrain).OrderBy(e => e.Start).ToList();
        foreach (var drain in _entries.Where(e => e is { Op: Ops.Drain, Ok: true }))
        {
            var until = undrains.FirstOrDefault(u => u.Drone == drain.Drone && u.Start > drain.End)?.Start ?? long.MaxValue;
            foreach (var connect in _entries.Where(e => e is { Op: Ops.Connect, Ok: true, Spawned: true } && e.Drone == drain.Drone && e.Start > drain.End && e.End < until))
            {
                Find(Rules.DrainHolds, $"{connect.Backend} was spawned on {drain.Drone} {Seconds(connect.Start - drain.End)} after it began to drain", connect.End);
            }
        }
    }

    private void Claims()
    {
        foreach (var life in _lives)
        {
            if (life.EarlyVisits > 0)
            {
                Find(Rules.NotBeforeClaim, $"{Name(life)} was visited {life.EarlyVisits} times before it was claimed", life.Last);
            }

            if (life.SecondClaim is { } second)
            {
                Find(Rules.ClaimedOnce, $"{Name(life)} of key {life.Key} was told another claim: {second}", life.Last);
            }
        }

        // What clients were answered for it: one key and one token for each backend.
        foreach (var ofBackend in _entries.Where(e => e is { Op: Ops.Connect, Ok: true }).GroupBy(e => e.Backend))
        {
            if (ofBackend.Select(e => (e.Key, e.Token)).Distinct().Count() > 1)
            {
                Find(Rules.ClaimedOnce, $"{ofBackend.Key} was given to {string.Join(" and ", ofBackend.Select(e => $"key {e.Key} ({e.Token})").Distinct())}", ofBackend.Max(e => e.End));
            }
        }
    }

    private void Repeats()
    {
        foreach (var request in _entries.Where(e => e is { Op: Ops.Connect, Request: not null }).GroupBy(e => e.Request))
        {
            var answers = request.Where(e => e.Ok).ToList();
            foreach (var other in answers.Where(a => (a.Backend, a.Token, a.Ticket) != (answers[0].Backend, answers[0].Token, answers[0].Ticket)))
            {
                Find(Rules.AnsweredOnce, $"request {request.Key} was answered {answers[0].Backend} (ticket {answers[0].Ticket}) and {other.Backend} (ticket {other.Ticket})", other.End);
            }

            foreach (var refused in request.Where(e => e.Error == "RequestIdTaken"))
            {
                Find(Rules.AnsweredOnce, $"request {request.Key} was refused as another one's", refused.End);
            }
        }
    }

    /// <summary>When each backend was first seen as terminated.</summary>
    private Dictionary<string, long> Terminated() => _entries
        .Where(e => e.Ok && ((e.Op == Ops.Status && e.Status == "terminated") || (e.Op == Ops.History && e.History is [.., "terminated"])))
        .GroupBy(e => e.Backend!)
        .ToDictionary(g => g.Key, g => g.Min(e => e.End));

    private Dictionary<int, Entry> Issued() => _entries
        .Where(e => e is { Op: Ops.Connect, Ok: true, Ticket: > 0 })
        .GroupBy(e => e.Ticket)
        .ToDictionary(g => g.Key, g => g.First());

    private long? Phase(string name) => _entries.FirstOrDefault(e => e.Op == Ops.Phase && e.Key == name)?.Start;

    private static int Rank(string? status) => Array.IndexOf(Order, status);

    private static string Name(Life life) => $"{life.Backend} ({life.Token})";

    private static string Seconds(long nanoseconds) => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{nanoseconds / 1e9:F3} s");

    private void Find(string rule, string what, long at) => _findings.Add(new Finding(rule, what, at));
}
