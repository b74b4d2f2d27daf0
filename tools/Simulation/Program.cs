using System.Diagnostics;
using System.Globalization;
using Plane.Simulation;
using Plane.Simulation.Judging;

// plane-simulation [--schedules N] [--first SEED] [--seed SEED [--trace [LINES]]] [--bug NAME] [--focus NAME] [--threads N]
var schedules = 10_000L;
var first = 1UL;
ulong? seed = null;
var lines = 0;
var bugs = Bug.None;
Focus? focus = null;
var threads = Environment.ProcessorCount;
for (var i = 0; i < args.Length; i++)
{
    string? Value() => i + 1 < args.Length && !args[i + 1].StartsWith('-') ? args[++i] : null;
    T Number<T>()
        where T : IParsable<T> => T.TryParse(Value(), CultureInfo.InvariantCulture, out var n) ? n : throw new FormatException($"{args[i]} is no number");
    try
    {
        switch (args[i])
        {
            case "--schedules": schedules = Number<long>(); break;
            case "--first": first = Number<ulong>(); break;
            case "--seed": seed = Number<ulong>(); break;
            case "--trace": lines = int.TryParse(Value(), CultureInfo.InvariantCulture, out var n) ? n : 400; break;
            case "--bug": bugs |= Enum.Parse<Bug>(Value() ?? "", ignoreCase: true); break;
            case "--focus": focus = Enum.Parse<Focus>(Value() ?? "", ignoreCase: true); break;
            case "--threads": threads = Math.Max(1, Number<int>()); break;
            default: throw new FormatException($"unknown option {args[i]}");
        }
    }
    catch (Exception e) when (e is FormatException or ArgumentException)
    {
        Console.Error.WriteLine($"{e.Message}; options: --schedules N, --first SEED, --seed SEED, --trace [LINES], --bug NAME, --focus NAME, --threads N");
        return 2;
    }
}

if (seed is { } one)
{
    var outcome = Schedule.Run(one, bugs, trace: lines, focus: focus);
    if (outcome.Rule is null)
    {
        foreach (var line in outcome.Trace)
        {
            Console.WriteLine(line);
        }
    }

    Console.WriteLine(outcome);
    return outcome.Rule is null ? 0 : 1;
}

var campaign = new Exploration();
var start = Stopwatch.GetTimestamp();
campaign.Run(first, schedules, threads, bugs, focus, c => Console.Error.WriteLine(
    string.Create(CultureInfo.InvariantCulture, $"{c.Done} schedules, {c.Done / Stopwatch.GetElapsedTime(start).TotalSeconds:0} a second")));
var took = Stopwatch.GetElapsedTime(start);
Console.WriteLine(string.Create(
    CultureInfo.InvariantCulture,
    $"{campaign.Done} schedules, seeds {first} to {first + (ulong)schedules - 1}, {campaign.Events} events, {took.TotalSeconds:0.0} s on {threads} threads, {campaign.Done / took.TotalSeconds:0} schedules a second"));
foreach (var what in Enum.GetValues<Seen>())
{
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {what,-18} {campaign.Coverage[what],14}"));
}

if (campaign.Failures is [var failure, ..])
{
    Console.WriteLine(Schedule.Run(failure.Seed, bugs, trace: 200, focus: focus));
    Console.WriteLine($"replay: --seed {failure.Seed} --trace{(bugs == Bug.None ? "" : $" --bug {bugs}")}{(focus is null ? "" : $" --focus {focus}")}");
    return 1;
}

Console.WriteLine("no rule was broken");
return 0;
