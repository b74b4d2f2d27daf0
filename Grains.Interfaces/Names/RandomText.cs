using System.Buffers.Text;
using System.Security.Cryptography;

namespace Plane;

/// <summary>Random names and secrets from the system's cryptographic generator.</summary>
public static class RandomText
{
    /// <summary>A prefix and 14 random characters of a-z0-9 (72 bits).</summary>
    /// <param name="prefix">The prefix.</param>
    public static string Name(string prefix) => prefix + RandomNumberGenerator.GetString("abcdefghijklmnopqrstuvwxyz0123456789", 14);

    /// <summary>32 random bytes in base64url without padding: 43 characters.</summary>
    public static string Secret()
    {
        Span<byte> bytes = stackalloc byte[32];
        RandomNumberGenerator.Fill(bytes);
        return Base64Url.EncodeToString(bytes);
    }
}
