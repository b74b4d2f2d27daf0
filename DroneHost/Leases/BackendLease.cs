namespace Plane.DroneHost.Leases;

/// <summary>
/// One backend's lease as the agent holds it. The renewal loop alone writes; supervisors and the last look before a start read, from any thread: the deadlines
/// are an immutable record that is swapped.
/// </summary>
internal sealed class BackendLease
{
    private readonly ILeaseClock _clock;
    private readonly string _instanceId;
    private volatile LeaseDeadlines _deadlines;
    private volatile bool _isRefused;
    private volatile bool _isGivenUp;
    private long _askAt;
    private long _claimToken;

    public BackendLease(BackendIdentity identity, LeaseDeadlines deadlines, bool isRefused, string instanceId, ILeaseClock clock)
    {
        Identity = identity;
        _deadlines = deadlines;
        _isRefused = isRefused;
        _instanceId = instanceId;
        _clock = clock;
        _askAt = deadlines.RenewAt;
    }

    /// <summary>The identity of its start: its name on this machine.</summary>
    public BackendIdentity Identity { get; }

    /// <summary>What it is renewed under: the token of its claim, once it has one.</summary>
    public BackendIdentity OnWire => Volatile.Read(ref _claimToken) is > 0 and var token ? Identity with { Token = new FencingToken(token) } : Identity;

    public LeaseDeadlines Deadlines => _deadlines;

    /// <summary>Whether a renewal was refused. It is never asked for again.</summary>
    public bool IsRefused => _isRefused;

    /// <summary>When to end it gracefully; the beginning of time where the deadlines are of another instance or boot.</summary>
    public long SoftAt => Belongs(_deadlines) ? _deadlines.SoftAt : long.MinValue;

    /// <summary>When to kill it; the beginning of time where the deadlines are of another instance or boot.</summary>
    public long HardAt => Belongs(_deadlines) ? _deadlines.HardAt : long.MinValue;

    /// <summary>Whether the lease clock is before the soft deadline and no renewal was refused: only then may it start.</summary>
    public bool AllowsStart => IsRenewable(_clock.Milliseconds);

    /// <summary>Whether renewing still makes sense: a refused or overdue lease is not revived.</summary>
    public bool IsRenewable(long now) => !_isRefused && !_isGivenUp && now < SoftAt;

    /// <summary>When renewing ends for good unless prolonged; never where it has.</summary>
    public long GivesUpAt => _isRefused || _isGivenUp ? long.MaxValue : SoftAt;

    /// <summary>When to ask next, in the lease clock's milliseconds. Moved by the renewal loop: to the end of a call's time when it asks, earlier when it fails.</summary>
    public long AskAt
    {
        get => Volatile.Read(ref _askAt);
        set => Volatile.Write(ref _askAt, value);
    }

    /// <summary>
    /// Takes deadlines over where they are later; those of another instance or boot mean nothing here. Past the soft deadline, whether anybody has looked since or
    /// not, only the hard one moves: on the disk too, so that the next agent doesn't revive it either.
    /// </summary>
    public bool TryProlong(LeaseDeadlines deadlines)
    {
        if (!Belongs(deadlines))
        {
            return false;
        }

        if (!Belongs(_deadlines))
        {
            return true;
        }

        var later = _deadlines.Later(deadlines);
        if (!IsRenewable(_clock.Milliseconds))
        {
            Abandon();
            later = _deadlines with { HardAt = later.HardAt };
        }

        _deadlines = later;
        return true;
    }

    /// <summary>
    /// It holds another key from now on, under another token. Its deadlines stay: the claim has not moved its expiry. A renewal under way under the former token counts.
    /// </summary>
    public void Claim(FencingToken token) => Volatile.Write(ref _claimToken, token.Value);

    public void Refuse() => _isRefused = true;

    /// <summary>The soft deadline has passed: a late answer may still move the hard one, but nothing is asked for any more.</summary>
    public void Abandon() => _isGivenUp = true;

    private bool Belongs(LeaseDeadlines deadlines) => deadlines.BootId == _clock.BootId && deadlines.InstanceId == _instanceId;
}
