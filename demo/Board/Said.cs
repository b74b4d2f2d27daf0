using System.Text.Json;

namespace Plane.Demo.Board;

/// <summary>What a browser may say, parsed and checked. Anything else ends its connection with the reason.</summary>
internal abstract record Said
{
    /// <summary>Coordinates in one <see cref="Points"/>: 250 points.</summary>
    public const int MaxCoordinates = 500;

    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = 4 };

    /// <summary>Parses one message.</summary>
    /// <exception cref="RefusedException">It is not one of the messages below.</exception>
    public static Said Parse(ReadOnlyMemory<byte> message)
    {
        try
        {
            using var document = JsonDocument.Parse(message, Strict);
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object)
            {
                throw new RefusedException("a message is a JSON object");
            }

            var kind = Text(root, "t");
            return kind switch
            {
                "hello" => new Hello(Text(root, "name")),
                "name" => new Rename(Text(root, "name")),
                "cursor" => new Cursor(Number(root, "x", 0, BoardOptions.Width), Number(root, "y", 0, BoardOptions.Height)),
                "away" => new Away(),
                "start" => new Start(
                    Number(root, "id", 1, int.MaxValue),
                    Number(root, "c", 0, BoardOptions.Colors - 1),
                    Number(root, "w", 1, BoardOptions.MaxPen),
                    Number(root, "x", 0, BoardOptions.Width),
                    Number(root, "y", 0, BoardOptions.Height)),
                "points" => new Points(Number(root, "id", 1, int.MaxValue), List(root)),
                "end" => new End(Number(root, "id", 1, int.MaxValue)),
                "undo" => new Undo(),
                "clear" => new Clear(),
                _ => throw new RefusedException("t: no such message"),
            };
        }
        catch (JsonException)
        {
            throw new RefusedException("not JSON");
        }
        catch (InvalidOperationException)
        {
            // A string with an unpaired surrogate: JSON, but no text.
            throw new RefusedException("not text");
        }
    }

    private static JsonElement Member(JsonElement root, string name) =>
        root.TryGetProperty(name, out var member) ? member : throw new RefusedException($"{name}: missing");

    private static string Text(JsonElement root, string name) =>
        Member(root, name) is { ValueKind: JsonValueKind.String } member ? member.GetString()! : throw new RefusedException($"{name}: not a string");

    private static int Number(JsonElement root, string name, int low, int high) => Whole(Member(root, name), name, low, high);

    private static int Whole(JsonElement member, string name, int low, int high) =>
        member.ValueKind == JsonValueKind.Number && member.TryGetInt32(out var number) && number >= low && number <= high
            ? number
            : throw new RefusedException($"{name}: not a whole number from {low} to {high}");

    private static ushort[] List(JsonElement root)
    {
        var member = Member(root, "p");
        if (member.ValueKind != JsonValueKind.Array || member.GetArrayLength() is 0 or > MaxCoordinates || member.GetArrayLength() % 2 != 0)
        {
            throw new RefusedException($"p: not a list of 1 to {MaxCoordinates / 2} points");
        }

        var points = new ushort[member.GetArrayLength()];
        var i = 0;
        foreach (var item in member.EnumerateArray())
        {
            points[i] = (ushort)Whole(item, "p", 0, i % 2 == 0 ? BoardOptions.Width : BoardOptions.Height);
            i++;
        }

        return points;
    }

    public sealed record Hello(string Name) : Said;

    public sealed record Rename(string Name) : Said;

    public sealed record Cursor(int X, int Y) : Said;

    public sealed record Away : Said;

    public sealed record Start(int Id, int Color, int Pen, int X, int Y) : Said;

    public sealed record Points(int Id, ushort[] Coordinates) : Said;

    public sealed record End(int Id) : Said;

    public sealed record Undo : Said;

    public sealed record Clear : Said;
}
