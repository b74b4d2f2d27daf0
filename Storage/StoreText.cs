using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Plane.Storage;

/// <summary>What both stores write into text columns, and read out of them.</summary>
internal static class StoreText
{
    /// <summary>
    /// A page of actions ends once its orders have so many characters of JSON: together with the order that ends it it must fit a message
    /// (<see cref="MessageLimits.MaxBodyBytes"/>, <see cref="ConnectRules.MaxExecutableBytes"/>).
    /// </summary>
    public const int MaxPageText = 4 * 1024 * 1024;

    /// <summary>Whether a backend that ended has exited with an error, as both databases write it; an end by the default of the stop signal is what was asked for, and no error.</summary>
    public const string ExitFailed = "exit_code <> 0 and not (exit_code = 143 and termination_reason is not null)";

    /// <summary>Whether a backend that ended has failed, as both databases write it.</summary>
    public const string HasFailed = $"(termination_reason in ('lost', 'startup_timeout', 'internal_error', 'key_expired') or {ExitFailed})";

    private const int MaxCursor = 512;

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

    /// <summary>What an event says beside its state, or null: a message while the backend waits, of which the empty one removes it, the end of its output, and that it is warm.</summary>
    public static (string? Message, string? OutputTail, bool IsWarm)? NoteOf(StateEvent e)
    {
        var message = e.Status == BackendStatus.Waiting ? e.Message : null;
        return message is null && e.OutputTail is null && !e.IsWarm ? null : (message, e.OutputTail, e.IsWarm);
    }

    public static string WriteSpawn(ResolvedConnect command) =>
        JsonSerializer.Serialize(new StoredSpawn(command.Spawn!.Executable, command.Key, StaticTokenOf(command), command.Spawn.Protocol, PlaneTrace.Parent), s_json);

    /// <summary>What the proxies are to know of a backend; null for the usual.</summary>
    public static string? WriteWeb(SpawnConfig spawn) => WebSettings.Of(spawn) is { } web ? JsonSerializer.Serialize(web, s_json) : null;

    /// <summary>Reads <see cref="WriteWeb"/>.</summary>
    /// <exception cref="FormatException">It is not such a text.</exception>
    public static WebSettings? ReadWeb(string? text)
    {
        try
        {
            return text is null ? null : JsonSerializer.Deserialize<WebSettings>(text, s_json);
        }
        catch (JsonException e)
        {
            throw new FormatException("a text is not web settings", e);
        }
    }

    /// <summary>A service's spawn config. Equal ones have equal texts, whatever the order in which the environment was given.</summary>
    public static string WriteSpawnConfig(SpawnConfig spawn)
    {
        var executable = spawn.Executable is { Env: { } env } given
            ? given with { Env = new Dictionary<string, string>(env.OrderBy(e => e.Key, StringComparer.Ordinal), StringComparer.Ordinal) }
            : spawn.Executable;
        return JsonSerializer.Serialize(spawn with { Executable = executable }, s_json);
    }

    /// <summary>Reads <see cref="WriteSpawnConfig"/>.</summary>
    /// <exception cref="FormatException">It is not such a text.</exception>
    public static SpawnConfig ReadSpawnConfig(string text)
    {
        try
        {
            return JsonSerializer.Deserialize<SpawnConfig>(text, s_json) ?? throw new FormatException("a service holds no spawn config");
        }
        catch (JsonException e)
        {
            throw new FormatException("a text is not a spawn config", e);
        }
    }

    /// <summary>How far a drone is with its images.</summary>
    public static string WriteImages(IReadOnlyList<ImageState> images) => JsonSerializer.Serialize(images, s_json);

    /// <summary>Reads <see cref="WriteImages"/>.</summary>
    /// <exception cref="FormatException">It is not such a text.</exception>
    public static IReadOnlyList<ImageState> ReadImages(string? text)
    {
        try
        {
            return text is null ? [] : JsonSerializer.Deserialize<ImageState[]>(text, s_json) ?? throw new FormatException("a drone's images are not a list");
        }
        catch (JsonException e)
        {
            throw new FormatException("a text is not a drone's images", e);
        }
    }

    public static SpawnOrder ReadSpawn(string text, LeaseDeadlines deadlines)
    {
        var stored = JsonSerializer.Deserialize<StoredSpawn>(text, s_json) ?? throw new FormatException("a spawn action holds no order");
        return new SpawnOrder
        {
            Executable = stored.Executable,
            Key = stored.Key,
            Deadlines = deadlines,
            StaticToken = stored.StaticToken,
            Protocol = stored.Protocol ?? default,
            TraceParent = PlaneTrace.ValidOrNull(stored.TraceParent),
        };
    }

    /// <summary>
    /// What a lease must have left for its backend to be claimed: before the soft deadline, with time for a renewal. A drone that renews keeps far more.
    /// </summary>
    public static TimeSpan LeftToClaim(LeaseOptions numbers) => numbers.Expiry - numbers.Soft + numbers.RenewalCall;

    /// <summary>What the drone of a claimed backend is to know, but for the token of its start, which is found with the backend.</summary>
    public static string WriteClaim(ClaimRequest request)
    {
        var (key, service) = (request.Command.Key, request.Command.Service ?? throw new ArgumentException("a claim needs a service", nameof(request)));
        return JsonSerializer.Serialize(new StoredClaim(key, service, request.Path), s_json);
    }

    /// <summary>Reads <see cref="WriteClaim"/>.</summary>
    /// <exception cref="FormatException">It is not such a text.</exception>
    public static ClaimOrder ReadClaim(string text, long startToken)
    {
        var stored = JsonSerializer.Deserialize<StoredClaim>(text, s_json) ?? throw new FormatException("a claim action holds no order");
        return new ClaimOrder { Key = stored.Key, StartToken = new FencingToken(startToken), Service = stored.Service, Path = stored.Path };
    }

    /// <summary>The static token of the backend that the command starts; only where it asked for one.</summary>
    public static BearerToken? StaticTokenOf(ResolvedConnect command) =>
        command.Spawn is { UseStaticToken: true } ? command.StaticToken ?? throw new ArgumentException("a static token was asked for and none drawn") : null;

    /// <summary>How a backend ended, in words for an operator; null where nothing is known.</summary>
    public static string? EndOf(string? message, int? exitCode) =>
        message ?? (exitCode is { } code ? string.Create(CultureInfo.InvariantCulture, $"it exited with code {code}") : null);

    /// <summary>JSON kept by a column.</summary>
    /// <exception cref="FormatException">It is not JSON.</exception>
    public static JsonText? ReadJson(string? text) =>
        text is null ? null : JsonText.TryParse(text, out var json) ? json : throw new FormatException("a text is not JSON");

    /// <summary>A page of the list of backends, from its rows and one more, which says that another page follows. A row that could not be read is null.</summary>
    public static BackendPage Page(IReadOnlyList<(long Created, string Id, BackendSummary? Row)> rows, int limit) => new()
    {
        Backends = [.. rows.Take(limit).Select(r => r.Row).OfType<BackendSummary>()],
        NextCursor = rows.Count > limit ? WriteCursor(rows[limit - 1].Created, rows[limit - 1].Id) : null,
    };

    /// <summary>The place after a row of the list of backends, opaque to callers. The id is any text: also that of a row which could not be read.</summary>
    public static string WriteCursor(long created, string backend) =>
        Base64Url.EncodeToString(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"1.{created}.{backend}")));

    /// <summary>Reads <see cref="WriteCursor"/>.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static (long Created, string Backend)? ReadCursor(string? cursor)
    {
        if (cursor is null)
        {
            return null;
        }

        if (cursor.Length <= MaxCursor && Base64Url.IsValid(cursor))
        {
            var parts = Encoding.UTF8.GetString(Base64Url.DecodeFromChars(cursor)).Split('.', 3);
            if (parts is ["1", var created, var id]
                && long.TryParse(created, NumberStyles.None, CultureInfo.InvariantCulture, out var at)
                && at <= MaxCreated
                && id.Length > 0
                && !id.Contains('\0', StringComparison.Ordinal))
            {
                return (at, id);
            }
        }

        throw new FormatException("the cursor is not one that a list of backends gave");
    }

    /// <summary>How long a drone that runs nothing must have been silent to be forgotten: as long as what it ran is remembered, and a day, which it may be away for.</summary>
    public static TimeSpan ForgetsDronesAfter(TimeSpan endedBackends) => endedBackends > s_leastSilence ? endedBackends : s_leastSilence;

    /// <summary>Why a state event was not applied.</summary>
    public static string Refusal(bool known, BackendStatus stored) =>
        known ? $"it is {stored.WireName()} already" : "no such backend and acquisition on this drone";

    /// <summary>What an operator sees of a row of the change log.</summary>
    /// <exception cref="FormatException">Nothing.</exception>
    public static ClusterEventKind EventOf(ChangeKind kind, BackendStatus? status) => (kind, status) switch
    {
        (ChangeKind.BackendState, _) => ClusterEventKind.Backend,
        (ChangeKind.TokenRevoked, _) => ClusterEventKind.TokenRevoked,
        (ChangeKind.DroneAction, BackendStatus.Scheduled) => ClusterEventKind.DroneRegistered,
        (ChangeKind.DroneAction, BackendStatus.Terminating) => ClusterEventKind.DroneDrained,
        (ChangeKind.DroneAction, BackendStatus.Ready) => ClusterEventKind.DroneUndrained,
        (ChangeKind.Service, BackendStatus.Terminated) => ClusterEventKind.ServiceDeleted,
        (ChangeKind.Service, null) => ClusterEventKind.Service,
        _ => throw new FormatException($"a change of kind {kind} with state {status} is not an event"),
    };

    private sealed record StoredClaim(KeyConfig Key, ServiceName Service, string? Path);

    private sealed record StoredSpawn(Executable Executable, KeyConfig Key, BearerToken? StaticToken, BackendProtocol? Protocol, string? TraceParent);
}
