using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Plane.Silo.Http.Access;

/// <summary>The static bearer token of <c>--ctrl-token-file</c>.</summary>
internal sealed class ControlToken
{
    private readonly byte[]? _hash;

    public ControlToken(string? token) => _hash = token is null ? null : Hash(token);

    public bool IsConfigured => _hash is not null;

    /// <summary>Whether the request carries the token. Hashes are compared, so that the time taken tells neither content nor length.</summary>
    public bool Allows(HttpRequest request)
    {
        const string Scheme = "Bearer ";
        return _hash is not null
            && request.Headers.Authorization is [{ } header]
            && header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
            && CryptographicOperations.FixedTimeEquals(_hash, Hash(header[Scheme.Length..].Trim()));
    }

    /// <summary>Whether a text is the token.</summary>
    public bool Is(string text) => _hash is not null && CryptographicOperations.FixedTimeEquals(_hash, Hash(text.Trim()));

    private static byte[] Hash(string text) => SHA256.HashData(Encoding.UTF8.GetBytes(text));
}
