using System.Text.Json;
using Microsoft.Data.Sqlite;

namespace Plane.Drone.State;

/// <summary>The statements over the outbox: events in the order in which their states were reached.</summary>
internal static class OutboxRows
{
    private const int MaxMessage = 1_000;

    /// <summary>The event of a step; its number is given by the table.</summary>
    public static StateEvent ToEvent(StateChange change) => new()
    {
        Sequence = 0,
        Identity = change.Identity,
        Status = change.Status,
        Address = change.Address,
        TerminationReason = change.Reason,
        TerminationKind = change.Kind,
        ExitCode = change.ExitCode,
        Message = Shorten(change.Message),
        OutputTail = change.OutputTail,
    };

    public static void Add(SqliteConnection c, SqliteTransaction t, StateEvent stateEvent) => Sql.Execute(
        c,
        t,
        "insert into outbox (backend, token, event_json) values ($backend, $token, $event)",
        ("$backend", stateEvent.Identity.Backend.Value),
        ("$token", stateEvent.Identity.Token.Value),
        ("$event", JsonSerializer.Serialize(stateEvent, PlaneJson.Http)));

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

    public static List<StateEvent> Read(SqliteConnection c, SqliteTransaction t, int limit)
    {
        using var command = Sql.Command(c, t, "select seq, event_json from outbox order by seq limit $limit", ("$limit", limit));
        using var reader = command.ExecuteReader();
        var events = new List<StateEvent>();
        while (reader.Read())
        {
            events.Add(JsonSerializer.Deserialize<StateEvent>(reader.GetString(1), PlaneJson.Http)! with { Sequence = reader.GetInt64(0) });
        }

        return events;
    }

    public static void Remove(SqliteConnection c, SqliteTransaction t, IReadOnlyCollection<long> sequences)
    {
        using var command = Sql.Command(c, t, "delete from outbox where seq = $seq");
        var sequence = command.Parameters.Add(new SqliteParameter { ParameterName = "$seq" });
        foreach (var number in sequences)
        {
            sequence.Value = number;
            command.ExecuteNonQuery();
        }
    }
}
