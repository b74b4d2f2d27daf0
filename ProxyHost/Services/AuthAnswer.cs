namespace Plane.ProxyHost.Services;

/// <summary>What a web service said that was asked about a visitor.</summary>
internal enum AuthOutcome
{
    /// <summary>2xx: the visitor may enter.</summary>
    Allowed,

    /// <summary>401, or another refusal.</summary>
    Refused,

    /// <summary>A redirect: to where the visitor logs in.</summary>
    Redirected,

    /// <summary>No answer, or one that can't be used.</summary>
    Unavailable,
}

/// <summary>The answer of a web service that was asked about a visitor. Immutable.</summary>
internal sealed record AuthAnswer
{
    /// <summary>No answer, or one that can't be used.</summary>
    public static AuthAnswer Unavailable { get; } = new() { Outcome = AuthOutcome.Unavailable };

    public required AuthOutcome Outcome { get; init; }

    /// <summary>Its status.</summary>
    public int Status { get; init; }

    /// <summary>The user for the backend, as a header value; or null.</summary>
    public string? Username { get; init; }

    /// <summary>The JSON object for the backend, or null.</summary>
    public string? UserData { get; init; }

    /// <summary>Where the visitor is led.</summary>
    public string? Location { get; init; }

    /// <summary>What it asks for.</summary>
    public string? Challenge { get; init; }

    /// <summary>The cookies that it sets with a refusal or a redirect.</summary>
    public string[] Cookies { get; init; } = [];

    /// <summary>Whether the same question may be answered by it for a moment.</summary>
    public bool MayBeKept { get; init; }
}
