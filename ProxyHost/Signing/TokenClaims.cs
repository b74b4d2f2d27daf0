using System.Text.Json;

namespace Plane.ProxyHost.Signing;

/// <summary>
/// The claims of a token whose signature is good. The signer may be anyone who has a key of the service, so each value is bounded like one of a connect request. A claim that is read here and
/// is there twice refuses the token: JSON leaves open which of the two counts.
/// </summary>
internal sealed class TokenClaims
{
    private const int MaxAudiences = 16;

    // Seconds of a time that DateTimeOffset can hold.
    private const double LatestTime = 253_402_300_799;

    private readonly HashSet<string> _seen = new(StringComparer.Ordinal);

    private TokenClaims()
    {
    }

    /// <summary>Who visits, or null.</summary>
    public string? Subject { get; private set; }

    /// <summary>The JSON object for the backend, or null.</summary>
    public JsonText? Auth { get; private set; }

    /// <summary>The namespace of the keys, as a connect by service names it.</summary>
    public string Namespace { get; private set; } = "";

    /// <summary>The one key that it opens (<c>key</c>), or null.</summary>
    public string? Key { get; private set; }

    /// <summary>The keys that it opens (<c>keys</c>): names, or beginnings of names with a <c>*</c> at the end. Empty where <see cref="Key"/> is there.</summary>
    public string[] Keys { get; private set; } = [];

    /// <summary>The user that it is for.</summary>
    public string[] Audiences { get; private set; } = [];

    /// <summary>When it expires, in seconds since the Unix epoch.</summary>
    public double? Expires { get; private set; }

    /// <summary>From when it is valid.</summary>
    public double? NotBefore { get; private set; }

    /// <summary>When it was signed.</summary>
    public double? IssuedAt { get; private set; }

    /// <summary>Reads a token's body; null where a claim is missing or has no valid value.</summary>
    public static TokenClaims? Read(ReadOnlySpan<byte> json)
    {
        var claims = new TokenClaims();
        try
        {
            return claims.TryRead(json) && claims.IsComplete() ? claims : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // Not JSON, or a text that is not valid Unicode.
            return null;
        }
    }

    private bool TryRead(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json);
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
        {
            return false;
        }

        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            if (!reader.Read() || !TryReadValue(name, ref reader))
            {
                return false;
            }
        }

        return reader.TokenType == JsonTokenType.EndObject && !reader.Read();
    }

    private bool TryReadValue(string name, ref Utf8JsonReader reader)
    {
        switch (name)
        {
            case "sub":
                return IsFirst(name) && (Subject = Text(ref reader, 1)) is not null;
            case "namespace":
                return IsFirst(name) && (Namespace = Text(ref reader, 0)!) is not null;
            case "key":
                return IsFirst(name) && (Key = Text(ref reader, 1)) is not null;
            case "keys":
                return IsFirst(name) && (Keys = Texts(ref reader, KeyScope.MaxNames)).Length > 0;
            case "aud":
                return IsFirst(name) && (Audiences = Texts(ref reader, MaxAudiences)).Length > 0;
            case "exp":
                return IsFirst(name) && (Expires = Time(ref reader)) is not null;
            case "nbf":
                return IsFirst(name) && (NotBefore = Time(ref reader)) is not null;
            case "iat":
                return IsFirst(name) && (IssuedAt = Time(ref reader)) is not null;
            case "auth":
                return IsFirst(name) && TryAuth(ref reader);
            default:
                // Other claims, such as iss and jti, are the application's own.
                reader.Skip();
                return true;
        }
    }

    private bool IsFirst(string name) => _seen.Add(name);

    // Exactly one of the two says which keys: from a token with both a reader could take either for what was meant.
    private bool IsComplete() => Expires is not null && Audiences.Length > 0 && _seen.Contains("key") != _seen.Contains("keys") && Keys.All(IsPattern);

    // A star elsewhere than at the end would look like a pattern that it is not.
    private static bool IsPattern(string keys) => keys.IndexOf('*', StringComparison.Ordinal) is var star && (star < 0 || star == keys.Length - 1);

    private bool TryAuth(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            return false;
        }

        using var document = JsonDocument.ParseValue(ref reader);
        if (!JsonText.TryParse(document.RootElement.GetRawText(), out var auth))
        {
            return false;
        }

        Auth = auth;
        return true;
    }

    private static string? Text(ref Utf8JsonReader reader, int minimum) =>
        reader.TokenType == JsonTokenType.String && reader.GetString() is { } text && NameRules.TextProblem(text, minimum) is null ? text : null;

    /// <summary>One text, or an array of them; empty where one is not valid.</summary>
    private static string[] Texts(ref Utf8JsonReader reader, int most)
    {
        if (reader.TokenType == JsonTokenType.String)
        {
            return Text(ref reader, 1) is { } one ? [one] : [];
        }

        if (reader.TokenType != JsonTokenType.StartArray)
        {
            return [];
        }

        var all = new List<string>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (all.Count == most || Text(ref reader, 1) is not { } text)
            {
                return [];
            }

            all.Add(text);
        }

        return [.. all];
    }

    private static double? Time(ref Utf8JsonReader reader) =>
        reader.TokenType == JsonTokenType.Number && reader.TryGetDouble(out var seconds) && seconds is >= 0 and <= LatestTime ? seconds : null;
}
