using System.Diagnostics;
using Plane.Simulation.Judging;

namespace Plane.Simulation;

/// <summary>Many schedules on several cores.</summary>
public sealed class Exploration
{
    private readonly Lock _gate = new();
    private long _done;
    private long _events;

    /// <summary>What the schedules came to do, in sum.</summary>
    public Coverage Coverage { get; } = new();

    /// <summary>How many were run.</summary>
    public long Done => Interlocked.Read(ref _done);

    /// <summary>Their steps.</summary>
    public long Events => Interlocked.Read(ref _events);

    /// <summary>The failures, smallest seed first, at most <see cref="Most"/>; without a trace.</summary>
    public List<Outcome> Failures { get; } = [];

    /// <summary>After so many failures no more are looked for.</summary>
    public int Most { get; init; } = 1;

    /// <summary>Runs the seeds from <paramref name="first"/> on.</summary>
    /// <param name="first">The first seed.</param>
    /// <param name="count">How many.</param>
    /// <param name="threads">On how many cores.</param>
    /// <param name="bugs">Mistakes to plant.</param>
    /// <param name="focus">What they are about; by default each seed says.</param>
    /// <param name="progress">Told about every five seconds.</param>
    public void Run(ulong first, long count, int threads, Bug bugs = Bug.None, Focus? focus = null, Action<Exploration>? progress = null)
    {
        const int Chunk = 16;
        var next = 0L;
        var said = Stopwatch.GetTimestamp();
        var workers = Enumerable.Range(0, threads).Select(_ => new Thread(() =>
        {
            var own = new Coverage();
            while (Failures.Count < Most)
            {
                var from = Interlocked.Add(ref next, Chunk) - Chunk;
                for (var i = from; i < Math.Min(from + Chunk, count); i++)
                {
                    var outcome = RunOne(first + (ulong)i, bugs, own, focus);
                    Interlocked.Increment(ref _done);
                    Interlocked.Add(ref _events, outcome.Events);
                    if (outcome.Rule is not null)
                    {
                        lock (_gate)
                        {
                            Failures.Add(outcome);
                        }
                    }
                }

                if (from >= count)
                {
                    break;
                }

                lock (_gate)
                {
                    if (progress is not null && Stopwatch.GetElapsedTime(said) > TimeSpan.FromSeconds(5))
                    {
                        said = Stopwatch.GetTimestamp();
                        progress(this);
                    }
                }
            }

            lock (_gate)
            {
                Coverage.Add(own);
            }
        })).ToList();
        workers.ForEach(w => w.Start());
        workers.ForEach(w => w.Join());
        Failures.Sort(static (a, b) => a.Seed.CompareTo(b.Seed));
    }

    /// <summary>A schedule that the simulation itself can't run is a failure with a seed, as any other.</summary>
    private static Outcome RunOne(ulong seed, Bug bugs, Coverage coverage, Focus? focus)
    {
        try
        {
            return Schedule.Run(seed, bugs, coverage, focus: focus);
        }
        catch (Exception e)
        {
            return new Outcome(seed, "the simulation failed", e.ToString(), [], 0);
        }
    }
}
