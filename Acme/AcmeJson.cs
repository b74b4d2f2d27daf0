using System.Text.Json;
using System.Text.Json.Serialization;

namespace Plane.Acme;

/// <summary>The objects of RFC 8555 section 7.1, as far as they are used here. What an authority leaves out is null, whatever the RFC says.</summary>
internal static class AcmeJson
{
    public static JsonSerializerOptions Options { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        MaxDepth = 16,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };
}

internal sealed record AcmeDirectory
{
    public Uri? NewNonce { get; init; }

    public Uri? NewAccount { get; init; }

    public Uri? NewOrder { get; init; }

    public Uri? RevokeCert { get; init; }

    public Uri? KeyChange { get; init; }

    /// <summary>RFC 9773; null where the authority doesn't offer it.</summary>
    public Uri? RenewalInfo { get; init; }

    public AcmeDirectoryMeta? Meta { get; init; }
}

internal sealed record AcmeDirectoryMeta
{
    public string? TermsOfService { get; init; }

    public bool ExternalAccountRequired { get; init; }
}

internal sealed record AcmeAccount
{
    public string? Status { get; init; }

    public string[]? Contact { get; init; }
}

/// <summary>A name that is certified.</summary>
public sealed record AcmeIdentifier
{
    /// <summary><c>dns</c>.</summary>
    public string? Type { get; init; }

    /// <summary>The name.</summary>
    public string? Value { get; init; }
}

/// <summary>An order (RFC 8555 section 7.1.3).</summary>
public sealed record AcmeOrder
{
    /// <summary><c>pending</c>, <c>ready</c>, <c>processing</c>, <c>valid</c> or <c>invalid</c>.</summary>
    public string? Status { get; init; }

    /// <summary>One for each name.</summary>
    public Uri[]? Authorizations { get; init; }

    /// <summary>Where the request for the certificate goes.</summary>
    public Uri? Finalize { get; init; }

    /// <summary>Where the certificate is, once it is issued.</summary>
    public Uri? Certificate { get; init; }

    /// <summary>Why the order failed.</summary>
    public AcmeProblem? Error { get; init; }
}

/// <summary>Whether the account may have certificates for a name (RFC 8555 section 7.1.4).</summary>
public sealed record AcmeAuthorization
{
    /// <summary><c>pending</c>, <c>valid</c>, or an end without success.</summary>
    public string? Status { get; init; }

    /// <summary>The name.</summary>
    public AcmeIdentifier? Identifier { get; init; }

    /// <summary>The ways to prove it.</summary>
    public AcmeChallenge[]? Challenges { get; init; }
}

/// <summary>One way to prove a name (RFC 8555 section 7.1.5).</summary>
public sealed record AcmeChallenge
{
    /// <summary>As <c>dns-01</c>.</summary>
    public string? Type { get; init; }

    /// <summary>Where the authority is asked to look.</summary>
    public Uri? Url { get; init; }

    /// <summary>What the proof is made of.</summary>
    public string? Token { get; init; }

    /// <summary><c>pending</c>, <c>processing</c>, <c>valid</c> or <c>invalid</c>.</summary>
    public string? Status { get; init; }

    /// <summary>Why the proof failed.</summary>
    public AcmeProblem? Error { get; init; }
}

/// <summary>When the authority wants a certificate renewed (RFC 9773).</summary>
public sealed record AcmeRenewalInfo
{
    /// <summary>The window.</summary>
    public AcmeWindow? SuggestedWindow { get; init; }

    /// <summary>A page that says why.</summary>
    [JsonPropertyName("explanationURL")]
    public string? ExplanationUrl { get; init; }
}

/// <summary>A window of time.</summary>
public sealed record AcmeWindow
{
    /// <summary>Its begin.</summary>
    public DateTimeOffset Start { get; init; }

    /// <summary>Its end.</summary>
    public DateTimeOffset End { get; init; }
}
