using System.Buffers.Text;
using System.Security.Cryptography;

namespace Plane;

/// <summary>Random names and secrets from the system's cryptographic generator.</summary>
public static class RandomText
{
    private const string Characters = "abcdefghijklmnopqrstuvwxyz0123456789";

    // Bytes from here on would make the first characters likelier than others.
    private static readonly int s_fair = 256 / Characters.Length * Characters.Length;

    /// <summary>A prefix and 14 random characters of a-z0-9 (72 bits).</summary>
    /// <param name="prefix">The prefix.</param>
    public static string Name(string prefix)
    {
        // One draw from the generator for all of them: RandomNumberGenerator.GetString makes one for each, which every connect would pay.
        Span<char> name = stackalloc char[14];
        Span<byte> bytes = stackalloc byte[32];
        for (var count = 0; count < name.Length;)
        {
            RandomNumberGenerator.Fill(bytes);
            foreach (var value in bytes)
            {
                if (value < s_fair && count < name.Length)
                {
                    name[count++] = Characters[value % Characters.Length];
                }
            }
        }

        return string.Concat(prefix, name);
    }

    /// <summary>32 random bytes in base64url without padding: 43 characters.</summary>
    public static string Secret()
    {
        Span<byte> bytes = stackalloc byte[32];
        RandomNumberGenerator.Fill(bytes);
        return Base64Url.EncodeToString(bytes);
    }
}
