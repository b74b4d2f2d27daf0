using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Plane.Acme;

/// <summary>Signed requests: JWS in its flattened JSON form (RFC 7515 section 7.2.2, RFC 8555 section 6.2).</summary>
internal static class Jws
{
    /// <summary>Signs as an account, or, before there is one, as a key.</summary>
    /// <param name="key">The account's key.</param>
    /// <param name="account">The account's URL, or null to show the key itself.</param>
    /// <param name="url">The request's URL.</param>
    /// <param name="nonce">The nonce; null inside another signed request.</param>
    /// <param name="payload">The payload; null for a POST-as-GET.</param>
    public static JsonObject Sign(AcmeKey key, Uri? account, Uri url, string? nonce, JsonNode? payload)
    {
        var header = new JsonObject { ["alg"] = "ES256", ["url"] = url.OriginalString };
        if (nonce is not null)
        {
            header["nonce"] = nonce;
        }

        if (account is null)
        {
            header["jwk"] = JsonNode.Parse(key.Jwk);
        }
        else
        {
            header["kid"] = account.OriginalString;
        }

        return Flattened(header, payload, input => key.Sign(input));
    }

    /// <summary>Proves to the authority that the account's owner has a contract with it (RFC 8555 section 7.3.4).</summary>
    /// <param name="kid">Which contract.</param>
    /// <param name="secret">The HMAC key that came with it.</param>
    /// <param name="url">The URL of new accounts.</param>
    /// <param name="key">The account's key.</param>
    public static JsonObject Bind(string kid, byte[] secret, Uri url, AcmeKey key) => Flattened(
        new JsonObject { ["alg"] = "HS256", ["kid"] = kid, ["url"] = url.OriginalString },
        JsonNode.Parse(key.Jwk),
        input => HMACSHA256.HashData(secret, input));

    private static JsonObject Flattened(JsonObject header, JsonNode? payload, Func<byte[], byte[]> sign)
    {
        var first = Base64Url.EncodeToString(Encoding.UTF8.GetBytes(header.ToJsonString()));
        var second = payload is null ? "" : Base64Url.EncodeToString(Encoding.UTF8.GetBytes(payload.ToJsonString()));
        return new JsonObject
        {
            ["protected"] = first,
            ["payload"] = second,
            ["signature"] = Base64Url.EncodeToString(sign(Encoding.ASCII.GetBytes($"{first}.{second}"))),
        };
    }
}
