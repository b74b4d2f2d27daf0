namespace Plane.Silo.Cluster;

/// <summary>
/// The clock of Orleans' services, which resolve theirs by key: the wall clock at its start, and from then on the progress of the monotonic clock. It never goes back and never jumps when the machine's wall clock is set, and
/// timestamps begin at zero. Orleans schedules the collection of activations, timers and health checks by it: with the wall clock, a step back by more than the collection age makes
/// every new activation fail.
/// </summary>
internal sealed class SteadyTime : TimeProvider
{
    private readonly DateTimeOffset _start = System.GetUtcNow();
    private readonly long _startTimestamp = System.GetTimestamp();

    public override long TimestampFrequency => System.TimestampFrequency;

    public override DateTimeOffset GetUtcNow() => _start + System.GetElapsedTime(_startTimestamp);

    public override long GetTimestamp() => System.GetTimestamp() - _startTimestamp;
}
