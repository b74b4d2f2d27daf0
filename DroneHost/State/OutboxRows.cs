using System.Text.Json;
using Plane.Files;

namespace Plane.DroneHost.State;

/// <summary>The statements over the outbox: events in the order in which their states were reached.</summary>
internal static class OutboxRows
{
    private const int MaxMessage = 1_000;

    private static StateEvent ToEvent(StateChange change, BackendIdentity onWire) => new()
    {
        Sequence = 0,
        Identity = onWire,
        Status = change.Status,
        Address = change.Address,
        TerminationReason = change.Reason,
        TerminationKind = change.Kind,
        ExitCode = change.ExitCode,
        Message = Shorten(change.Message),
        OutputTail = change.OutputTail,
        IsWarm = change.IsWarm,
    };

    /// <summary>Adds the event of a step; its number is given by the table.</summary>
    public static void Add(SqliteDatabase s, StateChange change) => s.Execute(
        "insert into outbox (backend, token, event_json) values ($1, $2, $3)",
        change.Identity.Backend.Value,
        change.Identity.Token.Value,
        JsonSerializer.Serialize(ToEvent(change, BackendRows.OnWire(s, change.Identity)), PlaneJson.Http));

    private static string? Shorten(string? message)
    {
        if (message is not { Length: > MaxMessage })
        {
            return message;
        }

        // Not through the middle of a surrogate pair.
        var end = char.IsHighSurrogate(message[MaxMessage - 2]) ? MaxMessage - 2 : MaxMessage - 1;
        return string.Concat(message.AsSpan(0, end), "…");
    }

    public static List<StateEvent> Read(SqliteDatabase s, int limit) => s.Query(
        "select seq, event_json from outbox order by seq limit $1",
        static r => JsonSerializer.Deserialize<StateEvent>(r.GetString(1), PlaneJson.Http)! with { Sequence = r.GetInt64(0) },
        limit);

    public static int Remove(SqliteDatabase s, IReadOnlyCollection<long> sequences) =>
        sequences.Sum(number => s.Execute("delete from outbox where seq = $1", number));
}
