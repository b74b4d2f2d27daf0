using Plane.Simulation.Core;
using Plane.Simulation.Judging;
using Plane.Simulation.Store;

namespace Plane.Simulation.Cluster;

/// <summary>The way between a drone or a client and the controllers: each direction can be cut by itself.</summary>
internal sealed class Link
{
    public long UpCutUntil { get; set; }

    public long DownCutUntil { get; set; }
}

/// <summary>A question under way. Its first answer counts; it may come after everybody has given up on it.</summary>
internal sealed class Request<T>(Scheduler scheduler)
    where T : class
{
    public Gate Answered { get; } = new(scheduler);

    /// <summary>The answer, or null where the controller said that it doesn't know.</summary>
    public T? Answer { get; set; }
}

/// <summary>Loses, delays, doubles and thereby reorders messages.</summary>
internal sealed class Network(World world)
{
    private readonly Process _process = new("network");

    /// <summary>Asks any controller; a doubled question is carried out twice.</summary>
    public Request<T> Ask<T>(Link link, Func<Silo, Box<T?>, IEnumerator<Wait>> handler)
        where T : class
    {
        var request = new Request<T>(world.Scheduler);
        var copies = 1;
        if (!world.IsCalm && world.Prng.Hit(world.Settings.Duplicates))
        {
            world.Coverage.Count(Seen.MessageDoubled);
            copies = 2;
        }

        while (copies-- > 0)
        {
            if (!IsLost(link.UpCutUntil))
            {
                world.Scheduler.Start(_process, Deliver(link, request, handler), Delay());
            }
        }

        return request;
    }

    private IEnumerator<Wait> Deliver<T>(Link link, Request<T> request, Func<Silo, Box<T?>, IEnumerator<Wait>> handler)
        where T : class
    {
        var silo = world.Silos[world.Prng.Below(world.Silos.Length)];
        if (!silo.IsUp)
        {
            silo = Array.Find(world.Silos, s => s.IsUp);
        }

        if (silo is null)
        {
            yield return Wait.For(1);
            request.Answered.Open();
            yield break;
        }

        world.Scheduler.Start(silo.Process, Handle(silo, link, request, handler));
    }

    private IEnumerator<Wait> Handle<T>(Silo silo, Link link, Request<T> request, Func<Silo, Box<T?>, IEnumerator<Wait>> handler)
        where T : class
    {
        var answer = new Box<T?>();
        yield return Wait.Run(handler(silo, answer));
        if (!IsLost(link.DownCutUntil))
        {
            world.Scheduler.Start(_process, Answer(request, answer.Value), Delay());
        }
    }

    private static IEnumerator<Wait> Answer<T>(Request<T> request, T? answer)
        where T : class
    {
        if (!request.Answered.IsOpen)
        {
            request.Answer = answer;
            request.Answered.Open();
        }

        yield break;
    }

    private bool IsLost(long cutUntil)
    {
        if (cutUntil > world.Now || (!world.IsCalm && world.Prng.Hit(world.Settings.Loss)))
        {
            world.Coverage.Count(Seen.MessageLost);
            return true;
        }

        return false;
    }

    private long Delay()
    {
        if (world.IsCalm)
        {
            return world.Prng.Between(1, 5);
        }

        if (!world.Prng.Hit(world.Settings.LongDelays))
        {
            return world.Prng.Between(1, world.Settings.Jitter);
        }

        world.Coverage.Count(Seen.MessageLate);
        return Math.Min(world.Prng.Percent(50) ? world.Prng.Between(2_000, 20_000) : world.Prng.Between(20_000, 120_000), world.Settings.CalmAt + 1_000 - world.Now);
    }
}
