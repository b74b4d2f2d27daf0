using System.Text.Json;
using Microsoft.Data.Sqlite;
using Plane.Files;

namespace Plane.DroneHost.State;

/// <summary>The statements over the table of backends.</summary>
internal static class BackendRows
{
    private const string Select =
        """
        select backend, token, order_json, status, instance_id, boot_id, renew_at, soft_at, hard_at, refused, port, address, pid, start_time, end_kind, end_reason,
            stop_at, stop_boot, ended_at, claim_token, claim_json
        from backends left join claims using (backend, token)
        """;

    public static List<BackendRow> ReadAll(SqliteDatabase s) => s.Query(Select, Read);

    /// <summary>By the identity of its start or that of its claim.</summary>
    public static BackendRow? Find(SqliteDatabase s, BackendIdentity identity) =>
        s.Single(Select + " where backend = $1 and (token = $2 or claim_token = $2)", Read, identity.Backend.Value, identity.Token.Value);

    /// <summary>What controllers know a backend by from now on.</summary>
    public static BackendIdentity OnWire(SqliteDatabase s, BackendIdentity identity) =>
        s.Scalar("select claim_token from claims where backend = $1 and token = $2", identity.Backend.Value, identity.Token.Value) is { } claimed
            ? identity with { Token = new FencingToken(claimed) }
            : identity;

    public static void Claim(SqliteDatabase s, BackendIdentity identity, BackendClaim claim) => s.Execute(
        "insert into claims (backend, token, claim_token, claim_json) values ($1, $2, $3, $4)",
        identity.Backend.Value,
        identity.Token.Value,
        claim.Token.Value,
        JsonSerializer.Serialize(claim.Order, PlaneJson.Http));

    public static void Insert(SqliteDatabase s, BackendRow row) => s.Execute(
        """
        insert into backends (backend, token, order_json, status, instance_id, boot_id, renew_at, soft_at, hard_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        row.Identity.Backend.Value,
        row.Identity.Token.Value,
        JsonSerializer.Serialize(row.Order, PlaneJson.Http),
        (int)row.Status,
        row.Deadlines.InstanceId,
        row.Deadlines.BootId,
        row.Deadlines.RenewAt,
        row.Deadlines.SoftAt,
        row.Deadlines.HardAt);

    /// <summary>The first reason stays; a hard end is never softened.</summary>
    public static void AskEnd(SqliteDatabase s, BackendIdentity identity, TerminationKind kind, TerminationReason reason) => s.Execute(
        "update backends set end_kind = max(coalesce(end_kind, 0), $3), end_reason = coalesce(end_reason, $4) where backend = $1 and token = $2",
        identity.Backend.Value,
        identity.Token.Value,
        (int)kind,
        (int)reason);

    /// <summary>A step that waited for the disk may come after a harder end was asked for: what was acknowledged of that stays.</summary>
    public static void Apply(SqliteDatabase s, StateChange change) => s.Execute(
        """
        update backends set
            status = max(status, $3),
            port = coalesce($4, port),
            address = coalesce($5, address),
            pid = coalesce($6, pid),
            start_time = coalesce($7, start_time),
            end_kind = case when $8 is null then end_kind else max(coalesce(end_kind, 0), $8) end,
            end_reason = coalesce($9, end_reason),
            stop_at = coalesce($10, stop_at),
            stop_boot = coalesce($11, stop_boot),
            ended_at = coalesce($12, ended_at),
            order_json = case when $3 = 70 then null else order_json end
        where backend = $1 and token = $2
        """,
        change.Identity.Backend.Value,
        change.Identity.Token.Value,
        (int)change.Status,
        change.Port,
        change.Address,
        change.Pid,
        change.StartTime,
        (int?)change.Kind,
        (int?)change.Reason,
        change.StopAt,
        change.Boot,
        change.EndedAt);

    public static int StoreLease(SqliteDatabase s, BackendIdentity identity, LeaseDeadlines? deadlines, bool refused) => s.Execute(
        """
        update backends set
            renew_at = coalesce($3, renew_at), soft_at = coalesce($4, soft_at), hard_at = coalesce($5, hard_at), refused = max(refused, $6)
        where backend = $1 and token = $2
        """,
        identity.Backend.Value,
        identity.Token.Value,
        deadlines?.RenewAt,
        deadlines?.SoftAt,
        deadlines?.HardAt,
        refused ? 1 : 0);

    private static BackendRow Read(SqliteDataReader r) => new()
    {
        Identity = new BackendIdentity(BackendName.Parse(r.GetString(0)), new FencingToken(r.GetInt64(1))),
        Order = r.Text(2) is { } json ? JsonSerializer.Deserialize<SpawnOrder>(json, PlaneJson.Http) : null,
        Status = (BackendStatus)r.GetInt32(3),
        Deadlines = new LeaseDeadlines
        {
            InstanceId = r.GetString(4),
            BootId = r.GetString(5),
            RenewAt = r.GetInt64(6),
            SoftAt = r.GetInt64(7),
            HardAt = r.GetInt64(8),
        },
        Refused = r.GetInt32(9) != 0,
        Port = r.Int(10),
        Address = r.Text(11),
        Pid = r.Int(12),
        StartTime = r.Long(13),
        EndKind = (TerminationKind?)r.Int(14),
        EndReason = (TerminationReason?)r.Int(15),
        StopAt = r.Long(16),
        StopBoot = r.Text(17),
        EndedAt = r.Long(18),
        Claim = r.Long(19) is { } token
            ? new BackendClaim(JsonSerializer.Deserialize<ClaimOrder>(r.GetString(20), PlaneJson.Http)!, new FencingToken(token))
            : null,
    };
}
