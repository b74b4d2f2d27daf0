using System.Text;
using Microsoft.Net.Http.Headers;

namespace Plane.ProxyHost.Forwarding;

/// <summary>
/// How the server reads header values: as Latin-1, and <c>Content-Length</c> only where it is written in the one way that no parser can take for another number. The server itself
/// takes <c>+4</c> and <c>004</c> for 4, and keeps the number alone, so that the place where it is decoded is the only one where the text can be seen.
/// </summary>
internal sealed class StrictLength : Encoding
{
    private static readonly StrictLength s_length = new();

    /// <summary>The encoding of a header's values.</summary>
    public static Encoding Of(string name) => name.Equals(HeaderNames.ContentLength, StringComparison.OrdinalIgnoreCase) ? s_length : Latin1;

    public override int GetChars(ReadOnlySpan<byte> bytes, Span<char> chars)
    {
        if (!bytes.IsEmpty && bytes.Length <= chars.Length && bytes.IndexOfAnyExceptInRange((byte)'0', (byte)'9') < 0 && (bytes[0] != '0' || bytes.Length == 1))
        {
            return Latin1.GetChars(bytes, chars);
        }

        // No number: the server answers with 400 and closes the connection. An exception would leave the client without an answer.
        chars[0] = 'x';
        return 1;
    }

    public override int GetByteCount(char[] chars, int index, int count) => Latin1.GetByteCount(chars, index, count);

    public override int GetBytes(char[] chars, int charIndex, int charCount, byte[] bytes, int byteIndex) =>
        Latin1.GetBytes(chars, charIndex, charCount, bytes, byteIndex);

    public override int GetCharCount(byte[] bytes, int index, int count) => Latin1.GetCharCount(bytes, index, count);

    public override int GetChars(byte[] bytes, int byteIndex, int byteCount, char[] chars, int charIndex) =>
        GetChars(bytes.AsSpan(byteIndex, byteCount), chars.AsSpan(charIndex));

    public override int GetMaxByteCount(int charCount) => charCount;

    public override int GetMaxCharCount(int byteCount) => byteCount;
}
