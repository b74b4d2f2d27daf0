using System.Globalization;

namespace Plane.Demo.Board;

/// <summary>
/// What a board gets from Plane (its session's identity and port) and the bounds that keep one board small whatever its users do.
/// </summary>
internal sealed record BoardOptions
{
    /// <summary>The width of the sheet in its own units; every coordinate lies in it.</summary>
    public const int Width = 15_000;

    /// <summary>The height of the sheet.</summary>
    public const int Height = 10_000;

    /// <summary>Pens are indexes into the page's palette, which differs by theme; the last one erases.</summary>
    public const int Colors = 9;

    /// <summary>The colours that a person can have: the palette without ink and eraser.</summary>
    public const int PersonColors = 7;

    /// <summary>The widest pen, in units of the sheet.</summary>
    public const int MaxPen = 1_000;

    /// <summary><c>PORT</c>, or 8080 as in a container; 0 for any free one.</summary>
    public int Port { get; init; } = 8080;

    /// <summary>All addresses (a container's own network), else loopback only.</summary>
    public bool BindAny { get; init; }

    /// <summary>The backend's name.</summary>
    public string Backend { get; init; } = "";

    /// <summary>The key's name.</summary>
    public string Key { get; init; } = "";

    /// <summary>The key's fencing token; text, because JavaScript's numbers end at 2^53.</summary>
    public string FencingToken { get; init; } = "";

    /// <summary>A static connection token stays in the path (it never changes, so the backend may know it).</summary>
    public string StaticToken { get; init; } = "";

    /// <summary>People on one board; more are turned away.</summary>
    public int MaxPeers { get; init; } = 64;

    /// <summary>Strokes kept for those who come later; the oldest go first.</summary>
    public int MaxStrokes { get; init; } = 5_000;

    /// <summary>Points in all kept strokes: 4 bytes each here, up to 12 in the history that a newcomer reads.</summary>
    public int MaxPoints { get; init; } = 120_000;

    /// <summary>Points in one stroke; the page begins another one before.</summary>
    public int MaxStrokePoints { get; init; } = 4_000;

    /// <summary>Bytes in one message; a batch of 250 points is 3 KiB.</summary>
    public int MaxMessageBytes { get; init; } = 4 * 1024;

    /// <summary>Messages per second and person, in the long run. The page sends at most 60.</summary>
    public int MessagesPerSecond { get; init; } = 90;

    /// <summary>Messages at once on top of that.</summary>
    public int MessageBurst { get; init; } = 180;

    /// <summary>Messages that wait for a slow reader before it is cut. A full history is 65.</summary>
    public int MaxQueuedMessages { get; init; } = 512;

    /// <summary>How long one message may take to be accepted by a reader's connection.</summary>
    public TimeSpan SendTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a browser may take to answer our close.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long a connection may stay without the first message that names its user.</summary>
    public TimeSpan HelloTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How often positions of cursors go out: all that moved, in one message.</summary>
    public TimeSpan CursorInterval { get; init; } = TimeSpan.FromMilliseconds(40);

    public static BoardOptions? FromEnvironment(out string? mistake)
    {
        mistake = null;
        var port = Variable("PORT");
        if (!int.TryParse(port is "" ? "8080" : port, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number > 65535)
        {
            mistake = $"PORT is '{port}', not a port number";
            return null;
        }

        var bind = Variable("BOARD_BIND");
        if (bind is not ("" or "any" or "loopback"))
        {
            mistake = $"BOARD_BIND is '{bind}', not any or loopback";
            return null;
        }

        return new BoardOptions
        {
            Port = number,
            BindAny = bind is "any",
            Backend = Variable("SESSION_BACKEND_ID"),
            Key = Variable("SESSION_BACKEND_KEY"),
            FencingToken = Variable("SESSION_BACKEND_FENCING_TOKEN"),
            StaticToken = Variable("SESSION_BACKEND_STATIC_TOKEN"),
        };
    }

    private static string Variable(string name) => Environment.GetEnvironmentVariable(name) ?? "";
}
