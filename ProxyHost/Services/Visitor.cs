using Plane.ProxyHost.Signing;

namespace Plane.ProxyHost.Services;

/// <summary>Who was let into a service, and by what. Immutable.</summary>
internal sealed class Visitor
{
    private Visitor()
    {
    }

    /// <summary>Anyone at all, into a public service.</summary>
    public static Visitor Anyone { get; } = new();

    /// <summary>The signed token, where it was one.</summary>
    public VerifiedToken? Token { get; private init; }

    /// <summary>The web service that was asked, where one was.</summary>
    public Uri? AdmittedBy { get; private init; }

    /// <summary>The user for the backend, as a header value; or null.</summary>
    public string? Username { get; private init; }

    /// <summary>The JSON object for the backend, or null.</summary>
    public string? UserData { get; private init; }

    /// <summary>Whether the token came as <c>Authorization</c>: no browser adds that by itself to a request of another page, and the backend does not get it.</summary>
    public bool IsByHeader { get; private init; }

    /// <summary>By a signed token.</summary>
    public static Visitor By(VerifiedToken token, bool header) => new() { Token = token, Username = token.Username, UserData = token.UserData, IsByHeader = header };

    /// <summary>By the word of another web service.</summary>
    public static Visitor By(Uri url, string? username, string? userData) => new() { AdmittedBy = url, Username = username, UserData = userData };
}
