using System.Text;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Plane.ProxyHost.Signing;
using Plane.Testing;

namespace Plane.Tests.Proxy;

/// <summary>Random tokens and keys: what opens is what the rules say, and nothing else.</summary>
public sealed partial class TokenVerifierTests
{
    /// <summary>
    /// Random signers, keys of the service and claims: what is let in is exactly what a plain reading of the rules lets in, and a token with any one bit flipped never is.
    /// </summary>
    [Property(MaxTest = 300)]
    public Property Random_tokens_open_what_the_rules_say()
    {
        var generated =
            from alg in Gen.Elements(SigningAlgorithm.HS256, SigningAlgorithm.ES256, SigningAlgorithm.EdDSA)
            from registered in ArbMap.Default.GeneratorFor<bool>()
            from stranger in ArbMap.Default.GeneratorFor<bool>()
            from exp in Gen.Choose(-200, 90_000)
            from nbf in Gen.Choose(-200, 200)
            from audience in Gen.Elements("board", "chat")
            from key in Gen.Elements("room", "other", "room-1", "Room", "k", "r")
            from pattern in Gen.Elements("", "*", "room*", "room", "oth*")
            from bit in Gen.Choose(0, int.MaxValue)
            select new RandomToken(alg, registered, stranger, exp, nbf, audience, key, pattern, bit);
        return Prop.ForAll(generated.ToArbitrary(), Check);
    }

    /// <summary>No text at all makes it throw, or lets anyone in.</summary>
    [Property(MaxTest = 500)]
    public async Task Random_texts_open_nothing(string text, byte[] header, byte[] body)
    {
        using var signer = new Signer(SigningAlgorithm.HS256, "k");
        var made = signer.Sign("""{"alg":"HS256","kid":"k"}""", Encoding.Latin1.GetString(body ?? []));
        foreach (var attempt in new[] { text ?? "", $"{Signer.Encode(header ?? [])}.{Signer.Encode(body ?? [])}.{Signer.Encode(header ?? [])}", made })
        {
            Assert.NotEqual((TokenProblem.None, attempt), (await ProblemAsync(attempt, signer), attempt));
        }
    }

    private void Check(RandomToken random)
    {
        using var signer = new Signer(random.Alg, "k");
        using var impostor = new Signer(random.Alg, "k");
        var (key, pattern) = (random.Key, random.Pattern);
        var claims = Claims(pattern.Length == 0 ? key : null).With("exp", Now() + random.Exp).With("nbf", Now() + random.Nbf).With("aud", random.Audience);
        if (pattern.Length > 0)
        {
            claims["keys"] = pattern;
        }

        var keys = random.IsRegistered ? KeysOf(signer) : VerificationKeys.None;
        var token = (random.IsStrangers ? impostor : signer).Sign(claims);
        var found = Verified(token);
        var isValid = random is { IsRegistered: true, IsStrangers: false, Exp: > -60 and <= 86_460, Nbf: <= 60, Audience: "board" };
        Assert.Equal((isValid, token), (found.Problem == TokenProblem.None, token));
        if (isValid)
        {
            var opens = pattern.Length == 0 || key == pattern || (pattern.EndsWith('*') && key.StartsWith(pattern[..^1], StringComparison.Ordinal));
            Assert.Equal((opens, token), (found.Token!.Opens(new KeyConfig { Name = key }), token));
        }

        var flipped = FlipBit(token, random.Bit);
        Assert.NotEqual((TokenProblem.None, flipped), (Verified(flipped).Problem, flipped));

        Verification Verified(string text) => _verifier.VerifyAsync(s_service, keys, text).AsTask().GetAwaiter().GetResult();
    }

    // The last character of a part holds bits that decode to nothing; one before it never does.
    private static string FlipBit(string token, int number)
    {
        const string Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        var candidates = Enumerable.Range(0, token.Length - 1).Where(i => token[i] != '.' && token[i + 1] != '.').ToArray();
        var at = candidates[number % candidates.Length];
        var value = Alphabet.IndexOf(token[at], StringComparison.Ordinal) ^ (1 << (number % 6));
        return token[..at] + Alphabet[value] + token[(at + 1)..];
    }

    private sealed record RandomToken(SigningAlgorithm Alg, bool IsRegistered, bool IsStrangers, int Exp, int Nbf, string Audience, string Key, string Pattern, int Bit);
}
