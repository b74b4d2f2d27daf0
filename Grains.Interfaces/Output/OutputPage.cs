using Orleans;

namespace Plane;

/// <summary>Up to where a reader has read.</summary>
/// <param name="Position">The <see cref="OutputLine.Position"/> of the last line that it has, or 0.</param>
/// <param name="Feed">Which feed of the drone numbered the lines; 0 where none did.</param>
/// <param name="Sequence">The last line's number in that feed: by it the drone knows how many lines a reader has missed.</param>
[GenerateSerializer, Immutable, Alias("plane.OutputCursor")]
public sealed record OutputCursor([property: Id(0)] long Position, [property: Id(1)] long Feed = 0, [property: Id(2)] long Sequence = 0);

/// <summary>Which lines of a backend's output to read.</summary>
[GenerateSerializer, Immutable, Alias("plane.OutputRequest")]
public sealed record OutputRequest
{
    /// <summary>The most lines of one answer.</summary>
    public const int MaxTail = 10_000;

    /// <summary>The backend and its acquisition.</summary>
    [Id(0)]
    public required BackendIdentity Backend { get; init; }

    /// <summary>What runs it.</summary>
    [Id(1)]
    public required ExecutorKind Executor { get; init; }

    /// <summary>Read on after this; null for the last lines.</summary>
    [Id(2)]
    public OutputCursor? After { get; init; }

    /// <summary>Without <see cref="After"/>: how many lines at most, 0 to <see cref="MaxTail"/>.</summary>
    [Id(3)]
    public int Tail { get; init; } = 100;

    /// <summary>Without <see cref="After"/>: only lines that were written at this time or later.</summary>
    [Id(4)]
    public DateTimeOffset? Since { get; init; }

    /// <summary>Without <see cref="After"/>: only lines of this stream.</summary>
    [Id(5)]
    public OutputStream? Stream { get; init; }

    /// <summary>With <see cref="After"/>: how long to wait for a line, at most 5 s.</summary>
    [Id(6)]
    public TimeSpan Wait { get; init; }

    /// <summary>What is wrong with it, or <see langword="null"/>.</summary>
    public FieldError? Validate() =>
        FieldError.From("backend", Backend.IsSet ? null : "must be given")
        ?? FieldError.From("executor", NameRules.EnumProblem<ExecutorKind>(Executor))
        ?? FieldError.From("tail", Tail is < 0 or > MaxTail ? $"must be from 0 to {MaxTail}" : null)
        ?? FieldError.From("stream", NameRules.EnumProblem(Stream));
}

/// <summary>Lines of a backend's output.</summary>
[GenerateSerializer, Immutable, Alias("plane.OutputPage")]
public sealed record OutputPage
{
    /// <summary>Whether the drone has an output of this backend: not before its start, nor once what it left behind was pruned.</summary>
    [Id(0)]
    public required bool IsKnown { get; init; }

    /// <summary>The lines, oldest first.</summary>
    [Id(1)]
    public OutputLine[] Lines { get; init; } = [];

    /// <summary>Where to read on.</summary>
    [Id(2)]
    public OutputCursor Cursor { get; init; } = new(0);

    /// <summary>Whether nothing more comes: the backend has ended, and this is the end of its output.</summary>
    [Id(3)]
    public bool IsComplete { get; init; }

    /// <summary>Why the drone could not read it now; it may be asked again.</summary>
    [Id(4)]
    public string? Problem { get; init; }

    /// <summary>The page as a drone of this version would send it: another program may send anything.</summary>
    public OutputPage Cleaned() => this with
    {
        Lines = [.. (Lines ?? []).Where(l => l is { Text: not null, Position: > 0 } && Enum.IsDefined(l.Stream)).Take(OutputRequest.MaxTail)
            .Select(l => l.Text.Length <= OutputLine.MaxBytes ? l : l with { Text = l.Text[..OutputLine.MaxBytes], Cut = true })],
        Cursor = Cursor ?? new OutputCursor(0),
        Problem = Problem is { Length: > StateEvent.MaxMessage } ? Problem[..StateEvent.MaxMessage] : Problem,
    };
}
