using System.Security.Cryptography.X509Certificates;

namespace Plane.Acme;

/// <summary>Which authority a client talks to, and how long it waits.</summary>
public sealed record AcmeClientOptions
{
    /// <summary>The authority's directory, as <c>https://acme-v02.api.letsencrypt.org/directory</c>.</summary>
    public required Uri Directory { get; init; }

    /// <summary>The client's name and version, for the authority's log.</summary>
    public required (string Name, string Version) UserAgent { get; init; }

    /// <summary>Where the authority may write to. Default none.</summary>
    public string? Email { get; init; }

    /// <summary>The key identifier of an external account binding, where the authority demands one. Default none.</summary>
    public string? EabKid { get; init; }

    /// <summary>The certificates that the authority's own HTTPS is checked against. Default: the system's.</summary>
    public IReadOnlyCollection<X509Certificate2>? Roots { get; init; }

    /// <summary>How often the authority is asked for the state of an order, unless it says itself; grows up to ten times that.</summary>
    public required TimeSpan PollEvery { get; init; }

    /// <summary>How long the authority may take to validate, and again to issue.</summary>
    public required TimeSpan Patience { get; init; }

    /// <summary>How long one request to the authority may take.</summary>
    public required TimeSpan RequestTimeout { get; init; }
}
