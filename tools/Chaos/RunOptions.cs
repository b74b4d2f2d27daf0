using System.Globalization;
using Plane.Chaos.Faults;

namespace Plane.Chaos;

/// <summary>What a run is asked to be.</summary>
internal sealed record RunOptions
{
    public const string Usage = """
        plane chaos [--seed N] [--minutes M] [--keep DIR] [--scale F] [--keys N] [--controllers N] [--faults KIND,…]
        plane chaos --measure [--scale F] [--controllers N] [--keep DIR]     the measured scenarios, with the default times of leases
        plane chaos --upgrade --other DIR [--keep DIR]     one program after another from the other build to this one
        plane chaos --judge DIR                            the verdict over the records of an earlier run

          --seed     draws faults and load; a random one is drawn, and printed, where none is given
          --minutes  how long faults happen [default: 10]
          --keep     where logs and records go, kept in any case; else they are kept only of a run that failed
          --scale    times of the leases, as a part of the defaults [default: 0.25, an expiry of 15 s: controllers need some seconds
                     to find that one is dead]
          --keys     how many keys are fought for [default: 10]
          --controllers  how many, 1 to 5 [default: 2]
          --faults   only these kinds; where all of them make one controller unwell, one such fault after another
          --other    another version's checkout, built there: each start of a program draws one of the two
          --no-guard no fault lets an agent be away for as long as a lease
        """;

    public int? SeedGiven { get; init; }

    public double Minutes { get; init; } = 10;

    public string? Keep { get; init; }

    public double? Scale { get; init; }

    public int Keys { get; init; } = 10;

    public int Controllers { get; init; } = 2;

    public string[]? Faults { get; init; }

    public bool Guard { get; init; } = GuardByDefault;

    public bool Measure { get; init; }

    public string? Judge { get; init; }

    public string? Other { get; init; }

    public bool Upgrade { get; init; }

    /// <summary>Whether drones have a guard.</summary>
    public const bool GuardByDefault = true;

    /// <summary>
    /// With Orleans a silo that is gone is declared dead after 3 to 4 s, and a renewal that hung with it is asked again. A session is to outlive that: soft - renew-after is
    /// 6.25 s at this scale.
    /// </summary>
    public static double ScaleByDefault => 0.25;

    /// <summary>Whether there are faults that befall beside each other; else one controller alone is unwell all the time.</summary>
    public bool HasMixedFaults => Faults is null || Faults.Except(FaultKinds.Unwell).Any() || Controllers == 1;

    public Victims Victims => VictimsOf(Guard, Controllers);

    /// <summary>The options, or what is wrong with them.</summary>
    public static (RunOptions? Options, string? Problem) Parse(string[] arguments)
    {
        var options = new RunOptions();
        for (var i = 0; i < arguments.Length; i++)
        {
            switch (arguments[i])
            {
                case "--measure":
                    options = options with { Measure = true };
                    continue;
                case "--upgrade":
                    options = options with { Upgrade = true };
                    continue;
                case "--no-guard":
                    options = options with { Guard = false };
                    continue;
                case "--seed" or "--minutes" or "--keep" or "--scale" or "--keys" or "--controllers" or "--faults" or "--judge" or "--other" when i + 1 < arguments.Length:
                    break;
                default:
                    return (null, $"'{arguments[i]}' is not understood");
            }

            var (name, value) = (arguments[i], arguments[++i]);
            var number = double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var d) ? d : double.NaN;
            switch (name)
            {
                case "--seed" when number is >= 0 and <= int.MaxValue:
                    options = options with { SeedGiven = (int)number };
                    break;
                case "--minutes" when number is > 0 and <= 1_440:
                    options = options with { Minutes = number };
                    break;
                case "--scale" when number is >= 0.05 and <= 2:
                    options = options with { Scale = number };
                    break;
                case "--keys" when number is >= 1 and <= 1_000:
                    options = options with { Keys = (int)number };
                    break;
                case "--controllers" when number is >= 1 and <= 5:
                    options = options with { Controllers = (int)number };
                    break;
                case "--keep":
                    options = options with { Keep = value };
                    break;
                case "--other":
                    options = options with { Other = Path.GetFullPath(value) };
                    break;
                case "--judge":
                    options = options with { Judge = value };
                    break;
                case "--faults":
                    options = options with { Faults = value.Split(',') };
                    break;
                default:
                    return (null, $"{name} cannot be {value}");
            }
        }

        if (options.Upgrade && options.Other is null)
        {
            return (null, "--upgrade needs --other, the build to come from");
        }

        var known = Mixed(options.Controllers).Union(options.Controllers > 1 ? FaultKinds.Unwell : []).ToList();
        return options.Faults?.Except(known).ToList() is { Count: > 0 } unknown
            ? (null, $"--faults: {string.Join(", ", unknown)} is not one of {string.Join(", ", known)}")
            : (options, null);
    }

    /// <summary>The same for the program inside the sandbox.</summary>
    public string[] Arguments(int seed, string folder)
    {
        List<string> arguments =
        [
            "--seed", seed.ToString(CultureInfo.InvariantCulture), "--minutes", Minutes.ToString(CultureInfo.InvariantCulture), "--keep", folder,
            "--keys", Keys.ToString(CultureInfo.InvariantCulture), "--controllers", Controllers.ToString(CultureInfo.InvariantCulture),
        ];
        if (Scale is { } scale)
        {
            arguments.AddRange(["--scale", scale.ToString(CultureInfo.InvariantCulture)]);
        }

        if (Faults is not null)
        {
            arguments.AddRange(["--faults", string.Join(',', Faults)]);
        }

        if (Other is not null)
        {
            arguments.AddRange(["--other", Other]);
        }

        if (Upgrade)
        {
            arguments.Add("--upgrade");
        }

        if (!Guard)
        {
            arguments.Add("--no-guard");
        }

        if (Measure)
        {
            arguments.Add("--measure");
        }

        return [.. arguments];
    }

    private static IEnumerable<string> Mixed(int controllers) => FaultKinds.All(VictimsOf(guard: true, controllers)).Select(k => k.Kind).Distinct();

    private static Victims VictimsOf(bool guard, int controllers) => new(guard, controllers);
}
