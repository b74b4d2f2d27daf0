using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Serialization;
using Orleans;

namespace Plane;

/// <summary>
/// The secret in a backend's URL: 43 base64url characters (32 random bytes), or <c>s.</c> and 43 for a static one. Never printed, logged or used as a
/// grain key; what is stored and compared is its <see cref="Hash"/>.
/// </summary>
[Immutable, Alias("plane.BearerToken")]
[JsonConverter(typeof(NameJsonConverter<BearerToken>))]
public readonly record struct BearerToken : IPlaneName<BearerToken>
{
    /// <summary>The length of the random part.</summary>
    public const int RandomLength = 43;

    private const string StaticPrefix = "s.";

    private readonly string? _value;

    private BearerToken(string value) => _value = value;

    /// <inheritdoc/>
    public static string Rule => "a token is 43 base64url characters, after s. for a static one";

    /// <inheritdoc/>
    public string Value => _value ?? throw new InvalidOperationException("no token was set");

    /// <summary>Whether every user of the backend shares this token and it stays in the path that the backend sees.</summary>
    public bool IsStatic => Value.StartsWith(StaticPrefix, StringComparison.Ordinal);

    /// <summary>A new random token of one connection.</summary>
    public static BearerToken NewRandom() => new(RandomText.Secret());

    /// <summary>A new random static token.</summary>
    public static BearerToken NewStatic() => new(StaticPrefix + RandomText.Secret());

    /// <summary>Reads a token that is known to be valid.</summary>
    /// <exception cref="FormatException">The text is not a valid token.</exception>
    public static BearerToken Parse(string text) => TryParse(text, out var token) ? token : throw new FormatException(Rule);

    /// <inheritdoc/>
    public static bool TryParse(string? text, out BearerToken name)
    {
        var random = text.AsSpan();
        if (random.StartsWith(StaticPrefix, StringComparison.Ordinal))
        {
            random = random[StaticPrefix.Length..];
        }

        var valid = random.Length == RandomLength && random.IndexOfAnyExcept(s_base64Url) < 0;
        name = valid ? new BearerToken(text!) : default;
        return valid;
    }

    /// <summary>SHA-256 of the token in base64url, 43 characters: what the database, the change log and caches know it by.</summary>
    public string Hash()
    {
        Span<byte> text = stackalloc byte[StaticPrefix.Length + RandomLength];
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(text[..Encoding.ASCII.GetBytes(Value, text)], hash);
        return Base64Url.EncodeToString(hash);
    }

    /// <summary>A text that tells nothing of the token.</summary>
    public override string ToString() => _value is null ? "" : "(token)";

    private static readonly System.Buffers.SearchValues<char> s_base64Url =
        System.Buffers.SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
}
