namespace Plane.Storage;

/// <summary>Keys, their leases and fencing tokens, and the connection tokens of connects. The rules of <see cref="IPlaneStore"/> hold for each member.</summary>
public interface IKeyStore
{
    /// <summary>
    /// For each request stores a connection token if its key is held by a live holder with the same tag; one statement for the whole batch. The order of the
    /// results is that of the requests.
    /// </summary>
    Task<IReadOnlyList<TokenResult>> IssueTokensAsync(IReadOnlyList<TokenRequest> requests, CancellationToken cancellationToken);

    /// <summary>
    /// <see cref="IssueTokensAsync"/> for one request that has an id of its own. The token and the id are stored by one transaction; a repeat gets the answer of
    /// the first, and of several at once one decides.
    /// </summary>
    /// <param name="request">The request.</param>
    /// <param name="mark">Its id.</param>
    /// <param name="waitsForEnd">Whether a holder that is ending is not an answer to keep.</param>
    /// <param name="cancellationToken">Gives up waiting; what was committed stays.</param>
    Task<TokenResult> IssueOnceAsync(TokenRequest request, IdempotencyKey mark, bool waitsForEnd, CancellationToken cancellationToken);

    /// <summary>
    /// Acquires a free or expired key for a new backend on a drone: the transaction of docs/guarantees.md, with the drone re-checked, an expired holder removed,
    /// the fencing token drawn while the key's row is held, and connection token, spawn action, history and change log written with it.
    /// </summary>
    Task<AcquireResult> AcquireAsync(AcquireRequest request, CancellationToken cancellationToken);

    /// <summary>
    /// Prolongs leases that are held, allowed to be renewed and not expired; rows in id order, an expiry never moves back. The results are in the order of
    /// the holders. A backend that was claimed may be named by the token of its start as well.
    /// </summary>
    Task<IReadOnlyList<RenewalOutcome>> RenewAsync(IReadOnlyList<BackendIdentity> holders, CancellationToken cancellationToken);

    /// <summary>Forbids the renewal of a backend's key.</summary>
    Task<ChangeOutcome> PreventRenewalAsync(BackendName backend, CancellationToken cancellationToken);
}
