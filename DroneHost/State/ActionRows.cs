using Plane.Files;

namespace Plane.DroneHost.State;

/// <summary>What an action changes in the state file.</summary>
internal static class ActionRows
{
    public static AppliedAction Apply(SqliteDatabase s, DroneAction action, Func<SpawnOrder, string?> refusal) => action switch
    {
        { Kind: DroneActionKind.Spawn, Spawn: { } order } => Spawn(s, action, order, refusal),
        { Kind: DroneActionKind.Terminate, Terminate: { } order } => Terminate(s, action, order),
        { Kind: DroneActionKind.Claim, Claim: { } order } => Claim(s, action, order),

        // An order of a kind without its content cannot be carried out, now or later.
        _ => Refuse(s, action, TerminationReason.InternalError, null, $"action {action.Number} has no content"),
    };

    private static AppliedAction Spawn(SqliteDatabase s, DroneAction action, SpawnOrder order, Func<SpawnOrder, string?> refusal)
    {
        if (BackendRows.Find(s, action.Identity) is not null)
        {
            return new AppliedAction(action, ActionEffect.Repeated, null);
        }

        if (RememberedEnd(s, action.Identity) is var (kind, reason))
        {
            return Refuse(s, action, reason, kind, "its end was asked for before its start");
        }

        if (refusal(order) is { } message)
        {
            return Refuse(s, action, TerminationReason.InternalError, null, message);
        }

        if (PoolKey.Is(order.Key))
        {
            StateFile.MarkWarm(s);
        }

        var row = new BackendRow { Identity = action.Identity, Order = order, Status = BackendStatus.Scheduled, Deadlines = order.Deadlines };
        BackendRows.Insert(s, row);
        return new AppliedAction(action, ActionEffect.Spawned, row);
    }

    private static AppliedAction Terminate(SqliteDatabase s, DroneAction action, TerminateOrder order)
    {
        switch (BackendRows.Find(s, action.Identity))
        {
            case null:
                s.Execute(
                    """
                    insert into remembered_ends (backend, token, number, kind, reason) values ($1, $2, $3, $4, $5)
                    on conflict (backend, token) do update set kind = max(kind, excluded.kind), number = excluded.number
                    """,
                    action.Identity.Backend.Value,
                    action.Identity.Token.Value,
                    action.Number,
                    (int)order.Kind,
                    (int)order.Reason);
                return new AppliedAction(action, ActionEffect.EndRemembered, null);
            case { Status: BackendStatus.Terminated }:
                return new AppliedAction(action, ActionEffect.AlreadyEnded, null);
            case var row:
                BackendRows.AskEnd(s, row.Identity, order.Kind, order.Reason);
                return new AppliedAction(action, ActionEffect.EndAsked, row);
        }
    }

    private static AppliedAction Claim(SqliteDatabase s, DroneAction action, ClaimOrder order)
    {
        var claim = new BackendClaim(order, action.Identity.Token);
        switch (BackendRows.Find(s, action.Identity with { Token = order.StartToken }))
        {
            case null:
                return new AppliedAction(action, ActionEffect.ClaimUnknown, null);
            case { Claim.Token: var token } when token == claim.Token:
                return new AppliedAction(action, ActionEffect.Repeated, null);
            case { Claim: not null } row:
                // A database that went back has given it away a second time. Which of the two claims counts is not for the drone to say.
                BackendRows.AskEnd(s, row.Identity, TerminationKind.Hard, TerminationReason.InternalError);
                return new AppliedAction(action, ActionEffect.ClaimedTwice, row);
            case var row:
                BackendRows.Claim(s, row.Identity, claim);
                return new AppliedAction(action, row.Status == BackendStatus.Terminated ? ActionEffect.AlreadyEnded : ActionEffect.Claimed, row with { Claim = claim });
        }
    }

    private static AppliedAction Refuse(
        SqliteDatabase s, DroneAction action, TerminationReason reason, TerminationKind? kind, string message)
    {
        OutboxRows.Add(s, new StateChange
        {
            Identity = action.Identity,
            Status = BackendStatus.Terminated,
            Reason = reason,
            Kind = kind,
            Message = message,
        });
        return new AppliedAction(action, ActionEffect.SpawnRefused, null);
    }

    private static Tuple<TerminationKind, TerminationReason>? RememberedEnd(SqliteDatabase s, BackendIdentity identity) => s.Single(
        "select kind, reason from remembered_ends where backend = $1 and token = $2",
        static r => Tuple.Create((TerminationKind)r.GetInt32(0), (TerminationReason)r.GetInt32(1)),
        identity.Backend.Value,
        identity.Token.Value);
}
