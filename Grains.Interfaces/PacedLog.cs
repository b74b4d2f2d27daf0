namespace Plane;

/// <summary>How often trouble that lasts is logged: at once, then at most once a minute, and its end once. It belongs to one loop and has no lock.</summary>
/// <param name="time">For the pace.</param>
public sealed class PacedLog(TimeProvider time)
{
    private static readonly TimeSpan s_every = TimeSpan.FromMinutes(1);
    private long? _loggedAt;
    private int _met;

    /// <summary>The trouble is there; whether it is to be logged now.</summary>
    /// <param name="after">How often in a row it is met without being logged.</param>
    public bool IsDue(int after = 0)
    {
        if (_met < after)
        {
            _met++;
            return false;
        }

        if (_loggedAt is { } at && time.GetElapsedTime(at) < s_every)
        {
            return false;
        }

        _loggedAt = time.GetTimestamp();
        return true;
    }

    /// <summary>The trouble is over; whether it was logged, and so its end is to be.</summary>
    public bool End()
    {
        var logged = _loggedAt is not null;
        (_loggedAt, _met) = (null, 0);
        return logged;
    }
}
