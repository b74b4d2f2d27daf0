using System.Text.Json.Serialization;
using Orleans;

namespace Plane;

/// <summary>Which of its two streams a backend wrote to.</summary>
[GenerateSerializer, Alias("plane.OutputStream")]
[JsonConverter(typeof(StrictEnumConverter<OutputStream>))]
public enum OutputStream
{
    /// <summary>Standard output; of a process both streams, in the order in which they were written.</summary>
    [JsonStringEnumMemberName("stdout")]
    Stdout = 1,

    /// <summary>Standard error of a container.</summary>
    [JsonStringEnumMemberName("stderr")]
    Stderr = 2,
}

/// <summary>A line that a backend wrote. Its text is the backend's: nothing of it is removed, so whatever shows it has to take it as text.</summary>
[GenerateSerializer, Immutable, Alias("plane.OutputLine")]
public sealed record OutputLine
{
    /// <summary>The most bytes of a line; more are cut.</summary>
    public const int MaxBytes = 64 * 1024;

    /// <summary>Its place in the backend's output: greater than that of every line before it, also after a restart of the drone.</summary>
    [Id(0)]
    public required long Position { get; init; }

    /// <summary>When it was written, or, for a process, about when the drone noticed it. Not known for what was written while no agent ran.</summary>
    [Id(1)]
    public DateTimeOffset? Time { get; init; }

    /// <summary>The stream.</summary>
    [Id(2)]
    public required OutputStream Stream { get; init; }

    /// <summary>The text, without its end of line. What is not UTF-8 is replaced by U+FFFD.</summary>
    [Id(3)]
    public required string Text { get; init; }

    /// <summary>Whether it was longer than <see cref="MaxBytes"/>.</summary>
    [Id(4)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Cut { get; init; }

    /// <summary>How many lines before it were dropped because the reader, or the way to it, was too slow; -1 where the number is not known.</summary>
    [Id(5)]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public long Dropped { get; init; }

    /// <summary>Adds two numbers of dropped lines, of which either may be unknown.</summary>
    /// <param name="one">The first.</param>
    /// <param name="other">The second.</param>
    public static long AddDropped(long one, long other) => one < 0 || other < 0 ? -1 : one + other;
}
