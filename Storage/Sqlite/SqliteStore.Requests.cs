namespace Plane.Storage.Sqlite;

// Connects that carry an id of their own: each repeat gets the first answer.
internal sealed partial class SqliteStore
{
    public Task<TokenResult> IssueOnceAsync(TokenRequest request, IdempotencyKey mark, bool waitsForEnd, CancellationToken cancellationToken) =>
        _engine.WriteAsync(
            s =>
            {
                if (ReadRequest(s, mark) is var (same, holder, kept))
                {
                    return same
                        ? new TokenResult(TokenOutcome.Repeated, holder) { Kept = kept }
                        : new TokenResult(TokenOutcome.RequestIdTaken, null);
                }

                var result = Issue(s, request);
                if (result is { Outcome: TokenOutcome.Issued, Holder: { } issued } && !(waitsForEnd && issued.Status >= BackendStatus.Terminating))
                {
                    KeepRequest(s, mark, issued, spawned: false);
                }

                return result;
            },
            cancellationToken);

    private AcquireResult AcquireOnce(SqliteSession s, Acquisition acquisition)
    {
        if (acquisition.Request.Mark is not { } mark)
        {
            return Acquire(s, acquisition);
        }

        if (ReadRequest(s, mark) is var (same, holder, kept))
        {
            return same
                ? new AcquireResult(AcquireOutcome.Repeated, holder) { Kept = kept }
                : new AcquireResult(AcquireOutcome.RequestIdTaken, null);
        }

        var result = Acquire(s, acquisition);
        if (result is { Outcome: AcquireOutcome.Acquired, Holder: { } acquired })
        {
            KeepRequest(s, mark, acquired, spawned: true);
        }

        return result;
    }

    // The answer that is kept, with the status that the backend has by now; one that is not known any more has ended.
    private Tuple<bool, HolderInfo, StoredResponse>? ReadRequest(SqliteSession s, IdempotencyKey mark) => Readable(
        s,
        """
        select r.backend_id, r.fencing_token, r.tag, r.cluster, r.drone, coalesce(b.status, 'terminated'), r.subdomain, r.static_token, r.spawned, r.sealed, r.digest
        from requests r left join backends b on b.id = r.backend_id and b.fencing_token = r.fencing_token
        where r.id = $1 and r.expires_at >= $2
        """,
        r => Tuple.Create(r.GetString(10) == mark.Digest, ReadHolder(r, 0), new StoredResponse(r.GetBoolean(8), r.GetFieldValue<byte[]>(9))),
        mark.IdHash,
        s.Lease).SingleOrDefault();

    private static void KeepRequest(SqliteSession s, IdempotencyKey mark, HolderInfo holder, bool spawned) => s.Execute(
        """
        insert or replace into requests
            (id, digest, sealed, backend_id, fencing_token, tag, cluster, drone, subdomain, static_token, spawned, expires_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        """,
        mark.IdHash,
        mark.Digest,
        mark.Sealed,
        holder.Identity.Backend.Value,
        holder.Identity.Token.Value,
        holder.Tag,
        holder.Cluster.Value,
        holder.Drone.Value,
        holder.Subdomain,
        holder.StaticToken?.Value,
        spawned,
        s.Lease + (long)RequestIdentity.Kept.TotalMilliseconds);
}
