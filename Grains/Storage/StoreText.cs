using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Plane.Grains.Storage;

/// <summary>What both stores write into text columns, and read out of them.</summary>
internal static class StoreText
{
    /// <summary>The longest message of an event.</summary>
    public const int MaxMessage = 1_000;

    /// <summary>The longest end of an output: 8 KiB as UTF-8.</summary>
    public const int MaxOutputTail = 8 * 1024;

    /// <summary>The longest address of a backend.</summary>
    public const int MaxAddress = 300;

    /// <summary>
    /// A page of actions ends once its orders have so many characters: it must fit a message, whose limit is 16 MiB, together with the order that ends it
    /// (<see cref="ConnectRules.MaxExecutableBytes"/>, up to six times that in JSON).
    /// </summary>
    public const int MaxPageText = 4 * 1024 * 1024;

    // The last microsecond of the year 9999, beyond which there is no DateTime.
    private const long MaxCreated = 253_402_300_799_999_999;

    private static readonly TimeSpan s_leastSilence = TimeSpan.FromDays(1);

    private static readonly JsonSerializerOptions s_json = new() { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    /// <summary>
    /// A text from a drone or a runtime as it can be stored: PostgreSQL takes no NUL, UTF-8 no unpaired surrogate, and neither is worth refusing a state event.
    /// </summary>
    [return: NotNullIfNotNull(nameof(text))]
    public static string? Clean(string? text, int longest)
    {
        if (text is null || (text.Length <= longest && !text.Contains('\0', StringComparison.Ordinal) && !NameRules.HasUnpairedSurrogate(text)))
        {
            return text;
        }

        var clean = new StringBuilder(Math.Min(text.Length, longest));
        foreach (var rune in text.EnumerateRunes())
        {
            if (clean.Length + rune.Utf16SequenceLength > longest)
            {
                break;
            }

            clean.Append(rune.Value == 0 ? '\ufffd'.ToString() : rune.ToString());
        }

        return clean.ToString();
    }

    /// <summary>What an event says beside its state, or null: a message while the backend waits, of which the empty one removes it, and the end of its output.</summary>
    public static (string? Message, string? OutputTail)? NoteOf(StateEvent e)
    {
        var message = e.Status == BackendStatus.Waiting ? Clean(e.Message, MaxMessage) : null;
        var tail = Clean(e.OutputTail, MaxOutputTail);
        return message is null && tail is null ? null : (message, tail);
    }

    /// <summary>What is wrong with a registration, in words, or null.</summary>
    public static string? Problem(DroneRegistration registration) =>
        NameRules.TextProblem(registration.InstanceId, 1) is { } instance ? $"instance id {instance}"
        : NameRules.TextProblem(registration.BootId, 1) is { } boot ? $"boot id {boot}"
        : NameRules.TextProblem(registration.Pool, 0) is { } pool ? $"pool {pool}"
        : NameRules.TextProblem(registration.Version, 0) is { } version ? $"version {version}"
        : NameRules.TextProblem(registration.Hash, 0) is { } hash ? $"hash {hash}"
        : registration.Kinds is not { Length: > 0 } || !registration.Kinds.All(Enum.IsDefined) ? "kinds must name what the drone can run"
        : registration.MaxBackends is < 1 or > 100_000 ? "max backends must be from 1 to 100000"
        : registration.Reading < 0 ? "reading must not be negative"
        : registration.LastAction is < 0 or > DroneRegistration.MaxAction ? "last action is out of range"
        : null;

    public static string WriteSpawn(ConnectCommand command) =>
        JsonSerializer.Serialize(new StoredSpawn(command.Spawn!.Executable, command.Key, StaticTokenOf(command)), s_json);

    public static SpawnOrder ReadSpawn(string text, LeaseDeadlines deadlines)
    {
        var stored = JsonSerializer.Deserialize<StoredSpawn>(text, s_json) ?? throw new InvalidOperationException("a spawn action holds no order");
        return new SpawnOrder { Executable = stored.Executable, Key = stored.Key, Deadlines = deadlines, StaticToken = stored.StaticToken };
    }

    /// <summary>The static token of the backend that the command starts; only where it asked for one.</summary>
    public static BearerToken? StaticTokenOf(ConnectCommand command) =>
        command.Spawn is { UseStaticToken: true } ? command.StaticToken ?? throw new ArgumentException("a static token was asked for and none drawn") : null;

    /// <summary>JSON kept by a column; valid, since it was when it was written.</summary>
    public static JsonText? ReadJson(string? text) => text is not null && JsonText.TryParse(text, out var json) ? json : null;

    /// <summary>The place after a row of the list of backends, opaque to whoever pages.</summary>
    public static string WriteCursor(long created, BackendName backend) =>
        Base64Url.EncodeToString(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"1.{created}.{backend}")));

    /// <summary>Reads <see cref="WriteCursor"/>.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static (long Created, BackendName Backend)? ReadCursor(string? cursor)
    {
        if (cursor is null)
        {
            return null;
        }

        if (cursor.Length <= 200 && Base64Url.IsValid(cursor))
        {
            var parts = Encoding.UTF8.GetString(Base64Url.DecodeFromChars(cursor)).Split('.');
            if (parts is ["1", var created, var id]
                && long.TryParse(created, NumberStyles.None, CultureInfo.InvariantCulture, out var at)
                && at <= MaxCreated
                && BackendName.TryParse(id, out var backend))
            {
                return (at, backend);
            }
        }

        throw new FormatException("the cursor is not one that a list of backends gave");
    }

    /// <summary>How long a drone that runs nothing must have been silent to be forgotten: as long as what it ran is remembered, and a day, which it may be away for.</summary>
    public static TimeSpan ForgetsDronesAfter(TimeSpan endedBackends) => endedBackends > s_leastSilence ? endedBackends : s_leastSilence;

    /// <summary>Why a state event was not applied.</summary>
    public static string Refusal(bool known, BackendStatus stored) =>
        known ? $"it is {stored.WireName()} already" : "no such backend and acquisition on this drone";

    private sealed record StoredSpawn(Executable Executable, KeyConfig Key, BearerToken? StaticToken);
}
