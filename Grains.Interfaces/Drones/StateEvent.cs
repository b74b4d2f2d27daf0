using System.Net;
using System.Text;
using Orleans;

namespace Plane;

/// <summary>A state that a backend reached, from its drone's outbox.</summary>
[GenerateSerializer, Immutable, Alias("plane.StateEvent")]
public sealed record StateEvent
{
    /// <summary>Its number in the drone's outbox.</summary>
    [Id(0)]
    public required long Sequence { get; init; }

    /// <summary>Which backend, under which acquisition.</summary>
    [Id(1)]
    public required BackendIdentity Identity { get; init; }

    /// <summary>The state reached.</summary>
    [Id(2)]
    public required BackendStatus Status { get; init; }

    /// <summary>Where it answers, as <c>127.0.0.1:30001</c>, once known.</summary>
    [Id(3)]
    public string? Address { get; init; }

    /// <summary>Why it ends; none where it exited by itself.</summary>
    [Id(4)]
    public TerminationReason? TerminationReason { get; init; }

    /// <summary>How it is ended.</summary>
    [Id(5)]
    public TerminationKind? TerminationKind { get; init; }

    /// <summary>The exit code, where there is one.</summary>
    [Id(6)]
    public int? ExitCode { get; init; }

    /// <summary>
    /// What went wrong, in words, at most <see cref="MaxMessage"/> characters. An event of a state that was reported before, <see cref="BackendStatus.Waiting"/>, sets it while the backend stays in that
    /// state; the empty text removes it.
    /// </summary>
    [Id(7)]
    public string? Message { get; init; }

    /// <summary>The last lines of its output, with its end where that was an error: at most 50 lines and 8 KiB.</summary>
    [Id(8)]
    public string? OutputTail { get; init; }

    /// <summary>
    /// Whether it answers and waits for a claim: a warm backend stays <see cref="BackendStatus.Waiting"/> until it is claimed. Comes with an event of that state, also
    /// of one that was reported before.
    /// </summary>
    [Id(9)]
    public bool IsWarm { get; init; }

    /// <summary>The longest message.</summary>
    public const int MaxMessage = 1_000;

    /// <summary>The longest end of an output.</summary>
    public const int MaxOutputTail = 8 * 1024;

    /// <summary>The longest address: an IPv6 address with its scope and a port.</summary>
    public const int MaxAddress = 64;

    /// <summary>Why it is refused, or <see langword="null"/>. One event of a batch that is refused leaves the others as they are.</summary>
    public string? Refusal() =>
        !Identity.IsSet ? "the event names no backend and fencing token"
        : !Enum.IsDefined(Status) ? "the event's state is unknown"
        : Status == BackendStatus.Scheduled ? "only the controller schedules"
        : NameRules.EnumProblem(TerminationReason) is not null || NameRules.EnumProblem(TerminationKind) is not null ? "the event's reason or kind of end is unknown"
        : Address is not null && !IsEndPoint(Address) ? "the address is not an IP address with a port"
        : Status == BackendStatus.Ready && Address is null ? "a backend that is ready has an address"
        : IsWarm && (Status != BackendStatus.Waiting || Address is null) ? "a backend that waits for a claim is waiting and has an address"
        : null;

    /// <summary>
    /// The event with a message that can be stored: no database takes NUL in a text, and an unpaired surrogate can't be encoded. One that is too long is cut rather than
    /// refused: an end must not be lost for its words.
    /// </summary>
    public StateEvent Cleaned() =>
        Message is null && OutputTail is null
            ? this
            : this with { Message = Message is null ? null : CleanText(Message), OutputTail = OutputTail is null ? null : CleanOutput(OutputTail) };

    private static bool IsEndPoint(string address) => address.Length <= MaxAddress && IPEndPoint.TryParse(address, out var point) && point.Port > 0;

    // A drone has cut and cleaned it; one that did not must not fill the database, nor control the terminal that shows it.
    private static string CleanOutput(string text) =>
        string.Concat(text[Math.Max(0, text.Length - MaxOutputTail)..].EnumerateRunes().Select(r => (r.Value == '\n' || !Rune.IsControl(r) ? r : Rune.ReplacementChar).ToString()));

    private static string CleanText(string text)
    {
        if (text.Length <= MaxMessage && !text.Contains('\0', StringComparison.Ordinal) && !NameRules.HasUnpairedSurrogate(text))
        {
            return text;
        }

        var clean = new StringBuilder(Math.Min(text.Length, MaxMessage));
        foreach (var rune in text.EnumerateRunes())
        {
            if (clean.Length + rune.Utf16SequenceLength > MaxMessage)
            {
                break;
            }

            clean.Append((rune.Value == 0 ? Rune.ReplacementChar : rune).ToString());
        }

        return clean.ToString();
    }
}

/// <summary>What became of a <see cref="StateEvent"/>. It leaves the outbox either way.</summary>
[GenerateSerializer, Immutable, Alias("plane.StateAck")]
public sealed record StateAck
{
    /// <summary>The event's number.</summary>
    [Id(0)]
    public required long Sequence { get; init; }

    /// <summary>Whether it was applied, now or before.</summary>
    [Id(1)]
    public required bool Applied { get; init; }

    /// <summary>Why not.</summary>
    [Id(2)]
    public string? Refusal { get; init; }
}

/// <summary>A drone's state events, in order per backend.</summary>
[GenerateSerializer, Immutable, Alias("plane.StateBatch")]
public sealed record StateBatch
{
    /// <summary>The most events in one batch.</summary>
    public const int MaxEvents = 2_000;

    /// <summary>Who reports.</summary>
    [Id(0)]
    public required DroneSession Session { get; init; }

    /// <summary>The events.</summary>
    [Id(1)]
    public required StateEvent[] Events { get; init; }

    /// <summary>What is wrong with it, or <see langword="null"/>. A single event is refused by itself (<see cref="StateEvent.Refusal"/>).</summary>
    public FieldError? Validate() =>
        DroneSession.Validate(Session)
        ?? FieldError.From("events", Events is null || Events.Length > MaxEvents || Events.Contains(null!) ? $"must be at most {MaxEvents} events" : null);
}

/// <summary>The answer to a <see cref="StateBatch"/>.</summary>
[GenerateSerializer, Immutable, Alias("plane.StateReply")]
public sealed record StateReply
{
    /// <summary>Whether the session is still current; where it isn't, nothing was applied.</summary>
    [Id(0)]
    public required SessionState Session { get; init; }

    /// <summary>One acknowledgement per event.</summary>
    [Id(1)]
    public StateAck[] Acks { get; init; } = [];
}
