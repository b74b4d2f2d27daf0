using Plane.Files;

namespace Plane.Storage.Sqlite;

/// <summary>The store's connection, with the moment of the work at hand, and whether anything was written to the change log.</summary>
internal sealed class SqliteSession(string path) : SqliteDatabase(path)
{
    /// <summary>The moment on the lease clock.</summary>
    public long Lease { get; set; }

    /// <summary>The moment on the record clock.</summary>
    public long Record { get; set; }

    /// <summary>Whether anything was written to the change log since this was cleared.</summary>
    public bool Logged { get; set; }

    /// <summary>Appends to the change log.</summary>
    public void Log(
        ChangeKind kind,
        string cluster,
        string? backend = null,
        long? fencingToken = null,
        BackendStatus? status = null,
        string? tokenHash = null,
        string? drone = null)
    {
        Execute(
            """
            insert into changes (kind, cluster, backend_id, fencing_token, status, token_hash, drone, created_at) values ($1, $2, $3, $4, $5, $6, $7, $8)
            """,
            kind.Name(),
            cluster,
            backend,
            fencingToken,
            status?.Name(),
            tokenHash,
            drone,
            Record);
        Logged = true;
    }

    /// <summary>Appends a change of a service, which is of no cluster.</summary>
    public void LogService(ServiceName service, bool deleted = false)
    {
        Execute(
            "insert into changes (kind, service, status, created_at) values ($1, $2, $3, $4)",
            ChangeKind.Service.Name(),
            service.Value,
            deleted ? BackendStatus.Terminated.Name() : null,
            Record);
        Logged = true;
    }
}
