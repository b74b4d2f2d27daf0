using System.Buffers;
using System.Text.Json;

namespace Plane.Demo.Board;

/// <summary>What browsers are sent. Each message is written once and shared by all who get it.</summary>
internal static class Messages
{
    /// <summary>Points of history in one message, so that a newcomer can begin to draw it at once.</summary>
    public const int HistoryPoints = 4_000;

    public static byte[] Welcome(Connection you, IEnumerable<Connection> peers, BoardOptions options) => Write("welcome", json =>
    {
        json.WriteNumber("you", you.Id);
        json.WriteString("backend", options.Backend);
        json.WriteString("key", options.Key);
        json.WriteString("token", options.FencingToken);
        json.WriteNumber("maxStroke", options.MaxStrokePoints);
        json.WriteStartArray("peers");
        foreach (var peer in peers)
        {
            Peer(json, peer);
        }

        json.WriteEndArray();
    });

    public static IEnumerable<byte[]> History(IEnumerable<Stroke> strokes)
    {
        var batch = new List<Stroke>();
        var points = 0;
        foreach (var stroke in strokes)
        {
            batch.Add(stroke);
            points += stroke.Points;
            if (points >= HistoryPoints)
            {
                yield return Strokes(batch);
                batch.Clear();
                points = 0;
            }
        }

        if (batch.Count > 0)
        {
            yield return Strokes(batch);
        }
    }

    public static byte[] Person(Connection peer) => Write("peer", json =>
    {
        json.WritePropertyName("peer");
        Peer(json, peer);
    });

    public static byte[] Left(Connection peer) => Write("leave", json => json.WriteNumber("id", peer.Id));

    public static byte[] Started(Stroke stroke) => Write("start", json =>
    {
        Key(json, stroke.Key);
        json.WriteNumber("c", stroke.Color);
        json.WriteNumber("w", stroke.Pen);
        json.WriteNumber("x", stroke.Coordinates[0]);
        json.WriteNumber("y", stroke.Coordinates[1]);
    });

    public static byte[] Continued(Stroke stroke, ReadOnlySpan<ushort> coordinates)
    {
        var buffer = new ArrayBufferWriter<byte>(64 + (coordinates.Length * 6));
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("t", "points");
        Key(json, stroke.Key);
        Coordinates(json, coordinates);
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    public static byte[] Ended(Stroke stroke) => Write("end", json => Key(json, stroke.Key));

    public static byte[] Dropped(IEnumerable<Stroke> strokes) => Write("drop", json =>
    {
        json.WriteStartArray("s");
        foreach (var stroke in strokes)
        {
            json.WriteStartArray();
            json.WriteNumberValue(stroke.Key.By);
            json.WriteNumberValue(stroke.Key.Id);
            json.WriteEndArray();
        }

        json.WriteEndArray();
    });

    public static byte[] Cleared(Connection by) => Write("clear", json => json.WriteNumber("by", by.Id));

    public static byte[] Cursors(IEnumerable<Connection> moved) => Write("cursors", json =>
    {
        json.WriteStartArray("c");
        foreach (var peer in moved)
        {
            json.WriteStartArray();
            json.WriteNumberValue(peer.Id);
            if (peer.Cursor is { } at)
            {
                json.WriteNumberValue(at.X);
                json.WriteNumberValue(at.Y);
            }

            json.WriteEndArray();
        }

        json.WriteEndArray();
    });

    private static byte[] Strokes(List<Stroke> strokes) => Write("strokes", json =>
    {
        json.WriteStartArray("s");
        foreach (var stroke in strokes)
        {
            json.WriteStartObject();
            Key(json, stroke.Key);
            json.WriteNumber("c", stroke.Color);
            json.WriteNumber("w", stroke.Pen);
            json.WriteBoolean("open", stroke.IsOpen);
            Coordinates(json, stroke.Coordinates);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    });

    private static void Peer(Utf8JsonWriter json, Connection peer)
    {
        json.WriteStartObject();
        json.WriteNumber("id", peer.Id);
        json.WriteString("name", peer.Name);
        json.WriteNumber("color", peer.Color);
        json.WriteBoolean("verified", peer.IsVerified);
        json.WriteEndObject();
    }

    private static void Key(Utf8JsonWriter json, (int By, int Id) key)
    {
        json.WriteNumber("by", key.By);
        json.WriteNumber("id", key.Id);
    }

    private static void Coordinates(Utf8JsonWriter json, ReadOnlySpan<ushort> coordinates)
    {
        json.WriteStartArray("p");
        foreach (var coordinate in coordinates)
        {
            json.WriteNumberValue((int)coordinate);
        }

        json.WriteEndArray();
    }

    private static byte[] Write(string kind, Action<Utf8JsonWriter> members)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using var json = new Utf8JsonWriter(buffer);
        json.WriteStartObject();
        json.WriteString("t", kind);
        members(json);
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenSpan.ToArray();
    }
}
