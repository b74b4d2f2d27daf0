using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Plane.Acme;

/// <summary>What an authority refused, and why (RFC 7807, RFC 8555 section 6.7). Its texts come from outside: bounded and printable before they reach a log.</summary>
public sealed record AcmeProblem
{
    private const string Prefix = "urn:ietf:params:acme:error:";
    private const int MaxText = 500;
    private const int MaxParts = 10;

    /// <summary>The kind, as a URN.</summary>
    [JsonPropertyName("type")]
    public string? Type { get; init; }

    /// <summary>A sentence about it.</summary>
    [JsonPropertyName("detail")]
    public string? Detail { get; init; }

    /// <summary>The name that it is about, if it is about one.</summary>
    [JsonPropertyName("identifier")]
    public AcmeIdentifier? Identifier { get; init; }

    /// <summary>Its parts, one for each name.</summary>
    [JsonPropertyName("subproblems")]
    public AcmeProblem[]? Subproblems { get; init; }

    /// <summary>The last part of the type, as <c>rateLimited</c>; <c>unknown</c> for a type that isn't ACME's.</summary>
    [JsonIgnore]
    public string Kind => Type?.StartsWith(Prefix, StringComparison.Ordinal) == true && IsWord(Type.AsSpan(Prefix.Length)) ? Type[Prefix.Length..] : "unknown";

    /// <summary>Whether it is of a kind.</summary>
    public bool Is(string kind) => string.Equals(Kind, kind, StringComparison.OrdinalIgnoreCase);

    /// <inheritdoc/>
    public override string ToString()
    {
        var text = new StringBuilder();
        Append(text, depth: 0);
        return text.ToString();
    }

    private void Append(StringBuilder text, int depth)
    {
        text.Append(Kind);
        if (Identifier?.Value is { Length: > 0 } name)
        {
            text.Append(" (").Append(Printable(name)).Append(')');
        }

        if (!string.IsNullOrWhiteSpace(Detail))
        {
            text.Append(": ").Append(Printable(Detail));
        }

        if (depth == 0)
        {
            foreach (var part in Subproblems?.Where(p => p is not null).Take(MaxParts) ?? [])
            {
                text.Append("; ");
                part.Append(text, depth + 1);
            }
        }
    }

    /// <summary>Someone else's text as it may appear in a log.</summary>
    public static string Printable(string text) =>
        string.Create(Math.Min(text.Length, MaxText), text, static (span, t) =>
        {
            for (var i = 0; i < span.Length; i++)
            {
                span[i] = char.IsControl(t[i]) || char.IsSurrogate(t[i]) ? ' ' : t[i];
            }
        });

    private static bool IsWord(ReadOnlySpan<char> text) => text.Length is > 0 and <= 40 && !text.ContainsAnyExcept(s_letters);

    private static readonly System.Buffers.SearchValues<char> s_letters =
        System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

    /// <summary>Reads a document; null if it is none.</summary>
    public static AcmeProblem? TryRead(ReadOnlySpan<byte> json)
    {
        try
        {
            return JsonSerializer.Deserialize<AcmeProblem>(json, AcmeJson.Options);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
