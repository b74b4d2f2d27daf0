using System.Text.Json;
using System.Text.Json.Serialization;

namespace Plane.Chaos.Verdict;

/// <summary>What a client did, as it wrote down itself. Times are nanoseconds of the boot clock: what was answered held at some moment between the two.</summary>
internal sealed record Entry
{
    /// <summary>One of <see cref="Ops"/>.</summary>
    public required string Op { get; init; }

    /// <summary>Just before the request was sent.</summary>
    public required long Start { get; init; }

    /// <summary>Just after its answer was read, or it failed.</summary>
    public required long End { get; init; }

    /// <summary>Whether it was acknowledged.</summary>
    public bool Ok { get; init; }

    /// <summary>Why not: an error kind, a status code, <c>timeout</c> or <c>broken</c>. Of the last two nobody knows what became of the request.</summary>
    public string? Error { get; init; }

    public string? Key { get; init; }

    /// <summary>The id that the caller gave a connect: the same one with the same answer however often it is sent.</summary>
    public string? Request { get; init; }

    public string? Backend { get; init; }

    public long Token { get; init; }

    public bool Spawned { get; init; }

    public string? Drone { get; init; }

    /// <summary>Which controller was asked, where it was to be that one and no other.</summary>
    public string? Controller { get; init; }

    public string? Status { get; init; }

    public string? Reason { get; init; }

    /// <summary>A number for the connection token: it isn't written down.</summary>
    public int Ticket { get; init; }

    /// <summary>Which backend answered.</summary>
    public string? Answered { get; init; }

    /// <summary>Under which fencing token it answered.</summary>
    public long AnsweredToken { get; init; }

    /// <summary>The service that a connect was made by.</summary>
    public string? Service { get; init; }

    /// <summary>Over which proxy it went.</summary>
    public string? Proxy { get; init; }

    /// <summary>One of <see cref="Probes"/>: what is measured while a controller is unwell.</summary>
    public string? Probe { get; init; }

    /// <summary>The wall clock at the start, in milliseconds since 1970: by it the programs' logs are found.</summary>
    public long Utc { get; init; }

    /// <summary>All statuses of a backend, in order.</summary>
    public string[]? History { get; init; }

    /// <summary>Whether the answer is known; of a request that broke it isn't, and it may have been carried out.</summary>
    [JsonIgnore]
    public bool IsUnknown => Error is "timeout" or "broken";
}

/// <summary>What an entry may be about.</summary>
internal static class Ops
{
    /// <summary>A connect to a key.</summary>
    public const string Connect = "connect";

    /// <summary>A request to end a backend.</summary>
    public const string Terminate = "terminate";

    /// <summary>A request to drain a drone, or to end that.</summary>
    public const string Drain = "drain";

    /// <summary>The end of a drain.</summary>
    public const string Undrain = "undrain";

    /// <summary>The revocation of a ticket.</summary>
    public const string Revoke = "revoke";

    /// <summary>A look at a backend's status.</summary>
    public const string Status = "status";

    /// <summary>A request through a proxy with a ticket.</summary>
    public const string Visit = "visit";

    /// <summary>Everything that a backend's description tells at the end.</summary>
    public const string History = "history";

    /// <summary>A fault, from its beginning to its end; <see cref="Entry.Key"/> is its kind, <see cref="Entry.Controller"/> its victim.</summary>
    public const string Fault = "fault";

    /// <summary>A time in which nothing but one controller was unwell.</summary>
    public const string Window = "window";

    /// <summary>A question for a controller's health.</summary>
    public const string Health = "health";

    /// <summary>A phase of the run begins; <see cref="Entry.Key"/> names it.</summary>
    public const string Phase = "phase";

    /// <summary>All faults are over for long enough: what was acknowledged must have been carried out.</summary>
    public const string Settled = "settled";

    /// <summary>Every backend was told to end, long enough ago: nothing runs any more.</summary>
    public const string Over = "over";
}

/// <summary>What is measured while one controller of several is unwell.</summary>
internal static class Probes
{
    /// <summary>A connect to a held key, at a controller that is well.</summary>
    public const string Held = "held";

    /// <summary>The first request with a new token.</summary>
    public const string First = "first";

    /// <summary>A request over a route that the proxy knows, which needs no controller: how long it takes is the machine's doing.</summary>
    public const string Known = "known";
}

/// <summary>The clients' log, a file of one JSON object a line.</summary>
internal static class EntryFile
{
    private static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web)
    {
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault,
    };

    public static string Line(Entry entry) => JsonSerializer.Serialize(entry, Options);

    public static IReadOnlyList<Entry> Read(string file) =>
        [.. File.ReadLines(file).Where(line => line.Length > 0).Select(line => JsonSerializer.Deserialize<Entry>(line, Options)!)];
}
