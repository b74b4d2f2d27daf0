namespace Plane.Bench;

/// <summary>One question, answered by ratios of things that were measured in turns in the same run.</summary>
internal interface IBench
{
    /// <summary>How it is chosen on the command line.</summary>
    string Name { get; }

    /// <summary>Starts what it needs, measures, reports, and stops what it started.</summary>
    Task RunAsync(BenchContext context, Report report);
}

/// <summary>What a bench is run with.</summary>
internal sealed record BenchContext(BenchOptions Options, string Bench)
{
    public TimeSpan Round => TimeSpan.FromSeconds(Options.Seconds);

    /// <summary>
    /// Measures each side once to warm it up, then all of them in turns, beginning with another one each round, so that what changes on the machine
    /// meanwhile meets them all.
    /// </summary>
    public async Task<Measured[]> InTurnsAsync(params Side[] sides)
    {
        foreach (var side in sides)
        {
            await side.MeasureAsync();
        }

        var values = sides.Select(_ => new List<double>()).ToArray();
        for (var round = 0; round < Options.Rounds; round++)
        {
            for (var turn = 0; turn < sides.Length; turn++)
            {
                var i = (round + turn) % sides.Length;
                values[i].Add(await sides[i].MeasureAsync());
            }
        }

        var measured = sides.Select((s, i) => new Measured(s.Name, [.. values[i].Order()])).ToArray();
        Console.Error.WriteLine("bench:   " + string.Join("; ", measured.Select(m => m.ToString())));
        return measured;
    }
}

/// <summary>One of the things that are compared.</summary>
internal sealed record Side(string Name, Func<Task<double>> MeasureAsync);

/// <summary>One side's figures, in order.</summary>
internal sealed record Measured(string Name, double[] Values)
{
    public double Median => Values.Length % 2 == 1
        ? Values[Values.Length / 2]
        : (Values[(Values.Length / 2) - 1] + Values[Values.Length / 2]) / 2;

    public override string ToString() => $"{Name} {Report.Number(Median)} ({Report.Number(Values[0])}–{Report.Number(Values[^1])})";
}
