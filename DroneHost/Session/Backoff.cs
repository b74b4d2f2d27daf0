namespace Plane.Drone.Session;

/// <summary>Waits that double up to a cap, each drawn between half and all of it, so that drones cut off together don't return together.</summary>
internal sealed class Backoff(TimeSpan first, TimeSpan cap, TimeProvider time)
{
    private int _doublings;

    /// <summary>For calls to the controller: 50 ms to 2 s.</summary>
    public static Backoff ForController(TimeProvider time) => new(TimeSpan.FromMilliseconds(50), TimeSpan.FromSeconds(2), time);

    public void Reset() => _doublings = 0;

    public async Task WaitAsync(CancellationToken cancellationToken)
    {
        var whole = first * (1 << _doublings);
        if (whole < cap)
        {
            _doublings++;
        }
        else
        {
            whole = cap;
        }

        var wait = whole * (0.5 + (Random.Shared.NextDouble() / 2));
        await Task.Delay(wait, time, cancellationToken);
    }
}
