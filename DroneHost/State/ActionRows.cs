using Microsoft.Data.Sqlite;

namespace Plane.Drone.State;

/// <summary>What an action changes in the state file.</summary>
internal static class ActionRows
{
    public static AppliedAction Apply(SqliteConnection c, SqliteTransaction t, DroneAction action, Func<SpawnOrder, string?> refusal) => action switch
    {
        { Kind: DroneActionKind.Spawn, Spawn: { } order } => Spawn(c, t, action, order, refusal),
        { Kind: DroneActionKind.Terminate, Terminate: { } order } => Terminate(c, t, action, order),

        // An order of a kind without its content cannot be carried out, now or later.
        _ => Refuse(c, t, action, TerminationReason.InternalError, null, $"action {action.Number} has no content"),
    };

    private static AppliedAction Spawn(SqliteConnection c, SqliteTransaction t, DroneAction action, SpawnOrder order, Func<SpawnOrder, string?> refusal)
    {
        if (BackendRows.Find(c, t, action.Identity) is not null)
        {
            return new AppliedAction(action, ActionEffect.Repeated, null);
        }

        if (RememberedEnd(c, t, action.Identity) is var (kind, reason))
        {
            return Refuse(c, t, action, reason, kind, "its end was asked for before its start");
        }

        if (refusal(order) is { } message)
        {
            return Refuse(c, t, action, TerminationReason.InternalError, null, message);
        }

        var row = new BackendRow { Identity = action.Identity, Order = order, Status = BackendStatus.Scheduled, Deadlines = order.Deadlines };
        BackendRows.Insert(c, t, row);
        return new AppliedAction(action, ActionEffect.Spawned, row);
    }

    private static AppliedAction Terminate(SqliteConnection c, SqliteTransaction t, DroneAction action, TerminateOrder order)
    {
        switch (BackendRows.Find(c, t, action.Identity))
        {
            case null:
                Sql.Execute(
                    c,
                    t,
                    """
                    insert into remembered_ends (backend, token, number, kind, reason) values ($backend, $token, $number, $kind, $reason)
                    on conflict (backend, token) do update set kind = max(kind, excluded.kind), number = excluded.number
                    """,
                    ("$backend", action.Identity.Backend.Value),
                    ("$token", action.Identity.Token.Value),
                    ("$number", action.Number),
                    ("$kind", (int)order.Kind),
                    ("$reason", (int)order.Reason));
                return new AppliedAction(action, ActionEffect.EndRemembered, null);
            case { Status: BackendStatus.Terminated }:
                return new AppliedAction(action, ActionEffect.AlreadyEnded, null);
            case var row:
                BackendRows.AskEnd(c, t, action.Identity, order.Kind, order.Reason);
                return new AppliedAction(action, ActionEffect.EndAsked, row);
        }
    }

    private static AppliedAction Refuse(
        SqliteConnection c, SqliteTransaction t, DroneAction action, TerminationReason reason, TerminationKind? kind, string message)
    {
        OutboxRows.Add(c, t, OutboxRows.ToEvent(new StateChange
        {
            Identity = action.Identity,
            Status = BackendStatus.Terminated,
            Reason = reason,
            Kind = kind,
            Message = message,
        }));
        return new AppliedAction(action, ActionEffect.SpawnRefused, null);
    }

    private static (TerminationKind Kind, TerminationReason Reason)? RememberedEnd(SqliteConnection c, SqliteTransaction t, BackendIdentity identity)
    {
        using var command = Sql.Command(
            c,
            t,
            "select kind, reason from remembered_ends where backend = $backend and token = $token",
            ("$backend", identity.Backend.Value),
            ("$token", identity.Token.Value));
        using var reader = command.ExecuteReader();
        return reader.Read() ? ((TerminationKind)reader.GetInt32(0), (TerminationReason)reader.GetInt32(1)) : null;
    }
}
