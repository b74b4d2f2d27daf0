using System.Buffers;
using System.Buffers.Text;
using System.Text.Json;

namespace Plane.ProxyHost.Signing;

/// <summary>
/// The header of a compact JWS, read before any cryptography: it decides by which key and algorithm the rest is judged. What two readers could understand differently (a member twice, other
/// characters than base64url) is malformed.
/// </summary>
/// <param name="Kid">Which key.</param>
/// <param name="Algorithm">What the token says that it is signed by; believed only where it is the key's own.</param>
internal readonly record struct TokenHeader(string Kid, string Algorithm)
{
    /// <summary>The longest header, decoded.</summary>
    private const int MaxLength = 1024;

    private static readonly SearchValues<char> s_base64Url = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

    /// <summary>Reads it, or says that the text is not a token.</summary>
    public static bool TryRead(ReadOnlySpan<char> token, out TokenHeader header)
    {
        header = default;
        var first = token.IndexOf('.');
        var second = first < 0 ? -1 : first + 1 + token[(first + 1)..].IndexOf('.');
        if (first <= 0 || second <= first + 1 || !IsBase64Url(token[..first]) || !IsBase64Url(token[(first + 1)..second]) || !IsBase64Url(token[(second + 1)..])
            || Base64Url.GetMaxDecodedLength(first) > MaxLength)
        {
            return false;
        }

        Span<byte> json = stackalloc byte[MaxLength];
        return Base64Url.DecodeFromChars(token[..first], json, out _, out var length) == OperationStatus.Done && TryParse(json[..length], out header);
    }

    // No bytes are a multiple of four characters and one more.
    private static bool IsBase64Url(ReadOnlySpan<char> part) => !part.IsEmpty && part.Length % 4 != 1 && !part.ContainsAnyExcept(s_base64Url);

    private static bool TryParse(ReadOnlySpan<byte> json, out TokenHeader header)
    {
        header = default;
        string? kid = null;
        string? algorithm = null;
        try
        {
            var reader = new Utf8JsonReader(json);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            {
                return false;
            }

            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                // What must be understood (crit, RFC 7515 section 4.1.11) is not understood here, nor is a body that is compressed or not encoded (zip, b64).
                if (reader.ValueTextEquals("crit"u8) || reader.ValueTextEquals("zip"u8) || reader.ValueTextEquals("b64"u8) || reader.ValueTextEquals("enc"u8))
                {
                    return false;
                }

                if (reader.ValueTextEquals("kid"u8))
                {
                    if (kid is not null || !TryReadText(ref reader, out kid))
                    {
                        return false;
                    }
                }
                else if (reader.ValueTextEquals("alg"u8))
                {
                    if (algorithm is not null || !TryReadText(ref reader, out algorithm))
                    {
                        return false;
                    }
                }
                else if (!reader.Read() || !reader.TrySkip())
                {
                    return false;
                }
            }

            if (reader.TokenType != JsonTokenType.EndObject || reader.Read() || kid is null || algorithm is null)
            {
                return false;
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // Not JSON, or a text that is not valid Unicode.
            return false;
        }

        header = new TokenHeader(kid, algorithm);
        return true;
    }

    private static bool TryReadText(ref Utf8JsonReader reader, out string? text)
    {
        text = null;
        if (!reader.Read() || reader.TokenType != JsonTokenType.String)
        {
            return false;
        }

        text = reader.GetString();
        return text is { Length: > 0 };
    }
}
