using System.Text.Json;
using Microsoft.Data.Sqlite;

namespace Plane.Drone.State;

/// <summary>The statements over the table of backends.</summary>
internal static class BackendRows
{
    public const string Select =
        """
        select backend, token, order_json, status, instance_id, boot_id, renew_at, soft_at, hard_at, refused, port, address, pid, start_time, end_kind, end_reason,
            stop_at, stop_boot, ended_at
        from backends
        """;

    public static List<BackendRow> Read(SqliteCommand command)
    {
        using var reader = command.ExecuteReader();
        var rows = new List<BackendRow>();
        while (reader.Read())
        {
            rows.Add(new BackendRow
            {
                Identity = new BackendIdentity(BackendName.Parse(reader.GetString(0)), new FencingToken(reader.GetInt64(1))),
                Order = reader.Text(2) is { } json ? JsonSerializer.Deserialize<SpawnOrder>(json, PlaneJson.Http) : null,
                Status = (BackendStatus)reader.GetInt32(3),
                Deadlines = new LeaseDeadlines
                {
                    InstanceId = reader.GetString(4),
                    BootId = reader.GetString(5),
                    RenewAt = reader.GetInt64(6),
                    SoftAt = reader.GetInt64(7),
                    HardAt = reader.GetInt64(8),
                },
                Refused = reader.GetInt32(9) != 0,
                Port = reader.Int(10),
                Address = reader.Text(11),
                Pid = reader.Int(12),
                StartTime = reader.Long(13),
                EndKind = (TerminationKind?)reader.Int(14),
                EndReason = (TerminationReason?)reader.Int(15),
                StopAt = reader.Long(16),
                StopBoot = reader.Text(17),
                EndedAt = reader.Long(18),
            });
        }

        return rows;
    }

    public static BackendRow? Find(SqliteConnection c, SqliteTransaction t, BackendIdentity identity)
    {
        using var command = Sql.Command(
            c, t, Select + " where backend = $backend and token = $token", ("$backend", identity.Backend.Value), ("$token", identity.Token.Value));
        return Read(command).SingleOrDefault();
    }

    public static void Insert(SqliteConnection c, SqliteTransaction t, BackendRow row) => Sql.Execute(
        c,
        t,
        """
        insert into backends (backend, token, order_json, status, instance_id, boot_id, renew_at, soft_at, hard_at)
        values ($backend, $token, $order, $status, $instance, $boot, $renew, $soft, $hard)
        """,
        ("$backend", row.Identity.Backend.Value),
        ("$token", row.Identity.Token.Value),
        ("$order", JsonSerializer.Serialize(row.Order, PlaneJson.Http)),
        ("$status", (int)row.Status),
        ("$instance", row.Deadlines.InstanceId),
        ("$boot", row.Deadlines.BootId),
        ("$renew", row.Deadlines.RenewAt),
        ("$soft", row.Deadlines.SoftAt),
        ("$hard", row.Deadlines.HardAt));

    /// <summary>The first reason stays; a hard end is never softened.</summary>
    public static void AskEnd(SqliteConnection c, SqliteTransaction t, BackendIdentity identity, TerminationKind kind, TerminationReason reason) => Sql.Execute(
        c,
        t,
        """
        update backends set end_kind = max(coalesce(end_kind, 0), $kind), end_reason = coalesce(end_reason, $reason)
        where backend = $backend and token = $token
        """,
        ("$kind", (int)kind),
        ("$reason", (int)reason),
        ("$backend", identity.Backend.Value),
        ("$token", identity.Token.Value));

    /// <summary>A step that waited for the disk may come after a harder end was asked for: what was acknowledged of that stays.</summary>
    public static void Apply(SqliteConnection c, SqliteTransaction t, StateChange change) => Sql.Execute(
        c,
        t,
        """
        update backends set
            status = max(status, $status),
            port = coalesce($port, port),
            address = coalesce($address, address),
            pid = coalesce($pid, pid),
            start_time = coalesce($start, start_time),
            end_kind = case when $kind is null then end_kind else max(coalesce(end_kind, 0), $kind) end,
            end_reason = coalesce($reason, end_reason),
            stop_at = coalesce($stop, stop_at),
            stop_boot = coalesce($boot, stop_boot),
            ended_at = coalesce($ended, ended_at),
            order_json = case when $status = 70 then null else order_json end
        where backend = $backend and token = $token
        """,
        ("$status", (int)change.Status),
        ("$port", change.Port),
        ("$address", change.Address),
        ("$pid", change.Pid),
        ("$start", change.StartTime),
        ("$kind", (int?)change.Kind),
        ("$reason", (int?)change.Reason),
        ("$stop", change.StopAt),
        ("$boot", change.Boot),
        ("$ended", change.EndedAt),
        ("$backend", change.Identity.Backend.Value),
        ("$token", change.Identity.Token.Value));

    public static void StoreLeases(
        SqliteConnection c, SqliteTransaction t, IReadOnlyList<(BackendIdentity Identity, LeaseDeadlines? Deadlines, bool Refused)> leases)
    {
        using var command = Sql.Command(
            c,
            t,
            """
            update backends set
                renew_at = coalesce($renew, renew_at), soft_at = coalesce($soft, soft_at), hard_at = coalesce($hard, hard_at), refused = max(refused, $refused)
            where backend = $backend and token = $token
            """);
        string[] names = ["$renew", "$soft", "$hard", "$refused", "$backend", "$token"];
        var parameters = Array.ConvertAll(names, n => command.Parameters.Add(new SqliteParameter { ParameterName = n }));
        foreach (var (identity, deadlines, refused) in leases)
        {
            parameters[0].Value = (object?)deadlines?.RenewAt ?? DBNull.Value;
            parameters[1].Value = (object?)deadlines?.SoftAt ?? DBNull.Value;
            parameters[2].Value = (object?)deadlines?.HardAt ?? DBNull.Value;
            parameters[3].Value = refused ? 1 : 0;
            parameters[4].Value = identity.Backend.Value;
            parameters[5].Value = identity.Token.Value;
            command.ExecuteNonQuery();
        }
    }
}
