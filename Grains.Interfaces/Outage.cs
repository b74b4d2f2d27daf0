namespace Plane;

/// <summary>
/// What is logged of something that is unavailable and retried again and again: each reason once, now and then again while it lasts, and that it is over. Its caller
/// owns it; it has no lock.
/// </summary>
/// <param name="time">The clock.</param>
/// <param name="tellAgainAfter">When a reason that lasts is logged again; a minute where not given.</param>
public sealed class Outage(TimeProvider time, TimeSpan? tellAgainAfter = null)
{
    // Reasons may hold numbers that change with every attempt: then all beyond these are logged as one.
    private const int MostReasons = 8;

    private readonly TimeSpan _tellAgainAfter = tellAgainAfter ?? TimeSpan.FromMinutes(1);
    private readonly Dictionary<string, long> _toldAt = [];

    /// <summary>Whether a failure is to be logged: it is the first with this reason, or the last log line was a while ago.</summary>
    /// <param name="reason">Why it is unavailable.</param>
    public bool ShouldLog(string reason)
    {
        ArgumentNullException.ThrowIfNull(reason);
        var key = _toldAt.Count < MostReasons || _toldAt.ContainsKey(reason) ? reason : "";
        if (_toldAt.TryGetValue(key, out var told) && time.GetElapsedTime(told) < _tellAgainAfter)
        {
            return false;
        }

        _toldAt[key] = time.GetTimestamp();
        return true;
    }

    /// <summary>It answered; whether an outage ended by that.</summary>
    public bool End()
    {
        var ended = _toldAt.Count > 0;
        _toldAt.Clear();
        return ended;
    }
}
