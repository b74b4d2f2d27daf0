using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Plane.Storage;

namespace Plane.Grains.Keys;

/// <summary>
/// What is kept of an answer for repeats of its request. A connection token is nowhere stored in the clear, and it isn't here: it is encrypted under a key that is
/// derived from the request's id, of which the store gets a hash alone. So who reads the database, but not the request, has no token; as far as the ids can't be
/// guessed.
/// </summary>
internal static class EncryptedResponse
{
    private const int NonceSize = 12;
    private const int TagSize = 16;

    /// <summary>A command's request as the store is to know it; null where it has no id.</summary>
    public static IdempotencyKey? MarkOf(ResolvedConnect command) => command.Request is { } request
        ? new IdempotencyKey(
            Convert.ToHexStringLower(Derive(request.Id, "plane request id")),
            request.Digest,
            Seal(request.Id, new IdempotentResponse { Key = command.Key, Token = command.Token, SecretToken = command.SecretToken }))
        : null;

    public static byte[] Seal(string requestId, IdempotentResponse answer)
    {
        var text = JsonSerializer.SerializeToUtf8Bytes(answer);
        var sealedText = new byte[NonceSize + TagSize + text.Length];
        RandomNumberGenerator.Fill(sealedText.AsSpan(0, NonceSize));
        using var cipher = new AesGcm(Derive(requestId, "plane request answer"), TagSize);
        cipher.Encrypt(sealedText.AsSpan(0, NonceSize), text, sealedText.AsSpan(NonceSize + TagSize), sealedText.AsSpan(NonceSize, TagSize));
        return sealedText;
    }

    /// <exception cref="CryptographicException">It was sealed under another id.</exception>
    public static IdempotentResponse Open(string requestId, byte[] sealedText)
    {
        var text = new byte[sealedText.Length - NonceSize - TagSize];
        using var cipher = new AesGcm(Derive(requestId, "plane request answer"), TagSize);
        cipher.Decrypt(sealedText.AsSpan(0, NonceSize), sealedText.AsSpan(NonceSize + TagSize), sealedText.AsSpan(NonceSize, TagSize), text);
        return JsonSerializer.Deserialize<IdempotentResponse>(text)!;
    }

    private static byte[] Derive(string requestId, string use) =>
        HKDF.DeriveKey(HashAlgorithmName.SHA256, Encoding.UTF8.GetBytes(requestId), 32, info: Encoding.ASCII.GetBytes(use));
}
