namespace Plane.Chaos.Faults;

/// <summary>What a seed means: the same seed and length draw the same faults at the same times.</summary>
internal static class FaultPlan
{
    /// <param name="seed">The seed.</param>
    /// <param name="length">No fault begins later.</param>
    /// <param name="expiry">The unit of time: a lease.</param>
    /// <param name="victims">What there is to befall.</param>
    /// <param name="only">The kinds to draw from, or null for all.</param>
    public static IReadOnlyList<PlannedFault> Draw(int seed, TimeSpan length, TimeSpan expiry, Victims victims, IReadOnlyCollection<string>? only)
    {
        var random = new Random(seed);
        var kinds = FaultKinds.All(victims).Where(k => only is null || only.Contains(k.Kind)).ToList();
        var bag = kinds.SelectMany(k => Enumerable.Repeat(k, k.Weight)).ToList();
        var plan = new List<PlannedFault>();
        var busy = new Dictionary<string, TimeSpan>();
        for (var at = expiry * 0.3; at < length; at += expiry * (0.1 + (0.4 * random.NextDouble())))
        {
            var (kind, targets, _, shortest, longest) = bag[random.Next(bag.Count)];
            var target = targets[random.Next(targets.Length)];
            var lasts = expiry * (shortest + ((longest - shortest) * random.NextDouble()));
            // One fault at a time of a kind and target: two that overlap would undo each other's end.
            // Agent and guard of a drone count as one: that they aren't dead together is an assumption that guarantees depend on.
            var part = FaultKinds.OfTheWay.Contains(kind) ? "way"
                : kind is FaultKinds.KillGuard or FaultKinds.FreezeGuard or FaultKinds.KillAgentAtClaim ? "agent"
                : kind == FaultKinds.KillSiloAtClaim ? "controller"
                : kind.Split('-')[^1];
            var name = $"{part} {target}";
            if (busy.TryGetValue(name, out var until) && until > at)
            {
                continue;
            }

            busy[name] = at + lasts + (expiry * 0.3);
            plan.Add(new PlannedFault(at, kind, target, lasts, random.Next()));
        }

        return plan;
    }

    /// <summary>Draws what makes one controller of several unwell, one fault after another: each kind once before any comes again.</summary>
    /// <param name="seed">The seed.</param>
    /// <param name="length">About how long it continues.</param>
    /// <param name="expiry">The unit of time: a lease.</param>
    /// <param name="victims">What there is to befall.</param>
    /// <param name="only">The kinds to draw from, or null for all.</param>
    public static IReadOnlyList<PlannedFault> DrawUnwell(int seed, TimeSpan length, TimeSpan expiry, Victims victims, IReadOnlyCollection<string>? only)
    {
        var random = new Random(~seed);
        string[] kinds = victims.Controllers < 2 ? [] : [.. FaultKinds.Unwell.Where(k => only is null || only.Contains(k))];
        var plan = new List<PlannedFault>();
        for (var at = TimeSpan.Zero; at < length && kinds.Length > 0;)
        {
            random.Shuffle(kinds);
            foreach (var kind in kinds.TakeWhile(_ => at < length))
            {
                var lasts = expiry * (1.2 + (0.5 * random.NextDouble()));
                plan.Add(new PlannedFault(at, kind, Parts.Controller.NameOf(1 + random.Next(victims.Controllers)), lasts, random.Next()));
                at += lasts + expiry;
            }
        }

        return plan;
    }
}
