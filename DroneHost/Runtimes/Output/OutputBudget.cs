namespace Plane.DroneHost.Runtimes.Output;

/// <summary>How much of an output is passed on while it is followed: a backend that writes more must not take the drone's processors. What is beyond it is counted and dropped.</summary>
internal sealed class OutputBudget(TimeProvider time)
{
    /// <summary>So many bytes a second: no person reads more, and a file of the day's output is not fetched by following it.</summary>
    public const int BytesPerSecond = 4 * 1024 * 1024;

    private const int Burst = BytesPerSecond / 2;

    // What a line costs beside its bytes.
    private const int LineCost = 100;

    private double _left = Burst;
    private long _at = time.GetTimestamp();

    /// <summary>Whether a line may be passed on.</summary>
    public bool Take(int bytes)
    {
        if (_left < bytes + LineCost)
        {
            var now = time.GetTimestamp();
            _left = Math.Min(Burst, _left + (time.GetElapsedTime(_at, now).TotalSeconds * BytesPerSecond));
            _at = now;
        }

        if (_left < bytes + LineCost)
        {
            return false;
        }

        _left -= bytes + LineCost;
        return true;
    }
}
