using Plane.Simulation.Core;
using Plane.Simulation.Judging;
using Plane.Simulation.Store;

namespace Plane.Simulation.Cluster;

/// <summary>The database server: transactions run on when their caller has given up; a crash undoes what has not committed; its clock drifts and is stepped.</summary>
internal sealed class Database
{
    private readonly World _world;
    private readonly List<Gate> _waited = [];
    private long _offset = 1_000_000;
    private long _steppedForward;

    public Database(World world)
    {
        _world = world;
        Process = NewProcess();
        Store = new ModelStore(world.Scheduler, world.Numbers, world.Bugs, () => Clock, world.Judge, world.Settings.Keys, world.Settings.Drones, world.Settings.Pool);
    }

    public ModelStore Store { get; }

    public Process Process { get; private set; }

    public bool IsUp { get; private set; } = true;

    public long Clock => (long)(_world.Now * _world.Settings.DatabaseRate) + _offset;

    /// <summary>Runs a transaction; the result is false where it is not known, or known to have failed.</summary>
    public IEnumerator<Wait> Run(Func<Tx, IEnumerator<Wait>?> body, Box<bool> answered)
    {
        answered.Value = false;
        if (!IsUp)
        {
            yield return Wait.For(2);
            yield break;
        }

        var done = new Gate(_world.Scheduler);
        _waited.Add(done);
        _world.Scheduler.Start(Process, Transact(body, done, answered), _world.Prng.Between(0, 3));
        yield return Wait.On(done, 20_000);
        _waited.Remove(done);
    }

    public void Crash()
    {
        _world.Coverage.Count(Seen.DatabaseCrash);
        _world.Tell("database", $"crashes");
        IsUp = false;
        Process.Kill();
        Store.AbortAll();
        foreach (var gate in _waited)
        {
            gate.Pulse();
        }
    }

    public void Restart()
    {
        Process = NewProcess();
        IsUp = true;
        _world.Tell("database", $"is back");
    }

    /// <summary>By how much the clock was set back, in sum.</summary>
    public long SteppedBack { get; private set; }

    /// <summary>Steps the clock: back as far as one likes, forward no further in sum than is tolerated.</summary>
    public void Step(long by)
    {
        by = Math.Min(by, _world.Settings.StepsForward - _steppedForward);
        _world.Coverage.Count(Seen.ClockStep);
        _world.Tell("database", $"clock is stepped by {by} ms");
        if (by < 0)
        {
            _world.Judge.ClockWentBack();
        }

        _steppedForward += Math.Max(by, 0);
        SteppedBack -= Math.Min(by, 0);
        _offset += by;
    }

    private Process NewProcess() => new("database") { StallsPerMillion = _world.Settings.DatabaseStalls };

    private IEnumerator<Wait> Transact(Func<Tx, IEnumerator<Wait>?> body, Gate done, Box<bool> answered)
    {
        var tx = Store.Begin();
        tx.OnEnd.Add(() =>
        {
            if (tx.Deadlocked)
            {
                done.Open();
            }
        });
        if (body(tx) is { } steps)
        {
            yield return Wait.Run(steps);
        }

        yield return Wait.Step;
        if (!_world.IsCalm && _world.Prng.Hit(_world.Settings.LostAnswers))
        {
            // The connection broke, before the commit or after it: whoever asked doesn't know which.
            _world.Coverage.Count(Seen.AnswerLost);
            if (_world.Prng.Percent(50))
            {
                tx.Abort();
            }
            else
            {
                tx.Commit();
            }

            done.Open();
            yield break;
        }

        tx.Commit();
        answered.Value = true;
        done.Open();
    }
}
