using Plane.DroneHost.State;

namespace Plane.DroneHost.Supervision;

/// <summary>How a warm backend gets its key.</summary>
internal sealed partial class BackendSupervisor
{
    private readonly TaskCompletionSource<BackendClaim> _claim = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Set once it answers and may be claimed: whether its address is still its own is then looked at as for one that is ready.</summary>
    private volatile bool _isWarm;

    /// <summary>Takes in that it was claimed, which is durable. The first claim counts.</summary>
    public void Claim(BackendClaim claim)
    {
        if (_claim.TrySetResult(claim))
        {
            Lease.Claim(claim.Token);
        }
    }

    /// <summary>Takes in that it was given to two keys: it is not known which one it may serve.</summary>
    public void ClaimedTwice() => _signals.RequestTermination(new TerminationCause(
        TerminationKind.Hard, TerminationReason.InternalError, "It was claimed for a second key. The database has lost the first claim."));

    /// <summary>
    /// Waits for the claim of a warm backend and delivers it; one that was started for a key passes. After a restart of the agent a claim that was not known to be answered is delivered
    /// once more, with the same token.
    /// </summary>
    /// <returns>False where it is to end.</returns>
    private async Task<bool> BecomeClaimedAsync(string address, CancellationToken stopping)
    {
        if (!PoolKey.Is(_order.Key))
        {
            return true;
        }

        if (!_claim.Task.IsCompleted)
        {
            LogWarm(Identity.Backend, address);
            _isWarm = true;
            _journal.Note(Step(BackendStatus.Waiting) with { IsWarm = true });
        }

        await Task.WhenAny(_claim.Task, _signals.Any).WaitAsync(stopping);
        if (_signals.HasEnded)
        {
            return false;
        }

        var claim = await _claim.Task;
        LogClaimed(Identity.Backend, claim.Order.Service, claim.Token);
        var (done, problem) = await StepAsync("claim", c => DeliverAsync(address, claim, c), stopping);
        if (done && problem is not null)
        {
            LogNotClaimed(Identity.Backend, problem);
            // At once: it has served no session, and the next one for the key waits for its end.
            _signals.RequestTermination(new TerminationCause(TerminationKind.Hard, TerminationReason.InternalError, $"It did not accept its key (claim): {problem}."));
        }

        return done && problem is null;
    }

    private async Task<string?> DeliverAsync(string address, BackendClaim claim, CancellationToken cancellationToken)
    {
        // At the same time, since an engine may take as long for the one as the backend for the other. What has taken its port since must not get the requests, whatever it answers.
        var look = LookAtListenerAsync(address, cancellationToken);
        var problem = claim.Order.Path is null ? null : await _parts.Claims.DeliverAsync(address, _order.Protocol, claim, cancellationToken);
        return await look is { IsOwn: true } ? problem : "the socket at its address could not be verified as the backend's own";
    }
}
