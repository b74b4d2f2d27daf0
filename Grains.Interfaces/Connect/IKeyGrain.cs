using Orleans;
using Orleans.Concurrency;

namespace Plane;

/// <summary>
/// One key, keyed by <see cref="KeyConfig.GrainKey"/>: connects to its holder, or acquires it. Its holder's lease is renewed in batches (<see cref="ILeaseGrain"/>), and released
/// by the holder's last state (<see cref="IDroneGrain.ReportStates"/>) or its expiry.
/// </summary>
[Alias("plane.IKeyGrain")]
public interface IKeyGrain : IGrainWithStringKey
{
    /// <summary>Gives a token for the live holder, or acquires the key and schedules a backend. Safe to repeat with the same command.</summary>
    /// <param name="command">The request, completed at the edge.</param>
    /// <param name="cancellationToken">Gives up waiting for the answer; what was committed stays.</param>
    [Alias("Connect"), AlwaysInterleave]
    Task<ConnectResult> Connect(ConnectCommand command, CancellationToken cancellationToken = default);
}
