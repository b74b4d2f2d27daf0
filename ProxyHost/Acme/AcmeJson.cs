using System.Text.Json;
using System.Text.Json.Serialization;

namespace Plane.Proxy.Acme;

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

internal sealed record AcmeIdentifier
{
    public string? Type { get; init; }

    public string? Value { get; init; }
}

internal sealed record AcmeOrder
{
    public string? Status { get; init; }

    public Uri[]? Authorizations { get; init; }

    public Uri? Finalize { get; init; }

    public Uri? Certificate { get; init; }

    public AcmeProblem? Error { get; init; }
}

internal sealed record AcmeAuthorization
{
    public string? Status { get; init; }

    public AcmeIdentifier? Identifier { get; init; }

    public AcmeChallenge[]? Challenges { get; init; }
}

internal sealed record AcmeChallenge
{
    public string? Type { get; init; }

    public Uri? Url { get; init; }

    public string? Token { get; init; }

    public string? Status { get; init; }

    public AcmeProblem? Error { get; init; }
}

internal sealed record AcmeRenewalInfo
{
    public AcmeWindow? SuggestedWindow { get; init; }

    [JsonPropertyName("explanationURL")]
    public string? ExplanationUrl { get; init; }
}

internal sealed record AcmeWindow
{
    public DateTimeOffset Start { get; init; }

    public DateTimeOffset End { get; init; }
}
