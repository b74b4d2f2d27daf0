using System.Buffers.Text;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using Plane.ProxyHost.Services;

namespace Plane.ProxyHost.Signing;

/// <summary>
/// Verifies the signed tokens of a service's visitors:
/// <list type="number">
/// <item>the text is short enough, and a compact JWS whose header names key and algorithm once;</item>
/// <item>the service has the key, and the algorithm is the key's own;</item>
/// <item>the signature is the key's (Microsoft.IdentityModel.JsonWebTokens);</item>
/// <item>the claims are complete and valid, for this service, and valid now by the proxy's own clock, with <see cref="Skew"/> of difference.</item>
/// </list>
/// What was verified is kept by the token's text until it expires or its key goes: a visitor costs one verification.
/// </summary>
internal sealed class TokenVerifier(ProxyOptions options, ProxyMetrics metrics, TimeProvider time)
{
    /// <summary>The longest token: it must fit into a cookie.</summary>
    public const int MaxLength = 3_500;

    /// <summary>How much the signer's clock may differ from the proxy's.</summary>
    public static readonly TimeSpan Skew = TimeSpan.FromSeconds(60);

    /// <summary>How far ahead a token's expiry may be.</summary>
    public static readonly TimeSpan MaxLife = TimeSpan.FromHours(24);

    private static readonly JsonWebTokenHandler s_handler = new() { MaximumTokenSizeInBytes = MaxLength };

    private readonly BoundedCache<VerifiedToken> _verified = new(options.TokenCacheSize);

    /// <summary>Verifies a token, or finds it verified.</summary>
    /// <param name="service">The service that it is shown to.</param>
    /// <param name="keys">The service's keys.</param>
    /// <param name="text">The token.</param>
    public ValueTask<Verification> VerifyAsync(ServiceName service, VerificationKeys keys, ReadOnlySpan<char> text)
    {
        if (text.Length > MaxLength)
        {
            return ValueTask.FromResult(Verification.Failed(TokenProblem.TooLarge));
        }

        // The signature is checked once; all that may have changed since is checked each time.
        if (_verified.TryGet(text, out var known) && known.Service == service.Value && keys.Has(known.SignedBy))
        {
            return ValueTask.FromResult(known.ValidUntil <= Now() ? Verification.Failed(TokenProblem.Expired) : new Verification(known, TokenProblem.None));
        }

        // 1.
        if (!TokenHeader.TryRead(text, out var header))
        {
            return ValueTask.FromResult(Counted(Verification.Failed(TokenProblem.Malformed)));
        }

        // 2.
        var key = keys.Find(header.Kid);
        var problem = key is null ? TokenProblem.UnknownKey : header.Algorithm != key.Algorithm ? TokenProblem.WrongAlgorithm : TokenProblem.None;
        return problem == TokenProblem.None ? VerifyAsync(service, key!, text.ToString()) : ValueTask.FromResult(Counted(Verification.Failed(problem)));
    }

    /// <summary>Whether a text looks like a token by a key of these: what an application uses for itself does not.</summary>
    public bool IsOf(VerificationKeys keys, ReadOnlySpan<char> text) =>
        text.Length <= MaxLength && (_verified.TryGet(text, out _) || (TokenHeader.TryRead(text, out var header) && keys.Find(header.Kid) is not null));

    /// <summary>How long a token is accepted yet.</summary>
    public TimeSpan LeftOf(VerifiedToken token) => TimeSpan.FromMilliseconds(Math.Max(1, token.ValidUntil - Now()));

    private async ValueTask<Verification> VerifyAsync(ServiceName service, VerificationKey key, string text)
    {
        // 3.
        var result = await s_handler.ValidateTokenAsync(text, key.Parameters);
        if (!result.IsValid)
        {
            // The library reads the claims that it knows before the signature; none of them counts for anything yet.
            return Counted(Verification.Failed(result.Exception is SecurityTokenInvalidSignatureException ? TokenProblem.BadSignature : TokenProblem.BadClaims));
        }

        // 4.
        var body = text.AsSpan(text.IndexOf('.', StringComparison.Ordinal) + 1);
        body = body[..body.IndexOf('.')];
        if (TokenClaims.Read(Decode(body)) is not { } claims)
        {
            return Counted(Verification.Failed(TokenProblem.BadClaims));
        }

        var problem = Judge(service, claims);
        if (problem != TokenProblem.None)
        {
            return Counted(Verification.Failed(problem));
        }

        var verified = new VerifiedToken(key, service, claims, (long)(claims.Expires!.Value * 1000) + (long)Skew.TotalMilliseconds);
        _verified.Set(text, verified);
        return Counted(new Verification(verified, TokenProblem.None));
    }

    private TokenProblem Judge(ServiceName service, TokenClaims claims)
    {
        var now = Now() / 1000.0;
        var skew = Skew.TotalSeconds;
        var life = MaxLife.TotalSeconds;
        return Array.IndexOf(claims.Audiences, service.Value) < 0 ? TokenProblem.OtherService
            : ServiceKeys.Validate(service, new KeyConfig { Name = claims.Key ?? "k", Namespace = claims.Namespace }, "key") is not null ? TokenProblem.BadClaims
            : claims.Expires + skew <= now ? TokenProblem.Expired
            : claims.NotBefore - skew > now || claims.IssuedAt - skew > now ? TokenProblem.NotYetValid
            : claims.Expires > now + life + skew || claims.Expires > claims.IssuedAt + life ? TokenProblem.LivesTooLong
            : TokenProblem.None;
    }

    // An empty body has no claims.
    private static byte[] Decode(ReadOnlySpan<char> body) => Base64Url.IsValid(body) ? Base64Url.DecodeFromChars(body) : [];

    private long Now() => time.GetUtcNow().ToUnixTimeMilliseconds();

    private Verification Counted(Verification verification)
    {
        metrics.TokenVerified(verification.Problem);
        return verification;
    }
}

/// <summary>What became of a token.</summary>
/// <param name="Token">The token, where it is good.</param>
/// <param name="Problem">Why not.</param>
internal readonly record struct Verification(VerifiedToken? Token, TokenProblem Problem)
{
    public static Verification Failed(TokenProblem problem) => new(null, problem);
}
