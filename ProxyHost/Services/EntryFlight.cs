namespace Plane.ProxyHost.Services;

/// <summary>One <see cref="IServiceGrain.Enter"/> for all requests of a host that wait for it, and where it was refused for those that come in the moment after.</summary>
/// <param name="key">The key, where the visitor who began it names it.</param>
/// <param name="scope">The keys that the visitor's token opens, where that decides.</param>
/// <param name="network">The network of that visitor.</param>
internal sealed class EntryFlight(KeyConfig? key, KeyScope? scope, string network)
{
    /// <summary>Its outcome; never fails.</summary>
    public Task<EntryOutcome> Task { get; set; } = null!;

    /// <summary>Until when a refusal is given to others, as a timestamp; null while it runs. Guarded by the lock of the route.</summary>
    public long? Until { get; set; }

    /// <summary>
    /// Whether another visitor may be answered otherwise: one who names the key, where this one did not, one with another token, where this one's does not open the key, or one of another network,
    /// where this one's was refused.
    /// </summary>
    public bool SaysNothingOf(EntryOutcome outcome, KeyConfig? its, KeyScope? itsScope, string itsNetwork) => outcome switch
    {
        { Kind: EntryOutcomeKind.NoSuchLabel } => key is null && its is not null,
        { Kind: EntryOutcomeKind.OutOfScope } => !ReferenceEquals(scope, itsScope),
        _ => outcome.Refusal == ErrorKind.WakeLimited && network != itsNetwork,
    };
}

/// <summary>How an entry ended.</summary>
internal enum EntryOutcomeKind
{
    /// <summary>With a token.</summary>
    Entered,

    /// <summary>The controller knows no such service.</summary>
    NoSuchService,

    /// <summary>The controller knows no key of the label.</summary>
    NoSuchLabel,

    /// <summary>The visitor's token does not open the key of the label.</summary>
    OutOfScope,

    /// <summary>There is no backend, and none is started.</summary>
    Refused,

    /// <summary>The controller gave no answer in time.</summary>
    Unavailable,
}

/// <summary>How an entry ended.</summary>
/// <param name="Kind">How.</param>
/// <param name="Entered">The token, where there is one.</param>
/// <param name="Refusal">Why it was refused.</param>
/// <param name="RetryAfter">When to retry, where that is known.</param>
internal readonly record struct EntryOutcome(EntryOutcomeKind Kind, Entered? Entered = null, ErrorKind? Refusal = null, TimeSpan? RetryAfter = null);
